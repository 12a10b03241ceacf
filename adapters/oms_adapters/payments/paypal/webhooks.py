"""PayPal's notifications: verified by PayPal itself, on the bytes that came."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn

from oms_adapters.payments.paypal.names import is_paypal_id, order_in_name
from oms_adapters.payments.paypal.order import linked_id, read_moment, related_order_id
from oms_core.errors import (
    InvalidRequest,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
    WebhookRejected,
)
from oms_core.ports.payments import PaymentRef, ProviderEvent

if TYPE_CHECKING:
    from uuid import UUID

    from oms_adapters.payments.paypal.client import PaypalClient
    from oms_core.ports.clock import Clock

WINDOW_S: Final = 300
"""How far a notification's time may be from ours, either way, in seconds."""
BODY_BYTES_MAX: Final = 1_048_576

_HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    "auth_algo": ("paypal-auth-algo", r"[a-zA-Z0-9]{1,100}"),
    "cert_url": ("paypal-cert-url", r"https://[!-~]{1,490}"),
    "transmission_id": ("paypal-transmission-id", r"(?!\d+$)\w[!-~]{1,49}"),
    "transmission_sig": ("paypal-transmission-sig", r"(?!\d+$)\w[!-~]{1,499}"),
    "transmission_time": ("paypal-transmission-time", r"[0-9T:.Z+-]{1,100}"),
}
"""What PayPal wants to be told back, in which header it came, and which form it has."""

_ABOUT_PAYMENTS: Final = (
    "CHECKOUT.ORDER.",
    "CHECKOUT.PAYMENT-APPROVAL.",
    "PAYMENT.AUTHORIZATION.",
    "PAYMENT.CAPTURE.",
    "PAYMENT.REFUND.",
)
_TEXT_LENGTH_MAX: Final = 255


class NotificationReader:
    """Reads what PayPal sent, and nothing else."""

    def __init__(self, webhook_id: str | None, client: PaypalClient, clock: Clock) -> None:
        self._webhook_id = webhook_id
        self._client = client
        self._clock = clock

    def read(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> tuple[ProviderEvent, ...]:
        """Return the event of an authentic and fresh notification, if it is of a payment.

        Raises:
            WebhookRejected: forged, older or newer than 300 seconds, or malformed.
            RetryableNotExecuted: PayPal cannot be asked now.
        """
        if self._webhook_id is None:
            raise WebhookRejected(reason="no_webhook_id_is_configured")
        # Before anybody is asked: what is nonsense or stale costs PayPal no call.
        said = _read_headers(headers)
        self._check_time(said["transmission_time"])
        event = _read_body(body)
        self._ask(said, body)
        return self._events(tenant_id, event)

    def _check_time(self, text: str) -> None:
        try:
            sent_at = read_moment(text)
        except ValueError:
            sent_at = None
        if sent_at is None:
            raise WebhookRejected(reason="transmission_time_is_no_time")
        if abs((self._clock.now() - sent_at).total_seconds()) > WINDOW_S:
            raise WebhookRejected(reason="outside_the_time_window")

    def _ask(self, said: Mapping[str, str], body: bytes) -> None:
        question = json.dumps({**said, "webhook_id": self._webhook_id}).encode()
        # The very bytes that were signed: read and written again they would be others. They are
        # one JSON object, which was checked, so they cannot close this one and add to it.
        asked = question[:-1] + b', "webhook_event": ' + body + b"}"
        path = ("v1", "notifications", "verify-webhook-signature")
        try:
            answer = self._client.ask(*path, body=asked)
        except InvalidRequest:
            raise WebhookRejected(reason="verification_refused") from None
        except PaymentTrouble as trouble:
            _cannot_tell(trouble)
        if answer.get("verification_status") != "SUCCESS":
            raise WebhookRejected(reason="signature_does_not_match")

    def _events(self, tenant_id: UUID, event: Mapping[str, Any]) -> tuple[ProviderEvent, ...]:
        kind, resource = event["event_type"], event["resource"]
        if not kind.startswith(_ABOUT_PAYMENTS):
            return ()
        order_id = self._order_id(kind, resource)
        if order_id is None:
            return ()
        try:
            occurred_at = read_moment(event.get("create_time"))
        except ValueError:
            occurred_at = None
        facts = {
            name: value
            for name, value in (
                ("resource_id", resource.get("id")),
                ("status", resource.get("status")),
            )
            if isinstance(value, str) and 0 < len(value) <= _TEXT_LENGTH_MAX
        }
        ref = PaymentRef(tenant_id, order_id)
        return (ProviderEvent(event["id"], ref, kind, occurred_at, facts),)

    def _order_id(self, kind: str, resource: Mapping[str, Any]) -> str | None:
        """Find the order that a resource belongs to; ask for its capture if need be."""
        if kind.startswith("CHECKOUT."):
            # An order bears its id; of a reversed approval it is a fact beside others.
            given = resource.get("order_id") or resource.get("id")
            return given if is_paypal_id(given) else None
        told = related_order_id(resource) or order_in_name(resource.get("custom_id"))
        capture_id = linked_id(resource, "up", "captures")
        if told is not None or capture_id is None:
            return told
        try:
            capture = self._client.get("v2", "payments", "captures", capture_id)
        except PaymentNotFound:
            return None
        except PaymentTrouble as trouble:
            _cannot_tell(trouble)
        return related_order_id(capture)


def _cannot_tell(trouble: PaymentTrouble) -> NoReturn:
    """PayPal sends it again, whatever it is that hinders us: it must not be lost."""
    raise RetryableNotExecuted(trouble.reason, trouble.retry_after_s) from None


def _read_headers(headers: Mapping[str, str]) -> dict[str, str]:
    given = {name.lower(): value for name, value in headers.items()}
    said = {}
    for field, (name, form) in _HEADERS.items():
        value = given.get(name, "")
        if not re.fullmatch(form, value, re.ASCII):
            raise WebhookRejected(reason=f"no_{name}_header")
        said[field] = value
    return said


def _read_body(body: bytes) -> Mapping[str, Any]:
    """Read one event, strictly: the bytes themselves are passed on."""
    if len(body) > BODY_BYTES_MAX:
        raise WebhookRejected(reason="body_too_large")
    try:
        event = json.loads(body.decode(), parse_constant=_no_number)
        texts = (event["id"], event["event_type"])
        well_formed = isinstance(event["resource"], dict) and all(
            isinstance(text, str) and 0 < len(text) <= _TEXT_LENGTH_MAX and text.isascii()
            for text in texts
        )
    # Deep nesting is a RecursionError; a wrong shape is any of the others.
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise WebhookRejected(reason="malformed_body") from error
    if not well_formed:
        raise WebhookRejected(reason="malformed_body")
    return dict(event)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
