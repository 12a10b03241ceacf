"""Letting goods leave, and hearing that they arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from oms_core.domain.cancelling import is_being_cancelled
from oms_core.domain.choosing import choose
from oms_core.domain.events import Change
from oms_core.domain.fulfillment import Fulfillment, FulfillmentState, Tracking
from oms_core.domain.order import FulfillmentStatus
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import NotPossible, PartNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.events import Fact
    from oms_core.domain.failure import FailureReason
    from oms_core.domain.line_item import LineQuantity
    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order

_CAN_SHIP = frozenset(
    {OrderStatus.CONFIRMED, OrderStatus.PROCESSING, OrderStatus.PARTIALLY_FULFILLED}
)


def why_not_fulfill(order: Order) -> str | None:
    """Say why nothing can be fulfilled now; ``None``: something can."""
    if is_being_cancelled(order):
        return "The order is being cancelled."
    if order.status in {OrderStatus.PENDING_PAYMENT, OrderStatus.PAYMENT_AUTHORIZED}:
        return "The order is not confirmed yet; wait until it is."
    if order.status.is_dead:
        return f"The order is {order.status}."
    if order.status not in _CAN_SHIP or not any(
        one.to_fulfill for one in order.quantities.values()
    ):
        return "Everything of the order has left or is about to."
    return None


def request_fulfillment(
    order: Order,
    operation: Operation,
    lines: Sequence[LineQuantity],
    tracking: Tracking | None,
    *,
    at: datetime,
) -> Order:
    """Write down that some pieces are to leave; without *lines*, all that are left.

    Raises:
        InvalidInput: a line that the order does not have.
        NotPossible: more than is left of a line.
    """
    why = why_not_fulfill(order)
    if why is not None:
        raise NotPossible(operation.kind, why)
    left = {number: one.to_fulfill for number, one in order.quantities.items()}
    wanted = choose(order, operation, lines, left, "fulfill")
    requested = Fulfillment(operation.id, wanted, FulfillmentState.REQUESTED, at, tracking)
    facts: dict[str, Fact] = {
        "fulfillment_id": str(requested.id),
        "pieces": sum(one.quantity for one in wanted),
    }
    fulfillments = (*order.fulfillments, requested)
    is_first = order.status is OrderStatus.CONFIRMED
    return order.with_operation(operation).brought_to(
        OrderStatus.PROCESSING if is_first else order.status,
        Change.FULFILLMENT_REQUESTED,
        at=at,
        actor=operation.actor,
        facts=facts,
        fulfillments=fulfillments,
    )


def ship(order: Order, fulfillment_id: UUID, *, at: datetime) -> Order:
    """Record that the goods of a fulfillment have left."""
    fulfillment = fulfillment_of(order, fulfillment_id)
    if fulfillment.state is not FulfillmentState.REQUESTED:
        return order
    shipped = evolve(fulfillment, state=FulfillmentState.SHIPPED, shipped_at=at)
    facts: dict[str, Fact] = {"fulfillment_id": str(shipped.id)}
    if shipped.tracking and shipped.tracking.carrier:
        facts["carrier"] = shipped.tracking.carrier
    if shipped.tracking and shipped.tracking.number:
        facts["tracking_number"] = shipped.tracking.number
    fulfillments = _with(order, shipped)
    everything = evolve(order, fulfillments=fulfillments).fulfillment_status
    status = (
        OrderStatus.PARTIALLY_FULFILLED
        if everything is FulfillmentStatus.PARTIALLY_FULFILLED
        else OrderStatus.FULFILLED
    )
    return order.brought_to(
        status, Change.GOODS_SHIPPED, at=at, facts=facts, fulfillments=fulfillments
    )


def refuse_fulfillment(
    order: Order, fulfillment_id: UUID, reason: FailureReason | None, *, at: datetime
) -> Order:
    """Record that the goods of a fulfillment stay; they can be fulfilled again."""
    fulfillment = fulfillment_of(order, fulfillment_id)
    if fulfillment.state is not FulfillmentState.REQUESTED:
        return order
    refused = evolve(fulfillment, state=FulfillmentState.REFUSED, refusal=reason)
    facts: dict[str, Fact] = {"fulfillment_id": str(refused.id)}
    if reason is not None:
        facts["code"] = reason.code
    return order.with_change(
        Change.FULFILLMENT_REFUSED, at=at, facts=facts, fulfillments=_with(order, refused)
    )


def why_not_deliver(order: Order, fulfillment_id: UUID | None = None) -> str | None:
    """Say why a fulfillment (or any) cannot be told to have arrived; ``None``: it can."""
    if fulfillment_id is None:
        if any(one.state is FulfillmentState.SHIPPED for one in order.fulfillments):
            return None
        return "Nothing of the order is on its way."
    state = fulfillment_of(order, fulfillment_id).state
    if state is FulfillmentState.SHIPPED:
        return None
    return f"The fulfillment is {state}; only one that was shipped can be delivered."


def deliver(order: Order, operation: Operation, fulfillment_id: UUID, *, at: datetime) -> Order:
    """Record that the goods of a fulfillment have arrived.

    Raises:
        PartNotFound: the order has no such fulfillment.
        NotPossible: it was not shipped, or has arrived before.
    """
    fulfillment = fulfillment_of(order, fulfillment_id)
    why = why_not_deliver(order, fulfillment_id)
    if why is not None:
        raise NotPossible(operation.kind, why)
    delivered = evolve(fulfillment, state=FulfillmentState.DELIVERED, delivered_at=at)
    fulfillments = _with(order, delivered)
    facts: dict[str, Fact] = {"fulfillment_id": str(delivered.id)}
    everything = evolve(order, fulfillments=fulfillments).fulfillment_status
    is_over = everything is FulfillmentStatus.DELIVERED and order.status is OrderStatus.FULFILLED
    return order.with_operation(operation).brought_to(
        OrderStatus.DELIVERED if is_over else order.status,
        Change.GOODS_DELIVERED,
        at=at,
        actor=operation.actor,
        facts=facts,
        fulfillments=fulfillments,
    )


def why_not_complete(order: Order) -> str | None:
    """Say why the order cannot be completed now; ``None``: it can."""
    if order.status is OrderStatus.DELIVERED:
        return None
    if order.status in _CAN_SHIP | {OrderStatus.FULFILLED}:
        return "Not everything has been delivered yet."
    return f"The order is {order.status}; only one that was delivered can be completed."


def complete(order: Order, operation: Operation, *, at: datetime) -> Order:
    """Close an order that was delivered and that nobody complained about.

    Raises:
        NotPossible: it is not delivered.
    """
    why = why_not_complete(order)
    if why is not None:
        raise NotPossible(operation.kind, why)
    return order.with_operation(operation).moved_to(
        OrderStatus.COMPLETED, Change.ORDER_COMPLETED, at=at, actor=operation.actor
    )


def fulfillment_of(order: Order, fulfillment_id: UUID) -> Fulfillment:
    """Return the fulfillment with this id.

    Raises:
        PartNotFound: the order has none.
    """
    for one in order.fulfillments:
        if one.id == fulfillment_id:
            return one
    raise PartNotFound("fulfillment", fulfillment_id)


def _with(order: Order, changed: Fulfillment) -> tuple[Fulfillment, ...]:
    return tuple(changed if one.id == changed.id else one for one in order.fulfillments)
