"""Harbour Bank as a payment provider: a whole adapter, to a bank that does not exist.

The bank's API is JSON over HTTP. A payment is made by the shop and named by its id; each thing
done to it bears a name of ours, and the same name again is the same thing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit
from uuid import UUID

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InProgress,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
    WebhookRejected,
)
from oms_core.ports.clock import Clock, SystemClock
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capabilities,
    Capture,
    OperationResult,
    OperationStatus,
    PaymentRef,
    PaymentSnapshot,
    ProviderEvent,
    Reauthorize,
    Refund,
)

T = TypeVar("T")
Json = dict[str, Any]

CAPABILITIES: Final = Capabilities(key_ttl_s=86_400.0, modification_key_ttl_s=86_400.0)
CURRENCIES: Final = frozenset({"EUR", "USD"})
WINDOW_S: Final = 300
"""How old, or how far ahead, a notification may be."""

_STATES: Final = {
    "open": PaymentState.CONFIRMABLE,
    "customer_must_act": PaymentState.REQUIRES_ACTION,
    "held": PaymentState.AUTHORIZED,
    "taken_in_part": PaymentState.PARTIALLY_CAPTURED,
    "taken": PaymentState.CAPTURED,
    "declined": PaymentState.DECLINED,
    "cancelled": PaymentState.CANCELLED,
    "expired": PaymentState.EXPIRED,
}
_OPERATIONS: Final = {
    "done": OperationStatus.DONE,
    "rejected": OperationStatus.REJECTED,
}
_TROUBLE: Final[Mapping[tuple[int, str], type[PaymentTrouble]]] = {
    (400, "malformed"): InvalidRequest,
    (401, "bad_api_key"): CredentialsRejected,
    (404, "no_such_payment"): PaymentNotFound,
    (409, "busy_with_this_key"): InProgress,
    (409, "wrong_state"): InvalidState,
    (422, "key_used_for_something_else"): IdempotencyMismatch,
    (429, "too_many_requests"): RetryableNotExecuted,
}
"""All that the bank documents. Whatever is not here has an unknown outcome."""


def make_provider(name: str, options: Mapping[str, Any]) -> HarbourPayments:
    """Make the provider of an account; the entry point names this function.

    Raises:
        ValueError: an option is missing or unknown.
    """
    del name
    unknown = sorted(set(options) - {"api_key", "base_url", "webhook_secret"})
    if unknown:
        raise ValueError(f"{unknown[0]} is not an option of Harbour Bank; remove it")
    for needed in ("api_key", "base_url"):
        if needed not in options:
            raise ValueError(f"{needed} is missing; the bank's console shows it")
    return HarbourPayments(**options)


class HarbourPayments:
    """Holds, takes and gives back money at Harbour Bank. Safe to share between threads."""

    def __init__(
        self,
        api_key: str,
        base_url: str,
        *,
        webhook_secret: str | None = None,
        clock: Clock | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        """Use an account; nothing is asked yet. Without a secret no notification is believed."""
        self._api_key = api_key
        self._address = urlsplit(base_url)
        self._webhook_secret = webhook_secret
        self._clock = clock or SystemClock()
        self._timeout_s = timeout_s

    @property
    def capabilities(self) -> Capabilities:
        """What the bank can do; constant."""
        return CAPABILITIES

    # -- the port ------------------------------------------------------------------------------

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask for the payment's state. Has no effect."""
        return self._ask("GET", _path(ref), read=_snapshot)

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Hold the money of a payment that is open; otherwise only tell its state."""
        _check_currency(command.amount)
        payment = self._payment(command.ref)
        if payment["state"] != "open":
            return _snapshot(payment)
        # The bank holds what the payment says, whatever we ask.
        if payment["currency"] != command.amount.currency:
            raise InvalidRequest(reason="currency_mismatch")
        if payment["amount"] != command.amount.minor:
            raise InvalidRequest(reason="amount_mismatch")
        body = {"order": str(command.order_id)}
        return self._ask("POST", _path(command.ref, "hold"), command.key, body, read=_snapshot)

    def capture(self, command: Capture) -> OperationResult:
        """Take money that is held, once for each operation id."""
        _check_currency(command.amount)
        body = {
            "name": command.operation_id,
            "amount": command.amount.minor,
            "final": command.final,
        }
        return self._act(command.ref, "captures", command.key, body)

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        """Refuse: the bank holds money once for each payment."""
        del command
        raise InvalidState(reason="cannot_reauthorize")

    def cancel(self, command: Cancel) -> OperationResult:
        """Void the hold, or forbid it for ever if there is none yet."""
        body = {"name": command.operation_id, "order": str(command.order_id)}
        return self._act(command.ref, "cancellations", command.key, body)

    def refund(self, command: Refund) -> OperationResult:
        """Give captured money back, once for each refund id."""
        _check_currency(command.amount)
        body = {"name": command.refund_id, "amount": command.amount.minor}
        return self._act(command.ref, "refunds", command.key, body)

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        """Find an operation by its name; ``None``: it has no effect."""
        for one in self._payment(ref)["operations"]:
            if one["name"] == operation_id:
                return _result(one)
        return None

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        """Verify a notification on its raw bytes and return its event."""
        if self._webhook_secret is None:
            raise WebhookRejected(reason="no_webhook_secret_is_configured")
        given = {name.lower(): value for name, value in headers.items()}
        sent_at, signature = given.get("harbour-time", ""), given.get("harbour-signature", "")
        if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= 12):
            raise WebhookRejected(reason="no_time")
        wanted = sign(self._webhook_secret, sent_at, body)
        if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "surrogatepass")):
            raise WebhookRejected(reason="signature_does_not_match")
        if abs(self._clock.now().timestamp() - int(sent_at)) > WINDOW_S:
            raise WebhookRejected(reason="outside_the_time_window")
        return [_event(tenant_id, body)]

    def probe(self) -> None:
        """Ask who we are: harmless, and needs a good key."""
        self._ask("GET", "/me", read=lambda answer: answer["name"])

    # -- HTTP ----------------------------------------------------------------------------------

    def _payment(self, ref: PaymentRef) -> Json:
        return self._ask("GET", _path(ref), read=_checked)

    def _act(self, ref: PaymentRef, what: str, key: str, body: Json) -> OperationResult:
        return self._ask("POST", _path(ref, what), key, body, read=_result)

    def _ask(
        self,
        method: str,
        path: str,
        key: str = "",
        body: Json | None = None,
        *,
        read: Callable[[Json], T],
    ) -> T:
        """Send one request and read its answer; only our own errors leave."""
        try:
            status, headers, raw = self._send(method, path, key, body)
            answer: Json = json.loads(raw)
            if status < 300:
                return read(answer)
            raise _verdict(status, str(answer["error"]), answer.get("reason"), headers)
        except PaymentTrouble as trouble:
            if method == "GET" and isinstance(trouble, OutcomeUnknown):
                # To look has no effect, so nothing about it is unknown.
                raise RetryableNotExecuted(trouble.reason) from None
            raise
        except ConnectionRefusedError:
            raise RetryableNotExecuted("cannot_connect") from None
        except (OSError, HTTPException, ValueError, LookupError, TypeError, RecursionError):
            # Sent, perhaps, and no answer that can be read: it may have happened.
            kind = RetryableNotExecuted if method == "GET" else OutcomeUnknown
            raise kind("no_readable_answer") from None

    def _send(
        self, method: str, path: str, key: str, body: Json | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        cls = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
        connection = cls(self._address.netloc, timeout=self._timeout_s)
        headers = {"Authorization": f"Bearer {self._api_key}", "Idempotency-Key": key}
        try:
            connection.request(
                method,
                self._address.path.rstrip("/") + path,
                None if body is None else json.dumps(body),
                headers,
            )
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


def sign(secret: str, sent_at: str, body: bytes) -> str:
    """Sign a notification as the bank does."""
    return hmac.digest(secret.encode(), sent_at.encode() + b"." + body, hashlib.sha256).hex()


def _verdict(status: int, error: str, reason: object, headers: Mapping[str, str]) -> PaymentTrouble:
    """Say what an answer that is not a success means, whatever it is."""
    kind = _TROUBLE.get((status, error), OutcomeUnknown)
    wait = headers.get("Retry-After", "")
    told = str(reason) if reason else error
    return kind(told[:100], float(wait) if wait.isdigit() else None)


def _path(ref: PaymentRef, *what: str) -> str:
    return "/".join(["/payments", quote(ref.reference, safe=""), *what])


def _check_currency(amount: Money) -> None:
    if amount.currency not in CURRENCIES:
        raise InvalidRequest(reason="currency_not_supported")


def _checked(payment: Json) -> Json:
    """Take a payment that is whole."""
    _snapshot(payment)
    for one in payment["operations"]:
        _result(one)
    return payment


def _snapshot(payment: Json) -> PaymentSnapshot:
    currency = payment["currency"]
    order, expires_at = payment["order"], payment["expires_at"]
    return PaymentSnapshot(
        # A word from the bank's future is no reason to crash, or to ship.
        state=_STATES.get(payment["state"], PaymentState.PENDING),
        authorized=Money(payment["held"], currency),
        captured=Money(payment["taken"], currency),
        refunded=Money(payment["given_back"], currency),
        order_id=None if order is None else UUID(order),
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        provider_id=payment["id"],
        reason=payment["declined_because"],
        next_action=payment["customer_url"],
        raw_status=payment["state"],
    )


def _result(operation: Json) -> OperationResult:
    status = _OPERATIONS.get(operation["status"], OperationStatus.PENDING)
    return OperationResult(status, operation["id"], operation["because"])


def _event(tenant_id: UUID, body: bytes) -> ProviderEvent:
    try:
        said = json.loads(body)
        texts = [said["id"], said["payment"], said["type"]]
        if not all(isinstance(text, str) and 0 < len(text) <= 255 for text in texts):
            raise TypeError("names are texts")
        event_id, payment, kind = texts
    except (ValueError, LookupError, TypeError, RecursionError):
        raise WebhookRejected(reason="malformed_body") from None
    return ProviderEvent(event_id, PaymentRef(tenant_id, payment), kind)
