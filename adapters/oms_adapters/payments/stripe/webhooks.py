"""Stripe's signed notifications.

Stripe: "Verify webhook signatures manually". Done here on the raw bytes and against the clock port;
the SDK's own check decodes the body first, reads the machine's clock, and lets a notification
from the future through.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any, Final

from oms_adapters.payments.stripe.references import is_reference
from oms_adapters.payments.stripe.states import moment
from oms_core.errors import ConfigurationError, WebhookRejected
from oms_core.ports.payments import PaymentRef, ProviderEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

WINDOW_S: Final = 300
"""How far a notification's time may be from ours, either way, in seconds. Stripe's default."""

BODY_BYTES_MAX: Final = 1_048_576
_HEADER: Final = "stripe-signature"
_HEADER_CHARACTERS_MAX: Final = 4_096
_SECRET: Final = re.compile(r"whsec_[A-Za-z0-9+/=_-]{16,255}", re.ASCII)
_EVENT_ID: Final = re.compile(r"evt_[A-Za-z0-9_]{1,255}", re.ASCII)
_KIND: Final = re.compile(r"[a-z0-9_.\[\]]{1,255}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_EVENTS: Final = ("event", "v2.core.event")


class WebhookReader:
    """Verifies and reads the notifications of one endpoint."""

    def __init__(self, secret: str) -> None:
        """Take the endpoint's signing *secret*.

        Raises:
            ConfigurationError: it is not one.
        """
        if not _SECRET.fullmatch(secret):
            mistake = (
                "webhook_secret is no signing secret of Stripe's: it begins with whsec_; copy "
                "it from the endpoint's page in Stripe's dashboard."
            )
            raise ConfigurationError([mistake])
        # Stripe signs with the whole text, what comes before the underscore included.
        self._key = secret.encode()

    def read(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes, *, now: datetime
    ) -> Sequence[ProviderEvent]:
        """Return what an authentic and fresh notification tells of a payment.

        Raises:
            WebhookRejected: forged, stale or malformed; the reason says which.
        """
        if len(body) > BODY_BYTES_MAX:
            raise WebhookRejected(reason="body_too_large")
        time, signatures = _parts(headers)
        wanted = hmac.digest(self._key, time + b"." + body, hashlib.sha256).hex().encode()
        # All are compared, on bytes: neither time nor a character beyond ASCII tells anything.
        if not sum(hmac.compare_digest(wanted, signature) for signature in signatures):
            raise WebhookRejected(reason="signature_does_not_match")
        if abs(now.timestamp() - int(time)) > WINDOW_S:
            raise WebhookRejected(reason="outside_the_time_window")
        return tuple(_events(tenant_id, _document(body)))


def _parts(headers: Mapping[str, str]) -> tuple[bytes, list[bytes]]:
    """Take the header apart: its time, and all signatures of the scheme that is still good.

    While a secret is being replaced there are several.
    """
    given = {name.lower(): value for name, value in headers.items()}.get(_HEADER)
    if not given:
        raise WebhookRejected(reason="no_stripe_signature_header")
    if len(given) > _HEADER_CHARACTERS_MAX:
        raise WebhookRejected(reason="malformed_stripe_signature_header")
    items = [item.strip().partition("=") for item in given.split(",")]
    times = [value for name, _, value in items if name == "t"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]):
        raise WebhookRejected(reason="malformed_stripe_signature_header")
    signatures = [
        value.encode("utf-8", "surrogatepass") for name, _, value in items if name == "v1"
    ]
    return times[0].encode(), signatures


def _document(body: bytes) -> dict[str, Any]:
    """Read what is signed: even the holder of the secret may send nonsense."""
    try:
        document = json.loads(body.decode())
    # Deep nesting is a RecursionError; bad UTF-8 and bad JSON are ValueErrors.
    except (ValueError, RecursionError) as error:
        raise WebhookRejected(reason="malformed_body") from error
    if (
        not isinstance(document, dict)
        or document.get("object") not in _EVENTS
        or not _matches(_EVENT_ID, document.get("id"))
        or not _matches(_KIND, document.get("type"))
    ):
        raise WebhookRejected(reason="malformed_body")
    return document


def _events(tenant_id: UUID, document: dict[str, Any]) -> Iterator[ProviderEvent]:
    data = document.get("data")
    thing = data.get("object") if isinstance(data, dict) else None
    reference = _reference_of(thing) if isinstance(thing, dict) else None
    if reference is not None:
        yield ProviderEvent(
            event_id=document["id"],
            ref=PaymentRef(tenant_id, reference),
            kind=document["type"],
            occurred_at=moment(document.get("created")),
        )


def _reference_of(thing: dict[str, Any]) -> str | None:
    """Find which payment a PaymentIntent, charge, refund or dispute is about."""
    named = (
        thing.get("id") if thing.get("object") == "payment_intent" else thing.get("payment_intent")
    )
    if isinstance(named, dict):
        named = named.get("id")
    return named if isinstance(named, str) and is_reference(named) else None


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
