"""Taking goods back: asked for, decided, received."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from oms_core.domain.choosing import choose
from oms_core.domain.events import Change
from oms_core.domain.line_item import LineQuantity
from oms_core.domain.order import ReturnStatus
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.returns import Condition, Receipt, ReceivedLine, Return, ReturnState
from oms_core.errors import NotPossible, PartNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.events import Fact
    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order

_CAN_ASK = frozenset(
    {
        OrderStatus.DELIVERED,
        OrderStatus.COMPLETED,
        OrderStatus.RETURN_REQUESTED,
        OrderStatus.PARTIALLY_RETURNED,
    }
)
_CAN_RECEIVE = frozenset(
    {
        OrderStatus.RETURN_REQUESTED,
        OrderStatus.PARTIALLY_RETURNED,
        OrderStatus.PARTIALLY_REFUNDED,
    }
)


def why_not_return(order: Order) -> str | None:
    """Say why no return can be asked for now; ``None``: one can."""
    if order.status not in _CAN_ASK:
        return (
            f"The order is {order.status}; a return can be asked for once it is delivered, and "
            "until a refund was made."
        )
    if not any(one.to_return for one in order.quantities.values()):
        return "Every piece that was delivered is returned or about to be."
    return None


def request_return(
    order: Order,
    operation: Operation,
    lines: Sequence[LineQuantity],
    *,
    reason: str | None,
    at: datetime,
) -> Order:
    """Write down that the customer wants to send pieces back; without *lines*, all they have.

    Raises:
        InvalidInput: a line that the order does not have.
        NotPossible: more than was delivered of a line.
    """
    why = why_not_return(order)
    if why is not None:
        raise NotPossible(operation.kind, why)
    left = {number: one.to_return for number, one in order.quantities.items()}
    wanted = choose(order, operation, lines, left, "return")
    asked = Return(operation.id, wanted, ReturnState.REQUESTED, at, reason)
    facts: dict[str, Fact] = {
        "return_id": str(asked.id),
        "pieces": sum(one.quantity for one in wanted),
    }
    goes_back = order.status in {OrderStatus.DELIVERED, OrderStatus.COMPLETED}
    return order.with_operation(operation).brought_to(
        OrderStatus.RETURN_REQUESTED if goes_back else order.status,
        Change.RETURN_REQUESTED,
        at=at,
        actor=operation.actor,
        facts=facts,
        returns=(*order.returns, asked),
    )


def why_not_decide(order: Order, return_id: UUID | None = None) -> str | None:
    """Say why a return (or any) cannot be approved or rejected now; ``None``: it can."""
    if return_id is None:
        if any(one.state is ReturnState.REQUESTED for one in order.returns):
            return None
        return "No return awaits a decision."
    state = return_of(order, return_id).state
    if state is ReturnState.REQUESTED:
        return None
    return f"The return is {state}; only one that awaits a decision can be decided."


def approve_return(
    order: Order, operation: Operation, return_id: UUID, *, note: str | None, at: datetime
) -> Order:
    """Let the customer send the goods of a return.

    Raises:
        PartNotFound: the order has no such return.
        NotPossible: it was decided before.
    """
    approved = _decided(order, operation, return_id, ReturnState.APPROVED, note, at)
    return order.with_operation(operation).with_change(
        Change.RETURN_APPROVED,
        at=at,
        actor=operation.actor,
        facts={"return_id": str(return_id)},
        returns=_with(order, approved),
    )


def reject_return(
    order: Order, operation: Operation, return_id: UUID, *, note: str | None, at: datetime
) -> Order:
    """Refuse a return; with nothing else returned or asked for, the order is completed again.

    Raises:
        PartNotFound: the order has no such return.
        NotPossible: it was decided before.
    """
    rejected = _decided(order, operation, return_id, ReturnState.REJECTED, note, at)
    returns = _with(order, rejected)
    nothing_left = evolve(order, returns=returns).return_status is ReturnStatus.NONE
    is_over = nothing_left and order.status is OrderStatus.RETURN_REQUESTED
    return order.with_operation(operation).brought_to(
        OrderStatus.COMPLETED if is_over else order.status,
        Change.RETURN_REJECTED,
        at=at,
        actor=operation.actor,
        facts={"return_id": str(return_id)},
        returns=returns,
    )


def why_not_receive(order: Order, return_id: UUID | None = None) -> str | None:
    """Say why no goods of a return (or any) can be received now; ``None``: they can."""
    states = {ReturnState.APPROVED, ReturnState.PARTIALLY_RECEIVED}
    if return_id is None:
        if not any(one.state in states and _outstanding(one) for one in order.returns):
            return "No approved return has goods outstanding."
    else:
        one = return_of(order, return_id)
        if one.state not in states:
            return f"The return is {one.state}; only goods of an approved one can be received."
        if not _outstanding(one):
            return "All goods of the return came back and are being booked."
    if order.status not in _CAN_RECEIVE:
        return f"The order is {order.status}; nothing comes back to it any more."
    return None


def announce_receipt(
    order: Order,
    operation: Operation,
    return_id: UUID,
    lines: Sequence[ReceivedLine],
    *,
    at: datetime,
) -> Order:
    """Write down what came back; it counts once stock has been told.

    Without *lines*: all that is outstanding, as new, and back into stock.

    Raises:
        InvalidInput: a line that the order does not have.
        PartNotFound: the order has no such return.
        NotPossible: more came back than was announced.
    """
    one = return_of(order, return_id)
    why = why_not_receive(order, return_id)
    if why is not None:
        raise NotPossible(operation.kind, why)
    left = {line.number: 0 for line in order.lines} | _outstanding(one)
    wanted = [LineQuantity(part.line, part.quantity) for part in lines]
    chosen = choose(order, operation, wanted, left, "receive")
    if not lines:
        lines = [ReceivedLine(part.line, part.quantity, Condition.NEW, True) for part in chosen]
    receipt = Receipt(operation.id, tuple(lines), at)
    received = evolve(one, receipts=(*one.receipts, receipt))
    return evolve(order.with_operation(operation), returns=_with(order, received))


def receipt_of(order: Order, receipt_id: UUID) -> tuple[Return, Receipt]:
    """Return a receipt with the return it belongs to.

    Raises:
        PartNotFound: the order has none with this id.
    """
    for one in order.returns:
        for receipt in one.receipts:
            if receipt.id == receipt_id:
                return one, receipt
    raise PartNotFound("receipt", receipt_id)


def book_receipt(order: Order, receipt_id: UUID, *, at: datetime) -> Order:
    """Record that goods came back and that stock knows."""
    one, receipt = receipt_of(order, receipt_id)
    if receipt.is_booked:
        return order
    receipts = tuple(evolve(r, is_booked=True) if r.id == receipt_id else r for r in one.receipts)
    booked = evolve(one, receipts=receipts)
    is_whole = all(booked.received(part.line) == part.quantity for part in booked.lines)
    state = ReturnState.RECEIVED if is_whole else ReturnState.PARTIALLY_RECEIVED
    returns = _with(order, evolve(booked, state=state))
    facts: dict[str, Fact] = {
        "return_id": str(one.id),
        "pieces": sum(part.quantity for part in receipt.lines),
        "restocked": sum(part.quantity for part in receipt.lines if part.restock),
    }
    status = order.status
    if status in {OrderStatus.RETURN_REQUESTED, OrderStatus.PARTIALLY_RETURNED}:
        everything = evolve(order, returns=returns).return_status is ReturnStatus.RETURNED
        status = OrderStatus.RETURNED if everything else OrderStatus.PARTIALLY_RETURNED
    return order.brought_to(status, Change.GOODS_RETURNED, at=at, facts=facts, returns=returns)


def return_of(order: Order, return_id: UUID) -> Return:
    """Return the return with this id.

    Raises:
        PartNotFound: the order has none.
    """
    for one in order.returns:
        if one.id == return_id:
            return one
    raise PartNotFound("return", return_id)


def _outstanding(one: Return) -> dict[int, int]:
    """Tell how many pieces of each line are still to come back, where there are any."""
    left = {part.line: part.quantity - one.announced(part.line) for part in one.lines}
    return {line: quantity for line, quantity in left.items() if quantity}


def _decided(
    order: Order,
    operation: Operation,
    return_id: UUID,
    state: ReturnState,
    note: str | None,
    at: datetime,
) -> Return:
    why = why_not_decide(order, return_id)
    if why is not None:
        raise NotPossible(operation.kind, why)
    return evolve(return_of(order, return_id), state=state, decision=note, decided_at=at)


def _with(order: Order, changed: Return) -> tuple[Return, ...]:
    return tuple(changed if one.id == changed.id else one for one in order.returns)
