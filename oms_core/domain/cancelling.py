"""Cancelling an order before anything of it has left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from oms_core.domain.events import Change
from oms_core.domain.failure import FailureReason
from oms_core.domain.fulfillment import FulfillmentState
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.order_status import TRANSITIONS, OrderStatus
from oms_core.errors import NotPossible

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order

CANCELLED: Final = FailureReason("cancelled", "The order was cancelled.")
ENDED_BEFORE: Final = FailureReason(
    "order_failed", "The order had failed before it could be cancelled."
)


def why_not_cancel(order: Order) -> str | None:
    """Say why the order cannot be cancelled now; ``None``: it can."""
    if is_being_cancelled(order):
        return "The order is being cancelled already."
    if any(one.has_left for one in order.fulfillments):
        return "Goods of the order have left; let them come back as a return."
    if any(one.state is FulfillmentState.REQUESTED for one in order.fulfillments):
        return "A fulfillment is under way; wait for its end."
    if OrderStatus.CANCELLED not in TRANSITIONS[order.status]:
        return f"The order is {order.status}; only an order that has not left can be cancelled."
    return None


def is_being_cancelled(order: Order) -> bool:
    """Tell whether somebody has asked for the order's end."""
    return any(one.kind is OperationKind.CANCEL and not one.is_over for one in order.operations)


def request_cancellation(
    order: Order, operation: Operation, *, reason: str | None, at: datetime
) -> Order:
    """Write down that the order is to be cancelled: whoever works on it turns back.

    Raises:
        NotPossible: it cannot be cancelled now.
    """
    why = why_not_cancel(order)
    if why is not None:
        raise NotPossible(operation.kind, why)
    return order.with_operation(operation).with_change(
        Change.CANCELLATION_REQUESTED,
        at=at,
        actor=operation.actor,
        facts={"reason": reason} if reason else {},
    )


def cancel(order: Order, *, at: datetime) -> Order:
    """End the order after everything is given back; for its request this is success.

    Raises:
        IllegalTransition: something of it has left.
    """
    if order.status is OrderStatus.CANCELLED:
        return order
    order = evolve(order, failure=None)
    return _close(order, OperationState.DONE, at).moved_to(
        OrderStatus.CANCELLED, Change.ORDER_CANCELLED, at=at
    )


def fail_or_cancel(order: Order, *, at: datetime) -> Order:
    """End an order whose placing was undone: cancelled if that is why, else failed."""
    if order.failure is not None and order.failure.code == CANCELLED.code:
        return cancel(order, at=at)
    failed = order.fail(at=at)
    return _close(failed, OperationState.REFUSED, at)


def _close(order: Order, state: OperationState, at: datetime) -> Order:
    """End every operation that waits for its turn: a dead order has none."""
    for one in order.operations:
        if one.is_over:
            continue
        if one.kind is OperationKind.CANCEL:
            refusal = None if state is OperationState.DONE else ENDED_BEFORE
            ended = evolve(one, state=state, refusal=refusal, ended_at=at)
        else:
            ended = evolve(one, state=OperationState.REFUSED, refusal=CANCELLED, ended_at=at)
        order = order.with_operation(ended)
    return order
