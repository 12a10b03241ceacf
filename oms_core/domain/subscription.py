"""A subscription to webhooks: where events are sent, which ones, and how they are signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from attrs import evolve, field, frozen

from oms_core.domain.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what every secret begins with
"""How Standard Webhooks writes a symmetric secret; the rest is base64."""
SECRETS_MAX: Final = 2

SUBSCRIPTION_NAMESPACE: Final = UUID("c1b7a0f4-52d3-5e8e-b6a9-1f0d9c3e7a52")
"""Fixed for ever: changing it would let a repeated subscribing subscribe twice."""


def subscription_id_for(scope: Scope, idempotency_key: str) -> UUID:
    """Derive a subscription's id from its idempotency key, as an order's is."""
    name = f"{scope.tenant_id.hex}{scope.org_id.hex}{idempotency_key}"
    return uuid5(SUBSCRIPTION_NAMESPACE, name)


@frozen
class SigningSecret:
    """A secret that subscriber and we share; replaced ones sign until *expires_at*."""

    value: str = field(repr=False)
    expires_at: datetime | None = None

    @classmethod
    def of_bytes(cls, random_bytes: bytes) -> SigningSecret:
        """Write 24 to 64 random bytes as a secret."""
        return cls(SECRET_PREFIX + base64.b64encode(random_bytes).decode("ascii"))

    def signature(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Sign a message (Standard Webhooks: id, timestamp and body, HMAC-SHA256)."""
        key = base64.b64decode(self.value.removeprefix(SECRET_PREFIX))
        signed = f"{message_id}.{timestamp}.".encode() + body
        digest = hmac.new(key, signed, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode('ascii')}"


@frozen
class Subscription:
    """What a subscriber asked for. How far its deliveries are is kept apart from it."""

    id: UUID
    scope: Scope
    url: str
    event_types: tuple[str, ...]
    """Only these; empty: all, also those that do not exist yet."""
    secrets: tuple[SigningSecret, ...]
    """The newest first."""
    created_at: datetime
    is_enabled: bool = True
    asked: str = ""
    """What was asked for under the idempotency key that made it, as a SHA-256; "": no key."""
    version: int = 1

    def wants(self, event_type: str) -> bool:
        """Tell whether such an event is to be sent."""
        return not self.event_types or event_type in self.event_types

    def with_new_secret(
        self, secret: SigningSecret, *, at: datetime, overlap_s: float
    ) -> Subscription:
        """Sign with *secret* from now on, and for *overlap_s* with the present one as well."""
        until = at + timedelta(seconds=overlap_s)
        replaced = evolve(self.secrets[0], expires_at=until)
        return evolve(self, secrets=(secret, replaced)[:SECRETS_MAX])

    def headers(self, message_id: str, body: bytes, *, at: datetime) -> dict[str, str]:
        """Return the headers that a receiver verifies (Standard Webhooks 1.0)."""
        timestamp = int(at.timestamp())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                secret.signature(message_id, timestamp, body) for secret in self._valid(at)
            ),
        }

    def _valid(self, at: datetime) -> Sequence[SigningSecret]:
        return [one for one in self.secrets if one.expires_at is None or at < one.expires_at]
