"""Taking held money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from oms_core.domain.cancelling import is_being_cancelled
from oms_core.domain.events import Change
from oms_core.domain.money import Money
from oms_core.domain.payment import Capture, Payment, PaymentStatus, TransferState
from oms_core.errors import NotPossible

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.events import Fact
    from oms_core.domain.failure import FailureReason
    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order


def capturable(order: Order) -> Money:
    """Return what of the hold is neither captured nor about to be.

    Nothing once the order has come to its end: what was taken then could not be given back.
    """
    payment = order.payment
    nothing = Money.zero(order.currency)
    if payment.authorization is None or order.status.is_final or _is_closed(payment):
        return nothing
    open_captures = sum(one.amount.minor for one in payment.captures if one.state.is_open)
    left = payment.authorization.amount.minor - payment.captured.minor - open_captures
    return Money(max(left, 0), order.currency)


def why_not_capture(order: Order) -> str | None:
    """Say why nothing can be captured now; ``None``: something can."""
    if is_being_cancelled(order):
        return "The order is being cancelled."
    if order.status.is_final:
        return f"The order is {order.status}; no money is taken for it any more."
    if order.payment.status is PaymentStatus.NOT_REQUIRED:
        return "The order costs nothing, so there is nothing to capture."
    if order.saga.operation is None and not order.saga.phase.is_over:
        return "The order is not confirmed yet; wait until it is."
    if order.payment.authorization is None:
        return f"Nothing is held for the order: its payment is {order.payment.status}."
    if not capturable(order):
        return "All that was held is captured, released, or about to be captured."
    return None


def request_capture(
    order: Order, operation: Operation, amount: Money | None, *, final: bool, at: datetime
) -> Order:
    """Write down that *amount* is to be taken, or all that is held.

    Raises:
        NotPossible: so much is not held.
    """
    why = why_not_capture(order)
    held = capturable(order)
    if why is None and amount is not None and amount > held:
        why = f"Only {held} can be captured, not {amount}."
    if why is not None:
        raise NotPossible(operation.kind, why)
    capture = Capture(
        operation.id,
        held if amount is None else amount,
        TransferState.REQUESTED,
        at,
        final=final or amount in {None, held},
    )
    return plan_capture(order, capture).with_operation(operation)


def plan_capture(order: Order, capture: Capture) -> Order:
    """Write down a capture before the provider is asked for it."""
    if order.payment.capture(capture.id) is not None:
        return order
    captures = (*order.payment.captures, capture)
    return evolve(order, payment=evolve(order.payment, captures=captures))


def record_capture(
    order: Order, capture_id: UUID, operation_ref: str | None, *, at: datetime
) -> Order:
    """Record that the provider took the money of a capture."""
    capture = _open_capture(order, capture_id)
    if capture is None:
        return order
    done = evolve(capture, state=TransferState.DONE, operation_ref=operation_ref)
    payment = _with(order.payment, done)
    payment = evolve(payment, captured=payment.captured + capture.amount)
    facts: dict[str, Fact] = {
        "amount": capture.amount.amount,
        "currency": order.currency,
        "capture_id": str(capture.id),
    }
    if operation_ref:
        facts["operation_ref"] = operation_ref
    return order.with_change(
        Change.PAYMENT_CAPTURED,
        at=at,
        facts=facts,
        payment=evolve(payment, status=status_of(payment, order.total)),
    )


def await_capture(order: Order, capture_id: UUID, operation_ref: str | None) -> Order:
    """Record that the provider accepted a capture and has not told its end."""
    capture = _open_capture(order, capture_id)
    if capture is None or capture.state is TransferState.PENDING:
        return order
    pending = evolve(capture, state=TransferState.PENDING, operation_ref=operation_ref)
    return evolve(order, payment=_with(order.payment, pending))


def reject_capture(order: Order, capture_id: UUID, reason: FailureReason, *, at: datetime) -> Order:
    """Record that a capture took nothing, and why."""
    capture = _open_capture(order, capture_id)
    if capture is None:
        return order
    rejected = evolve(capture, state=TransferState.REJECTED, refusal=reason)
    facts: dict[str, Fact] = {"code": reason.code, "capture_id": str(capture.id)}
    if reason.provider_code:
        facts["provider_code"] = reason.provider_code
    return order.with_change(
        Change.CAPTURE_REJECTED, at=at, facts=facts, payment=_with(order.payment, rejected)
    )


def status_of(payment: Payment, total: Money) -> PaymentStatus:
    """Derive the payment's status from what was captured and given back."""
    if payment.refunded:
        return (
            PaymentStatus.REFUNDED
            if payment.refunded >= payment.captured
            else PaymentStatus.PARTIALLY_REFUNDED
        )
    if payment.captured:
        return (
            PaymentStatus.CAPTURED
            if payment.captured >= total
            else PaymentStatus.PARTIALLY_CAPTURED
        )
    return payment.status


def is_settled_for_good(payment: Payment) -> bool:
    """Tell whether a final capture was made: the rest was released, and is not to be taken."""
    return any(one.final and one.state is TransferState.DONE for one in payment.captures)


def _is_closed(payment: Payment) -> bool:
    """Tell whether the hold's rest was released: a final capture was the last one."""
    return any(one.final and one.state is not TransferState.REJECTED for one in payment.captures)


def _open_capture(order: Order, capture_id: UUID) -> Capture | None:
    capture = order.payment.capture(capture_id)
    return capture if capture is not None and capture.state.is_open else None


def _with(payment: Payment, capture: Capture) -> Payment:
    captures = tuple(capture if one.id == capture.id else one for one in payment.captures)
    return evolve(payment, captures=captures)
