"""Operations of one order that come close together: none takes, gives or sends anything twice."""

import pytest

from oms_core import OrderStatus
from oms_core.application.operation_requests import (
    CapturePayment,
    CompleteOrder,
    DeliverGoods,
    FulfillOrder,
    RefundPayment,
)
from oms_core.application.payment_policy import CapturePolicy
from oms_core.domain.operation import OperationState
from oms_core.errors import NotPossible
from tests.support.order_life import OrderLife

ALL = FulfillOrder()


def partly_paid_and_completed() -> OrderLife:
    """Complete an order of which 10.00 of 64.96 are captured, and the rest is held."""
    shop = OrderLife(CapturePolicy.MANUAL)
    shop.confirmed()
    shop.ask_and_work("capture", CapturePayment("10.00"))
    shop.ask_and_work("fulfill", ALL)
    (parcel,) = shop.order().fulfillments
    shop.ask("deliver", parcel.id, DeliverGoods())
    shop.ask("complete", CompleteOrder())
    return shop


# -- captures and refunds ----------------------------------------------------------------------


def test_nothing_is_taken_for_an_order_that_is_refunded() -> None:
    """A refunded order is over: what were taken for it could never be given back."""
    shop = partly_paid_and_completed()
    shop.ask_and_work("refund", RefundPayment())

    assert shop.order().status is OrderStatus.REFUNDED
    with pytest.raises(NotPossible, match="The order is refunded; no money is taken for it"):
        shop.ask("capture", CapturePayment())


def test_a_capture_that_waits_behind_the_refund_of_everything_takes_nothing() -> None:
    shop = partly_paid_and_completed()
    shop.ask("refund", RefundPayment())
    waiting = shop.ask("capture", CapturePayment()).operation.id

    shop.oms.run_until_idle()

    capture = shop.operation(waiting)
    assert shop.order().status is OrderStatus.REFUNDED
    assert capture.state is OperationState.REFUSED
    assert capture.refusal is not None
    assert capture.refusal.code == "order_is_over"
    assert shop.books() == ("64.96", "10.00", "0.00", "10.00")


def test_a_hold_is_not_seen_to_for_an_order_that_is_refunded() -> None:
    """Nobody is told to capture what must not be captured."""
    shop = partly_paid_and_completed()
    shop.ask_and_work("refund", RefundPayment())

    for _ in range(8):
        shop.pass_time(86_400.0)

    assert shop.order().saga.attention is None
