"""What every error of Stripe's SDK means: one total function.

Judged by the HTTP status and Stripe's code, never by the class of the error: the SDK gives one
class to many meanings (400 and 404, 409 and 500) and many classes to one (401). What is not
recognised may have happened, so it is ``OutcomeUnknown``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import requests
import stripe
import urllib3
from attrs import frozen

from oms_adapters.payments.stripe.words import word
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
)

INVALID_STATE_CODES: Final = frozenset(
    {
        "amount_too_large",
        "capture_charge_authorization_expired",
        "capture_unauthorized_payment",
        "charge_already_captured",
        "charge_already_refunded",
        "charge_disputed",
        "charge_expired_for_capture",
        "charge_not_refundable",
        "intent_invalid_state",
        "payment_intent_action_required",
        "payment_intent_authentication_failure",
        "payment_intent_payment_attempt_expired",
        "payment_intent_payment_attempt_failed",
        "payment_intent_unexpected_state",
        "refund_disputed_payment",
        "status_transition_invalid",
    }
)
"""Codes of 400 that speak of the payment and not of the request. Stripe: "Error codes"."""

KINDS: Final[Mapping[tuple[int, str], type[PaymentTrouble]]] = MappingProxyType(
    {
        (400, ""): InvalidRequest,
        **dict.fromkeys(((400, code) for code in INVALID_STATE_CODES), InvalidState),
        (400, "lock_timeout"): InProgress,
        (400, "payment_intent_rate_limit_exceeded"): RetryableNotExecuted,
        (400, "rate_limit"): RetryableNotExecuted,
        (401, ""): CredentialsRejected,
        (402, ""): InvalidState,
        (403, ""): CredentialsRejected,
        (404, "resource_missing"): PaymentNotFound,
        (409, ""): InProgress,
        (429, ""): RetryableNotExecuted,
        (429, "lock_timeout"): InProgress,
    }
)
"""HTTP status and code → what it means; no code: any that has no line of its own.

Everything else has an unknown outcome: 5xx, but also a 404 without a code, which is a wrong
address and no missing payment.
"""

_SAYS_SO_ITSELF: Final = frozenset({400, 402})
"""Statuses that mean something only with Stripe's words: somebody in between uses them too."""

_RETRY_AFTER_MAX_S: Final = 86_400


@frozen
class Verdict:
    """What an error means, and what it tells beside that."""

    trouble: PaymentTrouble
    """What to raise."""
    is_decline: bool = False
    """The money was refused: a value, where the port has one for it."""
    refused_parameter: str | None = None
    """Which parameter Stripe does not take, so that it did nothing."""
    is_replay: bool = False
    """Stripe repeats an answer that it stored under the key, and will for as long as it does."""


def judge(error: Exception) -> Verdict:
    """Say what *error* means, whatever it is."""
    if isinstance(error, PaymentTrouble):
        return Verdict(error)
    if isinstance(error, stripe.APIConnectionError):
        return Verdict(_of_the_network(error.__cause__))
    if not isinstance(error, stripe.StripeError):
        return Verdict(OutcomeUnknown(reason=word(type(error).__name__.lower(), "unknown_error")))
    headers = {str(name).lower(): value for name, value in _mapping(error.headers).items()}
    said = _mapping(_mapping(error.json_body).get("error"))
    trouble = _of_the_answer(error.http_status, said, _seconds(headers.get("retry-after")))
    return Verdict(
        trouble,
        is_decline=error.http_status == 402 and bool(said),  # noqa: PLR2004 - HTTP
        refused_parameter=_outermost(said) if isinstance(trouble, InvalidRequest) else None,
        is_replay=headers.get("idempotent-replayed") == "true",
    )


def _of_the_answer(
    status: int | None, said: Mapping[Any, Any], retry_after_s: float | None
) -> PaymentTrouble:
    code = word(said.get("code"), "")
    reason = code or word(said.get("type"), f"http_{status or 'none'}")
    if status == 402:  # noqa: PLR2004 - HTTP
        reason = word(said.get("decline_code"), reason)
    kind = KINDS.get((status or 0, code)) or KINDS.get((status or 0, "")) or OutcomeUnknown
    if status in _SAYS_SO_ITSELF and not said:
        kind = OutcomeUnknown
    if said.get("type") == "idempotency_error" and kind is InvalidRequest:
        kind = IdempotencyMismatch
    return kind(reason, retry_after_s)


def _of_the_network(cause: BaseException | None) -> PaymentTrouble:
    """Tell what never left from what may have arrived."""
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return RetryableNotExecuted(reason="connect_timeout")
    if isinstance(cause, requests.exceptions.Timeout):
        return OutcomeUnknown(reason="read_timeout")
    if isinstance(cause, requests.exceptions.ConnectionError):
        failed = cause.args[0] if cause.args else None
        why = failed.reason if isinstance(failed, urllib3.exceptions.MaxRetryError) else None
        # Also a name that is not found.
        if isinstance(why, urllib3.exceptions.NewConnectionError):
            return RetryableNotExecuted(reason="cannot_connect")
    return OutcomeUnknown(reason="connection_broken")


def _outermost(said: Mapping[Any, Any]) -> str | None:
    """Name the parameter that an error is about; of ``a[b][c]`` that is ``a``."""
    param = said.get("param")
    return param.partition("[")[0] if isinstance(param, str) else None


def _mapping(value: object) -> Mapping[Any, Any]:
    """Take a mapping; the SDK's headers are one without being a ``dict``."""
    return value if hasattr(value, "items") else {}  # type: ignore[return-value]


def _seconds(text: object) -> float | None:
    """Read ``Retry-After``: seconds, or a date, which Stripe does not send."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 10:  # noqa: PLR2004 - no longer wait
        return float(min(int(text), _RETRY_AFTER_MAX_S))
    return None
