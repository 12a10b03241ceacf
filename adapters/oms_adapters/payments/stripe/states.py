"""What a PaymentIntent and its refunds say, in the port's words.

Stripe adds statuses over time, and its messages name some that its SDK does not list. One that
is not known here is PENDING: neither held nor given up.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from oms_adapters.payments.stripe import marks
from oms_adapters.payments.stripe.amounts import from_stripe
from oms_adapters.payments.stripe.words import word
from oms_core.domain.payment import PaymentState
from oms_core.errors import OutcomeUnknown
from oms_core.ports.payments import OperationResult, OperationStatus, PaymentSnapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATES: Final[Mapping[str, PaymentState]] = MappingProxyType(
    {
        "requires_payment_method": PaymentState.REQUIRES_ACTION,
        "requires_confirmation": PaymentState.CONFIRMABLE,
        "requires_action": PaymentState.REQUIRES_ACTION,
        "processing": PaymentState.PENDING,
        "requires_capture": PaymentState.AUTHORIZED,
        "canceled": PaymentState.CANCELLED,
        "succeeded": PaymentState.CAPTURED,
    }
)
"""Statuses of a PaymentIntent; what was declined, captured in part or expired is told below."""

EXPIRED_BY_STRIPE: Final = frozenset({"automatic", "expired"})
"""Reasons of a cancellation that nobody asked for."""

REFUND_STATES: Final[Mapping[str, OperationStatus]] = MappingProxyType(
    {
        "pending": OperationStatus.PENDING,
        "requires_action": OperationStatus.PENDING,
        "succeeded": OperationStatus.DONE,
        "failed": OperationStatus.REJECTED,
        "canceled": OperationStatus.REJECTED,
    }
)

_HELD: Final = frozenset({PaymentState.AUTHORIZED, PaymentState.PARTIALLY_CAPTURED})


def state_of(intent: Mapping[str, Any]) -> PaymentState:
    """Tell the state of a PaymentIntent."""
    status = intent.get("status")
    state = STATES.get(status, PaymentState.PENDING) if isinstance(status, str) else None
    match state:
        case PaymentState.AUTHORIZED if number(intent, "amount_received"):
            return PaymentState.PARTIALLY_CAPTURED
        case PaymentState.CANCELLED if number(intent, "amount_received"):
            return PaymentState.CAPTURED
        case PaymentState.CANCELLED if (
            word(intent.get("cancellation_reason"), "") in EXPIRED_BY_STRIPE
        ):
            return PaymentState.EXPIRED
        case PaymentState.REQUIRES_ACTION if status == "requires_payment_method" and intent.get(
            "last_payment_error"
        ):
            return PaymentState.DECLINED
        case None:
            raise unreadable()
        case _:
            return state


def snapshot_of(intent: Mapping[str, Any], refunds: Sequence[Mapping[str, Any]]) -> PaymentSnapshot:
    """Tell all that the port wants to know of a PaymentIntent and its *refunds*."""
    state = state_of(intent)
    currency = text(intent, "currency")
    captured = number(intent, "amount_received")
    given_back = sum(
        number(refund, "amount") for refund in refunds if refund.get("status") == "succeeded"
    )
    return PaymentSnapshot(
        state=state,
        authorized=from_stripe(_authorized(intent, state), currency),
        captured=from_stripe(captured, currency),
        # What was released without having been captured is no money that was given back.
        refunded=from_stripe(min(given_back, captured), currency),
        order_id=marks.owner_of(intent),
        expires_at=_expires_at(intent) if state in _HELD else None,
        provider_id=charge_id_of(intent),
        reason=_decline_of(intent) if state is PaymentState.DECLINED else None,
        next_action=_next_action(intent) if state is PaymentState.REQUIRES_ACTION else None,
        raw_status=word(intent.get("status"), "unrecognised_status"),
    )


def operation_in(intent: Mapping[str, Any], operation_id: str) -> OperationResult | None:
    """Find a capture or a cancel by its mark; ``None``: it has no effect."""
    status = intent.get("status")
    if marks.has_seen(intent, marks.capture_mark(operation_id)):
        if number(intent, "amount_received"):
            return OperationResult(OperationStatus.DONE, charge_id_of(intent))
        if status == "processing":
            return OperationResult(OperationStatus.PENDING, charge_id_of(intent))
    if marks.has_seen(intent, marks.void_mark(operation_id)) and status == "canceled":
        return OperationResult(OperationStatus.DONE, text(intent, "id"))
    return None


def refund_in(refunds: Sequence[Mapping[str, Any]], refund_id: str) -> OperationResult | None:
    """Find a refund by its mark."""
    mark = marks.refund_mark(refund_id)
    found = [refund for refund in refunds if marks.has_seen(refund, mark)]
    return refund_result(found[0]) if found else None


def refund_result(refund: Mapping[str, Any]) -> OperationResult:
    """Tell how a refund stands; a status that is not known is still under way."""
    status = REFUND_STATES.get(text(refund, "status"), OperationStatus.PENDING)
    reason = None
    if status is OperationStatus.REJECTED:
        reason = word(refund.get("failure_reason"), word(refund.get("status"), "unknown"))
    return OperationResult(status, text(refund, "id"), reason)


def without_release(
    intent: Mapping[str, Any], refunds: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Leave out what Stripe lists as a refund although it was never captured.

    When a part is captured for good, Stripe releases the rest, and may list that as the first
    refund of the charge. It is the oldest, bears no mark of ours, and is exactly that rest.
    """
    charge = intent.get("latest_charge")
    if not refunds or not isinstance(charge, dict) or intent.get("status") != "succeeded":
        return refunds
    released = number(charge, "amount") - number(charge, "amount_captured")
    *later, oldest = refunds
    if not released or number(oldest, "amount") != released or marks.is_ours(oldest):
        return refunds
    return later


