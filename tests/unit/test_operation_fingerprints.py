"""A key with the same request is a repeat, however it is written; with another it is refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_core.application.operation_requests import (
    CapturePayment,
    DecideReturn,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.payment_policy import CapturePolicy
from oms_core.domain.returns import Condition
from oms_core.errors import IdempotencyKeyReused
from tests.support.order_life import OrderLife

MINOR = st.integers(1, 6_496)


@given(minor=MINOR, zeros=st.integers(0, 5))
def test_an_amount_written_in_another_way_is_the_same_request(minor: int, zeros: int) -> None:
    shop = OrderLife(CapturePolicy.MANUAL)
    shop.confirmed()
    exact = Decimal(minor).scaleb(-2)
    written: list[str | Decimal] = [
        exact,
        f"{exact:f}",
        f"{exact:f}" + ("0" * zeros if "." in f"{exact:f}" else ""),
    ]

    answers = [shop.ask("capture", CapturePayment(one), key="once") for one in written]

    assert [one.replayed for one in answers] == [False, True, True]
    assert shop.order().payment.captures[0].amount.minor == minor


@given(one=MINOR, other=MINOR)
def test_another_amount_is_another_request(one: int, other: int) -> None:
    shop = OrderLife(CapturePolicy.MANUAL)
    shop.confirmed()
    shop.ask("capture", CapturePayment(Decimal(one).scaleb(-2)), key="once")
    again = CapturePayment(Decimal(other).scaleb(-2))

    if one == other:
        assert shop.ask("capture", again, key="once").replayed
    else:
        with pytest.raises(IdempotencyKeyReused):
            shop.ask("capture", again, key="once")


@pytest.mark.parametrize(
    "other",
    [
        FulfillOrder([Pieces(1, 2)]),
        FulfillOrder([Pieces(2, 1)]),
        FulfillOrder([Pieces(1, 1), Pieces(2, 1)]),
        FulfillOrder([Pieces(1, 1)], "DHL"),
        FulfillOrder([Pieces(1, 1)], tracking_number="DHL"),
        FulfillOrder(),
        RequestReturn([Pieces(1, 1)]),
        RefundPayment(lines=[Pieces(1, 1)]),
    ],
)
def test_every_field_and_the_kind_of_what_is_asked_count(other: object) -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.ask("fulfill", FulfillOrder([Pieces(1, 1)]), key="once")
    names = {RequestReturn: "request_return", RefundPayment: "refund"}

    with pytest.raises(IdempotencyKeyReused):
        shop.ask(names.get(type(other), "fulfill"), other, key="once")


def test_what_has_its_default_may_be_left_out() -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.ask("fulfill", FulfillOrder([Pieces(1, 1)]), key="once")

    again = shop.ask("fulfill", FulfillOrder((Pieces(1, 1),), None, None, None), key="once")

    assert again.replayed


def test_a_receipt_in_another_condition_is_another_request() -> None:
    shop = OrderLife()
    shop.delivered()
    back = shop.ask("request_return", RequestReturn()).operation.id
    shop.ask("approve_return", back, DecideReturn())
    shop.ask("receive_return", back, ReceiveReturn([PiecesReceived(1, 1)]), key="once")
    same = PiecesReceived(1, 1, Condition.NEW, restock=True)

    assert shop.ask("receive_return", back, ReceiveReturn([same]), key="once").replayed
    for other in (PiecesReceived(1, 1, "used"), PiecesReceived(1, 1, restock=False)):
        with pytest.raises(IdempotencyKeyReused):
            shop.ask("receive_return", back, ReceiveReturn([other]), key="once")
