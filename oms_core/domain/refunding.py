"""Giving captured money back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from oms_core.domain.capturing import status_of
from oms_core.domain.choosing import choose
from oms_core.domain.events import Change
from oms_core.domain.money import Money
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import Payment, PaymentStatus, Refund, TransferState
from oms_core.domain.quantities import share_of
from oms_core.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.events import Fact
    from oms_core.domain.failure import FailureReason
    from oms_core.domain.line_item import LineQuantity
    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order

_CAN_REFUND = frozenset(
    {
        OrderStatus.COMPLETED,
        OrderStatus.PARTIALLY_RETURNED,
        OrderStatus.RETURNED,
        OrderStatus.PARTIALLY_REFUNDED,
    }
)


def refundable(order: Order) -> Money:
    """Return what was captured and is neither given back nor about to be."""
    payment = order.payment
    under_way = sum(one.amount.minor for one in payment.refunds if one.state.is_open)
    left = payment.captured.minor - payment.refunded.minor - under_way
    return Money(max(left, 0), order.currency)


def why_not_refund(order: Order) -> str | None:
    """Say why nothing can be refunded now; ``None``: something can."""
    if order.status not in _CAN_REFUND:
        return (
            f"The order is {order.status}; money is given back once goods came back or the order "
            "is completed. Cancel an order that has not left."
        )
    if not order.payment.captured:
        return "Nothing was captured, so there is nothing to give back."
    if not refundable(order):
        return "All that was captured is given back or about to be."
    return None


def request_refund(
    order: Order,
    operation: Operation,
    *,
    amount: Money | None,
    lines: Sequence[LineQuantity],
    reason: str | None,
    at: datetime,
) -> Order:
    """Write down that money is to be given back: an *amount*, the share of *lines*, or all.

    Raises:
        InvalidInput: a line that the order does not have.
        NotPossible: so much was not captured, or so many pieces are not there.
    """
    why = why_not_refund(order)
    if why is not None:
        raise NotPossible(operation.kind, why)
    chosen: tuple[LineQuantity, ...] = ()
    if lines:
        pieces = {number: one.to_refund for number, one in order.quantities.items()}
        chosen = choose(order, operation, lines, pieces, "refund")
        amount = share_of_pieces(order, chosen)
    left = refundable(order)
    asked = left if amount is None else amount
    if asked > left:
        raise NotPossible(operation.kind, f"Only {left} can be given back, not {asked}.")
    if not asked:
        why = "These pieces cost nothing, so there is nothing to give back."
        raise NotPossible(operation.kind, why)
    refund = Refund(operation.id, asked, TransferState.REQUESTED, at, chosen, reason)
    payment = evolve(order.payment, refunds=(*order.payment.refunds, refund))
    return order.with_operation(operation).with_change(
        Change.REFUND_REQUESTED,
        at=at,
        actor=operation.actor,
        facts=_facts(order, refund),
        payment=payment,
    )


def share_of_pieces(order: Order, lines: Sequence[LineQuantity]) -> Money:
    """Return what is given back for some pieces: their part of the total.

    Counted from what was given back for pieces before, so that all pieces together give back
    exactly the total, in whatever parts.
    """
    before = {number: one.refunded for number, one in order.quantities.items()}
    after = dict(before)
    for one in lines:
        after[one.line] += one.quantity
    total = order.total.minor
    minor = share_of(total, order.lines, after) - share_of(total, order.lines, before)
    return Money(minor, order.currency)


def record_refund(
    order: Order, refund_id: UUID, operation_ref: str | None, *, at: datetime
) -> Order:
    """Record that the provider gave the money of a refund back."""
    refund = _open_refund(order, refund_id)
    if refund is None:
        return order
    done = evolve(refund, state=TransferState.DONE, operation_ref=operation_ref)
    payment = _with(order.payment, done)
    payment = evolve(payment, refunded=payment.refunded + refund.amount)
    payment = evolve(payment, status=status_of(payment, order.total))
    facts = _facts(order, done)
    status = status_after(payment)
    if status is order.status or order.status not in _CAN_REFUND:
        return order.with_change(Change.PAYMENT_REFUNDED, at=at, facts=facts, payment=payment)
    return order.moved_to(status, Change.PAYMENT_REFUNDED, at=at, facts=facts, payment=payment)


def await_refund(
    order: Order, refund_id: UUID, operation_ref: str | None, *, at: datetime
) -> Order:
    """Record that the provider accepted a refund and has not told its end."""
    refund = _open_refund(order, refund_id)
    if refund is None or refund.state is TransferState.PENDING:
        return order
    pending = evolve(refund, state=TransferState.PENDING, operation_ref=operation_ref)
    return order.with_change(
        Change.REFUND_PENDING,
        at=at,
        facts=_facts(order, pending),
        payment=_with(order.payment, pending),
    )


def reject_refund(order: Order, refund_id: UUID, reason: FailureReason, *, at: datetime) -> Order:
    """Record that a refund gave nothing back, and why."""
    refund = _open_refund(order, refund_id)
    if refund is None:
        return order
    rejected = evolve(refund, state=TransferState.REJECTED, refusal=reason)
    facts = {**_facts(order, rejected), "code": reason.code}
    if reason.provider_code:
        facts["provider_code"] = reason.provider_code
    return order.with_change(
        Change.REFUND_REJECTED, at=at, facts=facts, payment=_with(order.payment, rejected)
    )


def status_after(payment: Payment) -> OrderStatus:
    """Return the status of an order whose money was given back, in part or in full."""
    if payment.status is PaymentStatus.REFUNDED:
        return OrderStatus.REFUNDED
    return OrderStatus.PARTIALLY_REFUNDED


def _facts(order: Order, refund: Refund) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "refund_id": str(refund.id),
        "amount": refund.amount.amount,
        "currency": order.currency,
    }
    if refund.operation_ref:
        facts["operation_ref"] = refund.operation_ref
    return facts


def _open_refund(order: Order, refund_id: UUID) -> Refund | None:
    refund = order.payment.refund(refund_id)
    return refund if refund is not None and refund.state.is_open else None


def _with(payment: Payment, refund: Refund) -> Payment:
    refunds = tuple(refund if one.id == refund.id else one for one in payment.refunds)
    return evolve(payment, refunds=refunds)