def charge_id_of(intent: Mapping[str, Any]) -> str | None:
    """Tell the id of the present attempt to take the money, expanded or not."""
    charge = intent.get("latest_charge")
    named = charge.get("id") if isinstance(charge, dict) else charge
    return named if isinstance(named, str) else None


def number(thing: Mapping[str, Any], name: str) -> int:
    """Read a whole number that must be there."""
    value = thing.get(name)
    if type(value) is not int:
        raise unreadable()
    return value


def text(thing: Mapping[str, Any], name: str) -> str:
    """Read a text that must be there."""
    value = thing.get(name)
    if not isinstance(value, str):
        raise unreadable()
    return value


def unreadable() -> OutcomeUnknown:
    """Make the error of an answer that is not what Stripe answers."""
    return OutcomeUnknown(reason="unreadable_answer")


def _authorized(intent: Mapping[str, Any], state: PaymentState) -> int:
    """Tell what is or was held in all."""
    charge = intent.get("latest_charge")
    match state:
        case PaymentState.AUTHORIZED | PaymentState.PARTIALLY_CAPTURED:
            return number(intent, "amount_capturable") + number(intent, "amount_received")
        case PaymentState.CAPTURED | PaymentState.CANCELLED | PaymentState.EXPIRED if isinstance(
            charge, dict
        ):
            return number(charge, "amount") if charge.get("status") == "succeeded" else 0
        case PaymentState.CAPTURED:
            return number(intent, "amount")
        case _:
            return 0


def _expires_at(intent: Mapping[str, Any]) -> datetime | None:
    found: Any = intent
    for name in ("latest_charge", "payment_method_details", "card", "capture_before"):
        found = found.get(name) if isinstance(found, dict) else None
    return moment(found)


def moment(seconds: object) -> datetime | None:
    """Read a Unix time; ``None`` if there is none that exists."""
    try:
        return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int else None
    except (OverflowError, ValueError, OSError):
        return None


def _decline_of(intent: Mapping[str, Any]) -> str:
    error = intent.get("last_payment_error")
    said = error if isinstance(error, dict) else {}
    return word(said.get("decline_code"), word(said.get("code"), "declined"))


def _next_action(intent: Mapping[str, Any]) -> str:
    """Say where the customer must go, or else what kind of action it is."""
    action = intent.get("next_action")
    if not isinstance(action, dict):
        return "payment_method"
    kind = word(action.get("type"), "unrecognised_action")
    details = action.get(kind)
    url = details.get("url") if isinstance(details, dict) else None
    return url if isinstance(url, str) and url.startswith("https://") else kind
