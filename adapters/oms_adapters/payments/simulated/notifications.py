"""The simulated provider's signed notifications: making and verifying them.

Signed as Standard Webhooks 1.0 says: HMAC-SHA256 over ``id.timestamp.body``, with the
secret's bytes, in the headers ``webhook-id``, ``webhook-timestamp`` and
``webhook-signature`` (``v1,`` and base64; several, divided by spaces, while a secret is
being replaced).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from attrs import frozen

from oms_core.errors import ConfigurationError, WebhookRejected
from oms_core.ports.payments import PaymentRef, ProviderEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WINDOW_S: Final = 300
"""How far a notification's time may be from ours, either way, in seconds."""

BODY_BYTES_MAX: Final = 1_048_576
SECRET_BYTES_MIN: Final = 24
"""Standard Webhooks: at least 24 random bytes."""

_PREFIX: Final = "whsec_"
_TIMESTAMP_DIGITS_MAX: Final = 12


@frozen
class Notification:
    """A signed request as the provider would send it to a webhook endpoint."""

    headers: Mapping[str, str]
    body: bytes


class NotificationSigner:
    """Signs and verifies notifications with one secret."""

    def __init__(self, secret: str) -> None:
        """Take a *secret* of the form ``whsec_`` and base64, or any long random text.

        Raises:
            ConfigurationError: shorter than 24 bytes, or not base64 after ``whsec_``.
        """
        self._secret = _secret_bytes(secret)

    def sign(
        self, events: Sequence[ProviderEvent], *, message_id: str, at: datetime
    ) -> Notification:
        """Make the notification that tells *events*, sent at *at*."""
        body = json.dumps({"events": [_event_document(event) for event in events]}).encode()
        timestamp = str(int(at.timestamp()))
        signature = self._signature(message_id.encode(), timestamp.encode(), body)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature.decode()}",
        }
        return Notification(headers, body)

    def verify(
        self, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> tuple[ProviderEvent, ...]:
        """Return the events of an authentic, fresh and well-formed notification.

        Raises:
            WebhookRejected: any of these it is not; the reason says which.
        """
        given = {name.lower(): value for name, value in headers.items()}
        message_id = _header(given, "webhook-id")
        timestamp = _header(given, "webhook-timestamp")
        signatures = _header(given, "webhook-signature").split(b" ")
        if len(body) > BODY_BYTES_MAX:
            raise WebhookRejected(reason="body_too_large")
        wanted = b"v1," + self._signature(message_id, timestamp, body)
        # All are compared, on bytes: neither time nor a character beyond ASCII tells anything.
        if not sum(hmac.compare_digest(wanted, signature) for signature in signatures):
            raise WebhookRejected(reason="signature_does_not_match")
        if abs(now.timestamp() - _seconds(timestamp)) > WINDOW_S:
            raise WebhookRejected(reason="outside_the_time_window")
        return _read_events(body)

    def _signature(self, message_id: bytes, timestamp: bytes, body: bytes) -> bytes:
        signed = b".".join((message_id, timestamp, body))
        return base64.b64encode(hmac.digest(self._secret, signed, hashlib.sha256))


def _secret_bytes(secret: str) -> bytes:
    try:
        if secret.startswith(_PREFIX):
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        else:
            key = secret.encode()
    except (binascii.Error, UnicodeEncodeError, ValueError):
        key = b""
    if len(key) < SECRET_BYTES_MIN:
        mistake = (
            "The simulated provider's webhook secret must be whsec_ and the base64 of at "
            "least 24 random bytes, or any text of at least 24 bytes."
        )
        raise ConfigurationError([mistake])
    return key


def _header(headers: Mapping[str, str], name: str) -> bytes:
    value = headers.get(name)
    if not value:
        raise WebhookRejected(reason=f"no_{name}_header")
    # A header may hold anything; what is not UTF-8 is compared as it came.
    return value.encode("utf-8", "surrogatepass")


def _seconds(timestamp: bytes) -> int:
    if not timestamp.isdigit() or len(timestamp) > _TIMESTAMP_DIGITS_MAX:
        raise WebhookRejected(reason="timestamp_is_no_number")
    return int(timestamp)


def _event_document(event: ProviderEvent) -> dict[str, object]:
    return {
        "id": event.event_id,
        "type": event.kind,
        "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
        "tenant_id": str(event.ref.tenant_id),
        "reference": event.ref.reference,
        "facts": dict(event.facts),
    }


def _read_events(body: bytes) -> tuple[ProviderEvent, ...]:
    """Read what is signed: even the holder of the secret may send nonsense."""
    try:
        document = json.loads(body.decode())
        return tuple(_read_event(one) for one in document["events"])
    # Deep nesting is a RecursionError; a wrong shape is any of the others.
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise WebhookRejected(reason="malformed_body") from error


def _read_event(one: Mapping[str, Any]) -> ProviderEvent:
    facts = {_text(name): _text(fact) for name, fact in one["facts"].items()}
    occurred_at = one["occurred_at"]
    return ProviderEvent(
        event_id=_text(one["id"]),
        ref=PaymentRef(UUID(_text(one["tenant_id"])), _text(one["reference"])),
        kind=_text(one["type"]),
        occurred_at=None if occurred_at is None else _moment(_text(occurred_at)),
        facts=facts,
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without its time zone")
    return moment.astimezone(UTC)


def _text(value: object) -> str:
    """Take text that can be stored: a lone surrogate cannot."""
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    value.encode()
    return value
