"""Do an order's pieces add up, and does its status say what has become of them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oms_core.application.doctor.finding import Kind, Severity, about
from oms_core.domain.order import FulfillmentStatus
from oms_core.domain.order_status import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from oms_core.application.doctor.finding import Finding
    from oms_core.domain.order import Order
    from oms_core.domain.quantities import LineQuantities

_S = OrderStatus
_NOTHING_HAS_LEFT: Final = frozenset(
    {
        _S.PENDING_PAYMENT,
        _S.PAYMENT_AUTHORIZED,
        _S.CONFIRMED,
        _S.PROCESSING,
        _S.CANCELLED,
        _S.FAILED,
    }
)
_ON_THE_WAY: Final[Mapping[OrderStatus, FulfillmentStatus]] = {
    _S.PARTIALLY_FULFILLED: FulfillmentStatus.PARTIALLY_FULFILLED,
    _S.FULFILLED: FulfillmentStatus.FULFILLED,
}


def check_quantities(order: Order) -> Iterator[Finding]:
    """Check each line, then the order's status."""
    wrong = [
        sentence
        for number, pieces in order.quantities.items()
        if (sentence := _overdrawn(number, pieces))
    ]
    expected = fulfillment_of_status(order.status)
    if not wrong and order.fulfillment_status is not expected:
        wrong.append(
            f"The order is {order.status}, but its goods are {order.fulfillment_status} and not "
            f"{expected}."
        )
    if wrong:
        sentence = f"{' '.join(wrong)} Compare with what really left the warehouse."
        yield about(order, Kind.QUANTITIES_CONTRADICT, Severity.ERROR, sentence)


def fulfillment_of_status(status: OrderStatus) -> FulfillmentStatus:
    """Tell how much of the goods has left while an order has *status*."""
    if status in _NOTHING_HAS_LEFT:
        return FulfillmentStatus.UNFULFILLED
    return _ON_THE_WAY.get(status, FulfillmentStatus.DELIVERED)


def _overdrawn(number: int, pieces: LineQuantities) -> str | None:
    if pieces.to_fulfill < 0:
        more, than = pieces.cancelled + pieces.fulfilling + pieces.fulfilled, pieces.ordered
        return f"{more} pieces of line {number} left, are about to or were cancelled, of {than}."
    if pieces.to_return < 0:
        more, than = pieces.returning + pieces.returned, pieces.delivered
        return f"{more} pieces of line {number} came back or are about to, of {than} delivered."
    if pieces.to_refund < 0:
        return f"{pieces.refunded} pieces of line {number} were refunded, of {pieces.ordered}."
    return None
