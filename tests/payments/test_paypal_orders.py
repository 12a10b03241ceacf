"""Whole orders paid at PayPal: driven by the core, over a socket, with things going wrong."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from oms_core import Order
from oms_core.domain.money import Money
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentState
from oms_core.domain.scope import order_id_for
from oms_core.ports.payments import PaymentRef
from tests.support.http_faults import (
    BROKEN_OFF,
    CUT_JSON,
    LATE_ANSWER,
    LOST_ANSWER,
    LOST_BEFORE,
    HttpFault,
    answers,
    html,
)
from tests.support.paypal_stage import PaypalStage, operation_of
from tests.support.shop import Shop

TOTAL = Money(5_997, "USD")
"""Two armchairs and a drum at 19.99."""


class PaypalShop(Shop):
    """A shop whose orders are paid at PayPal."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = PaypalStage(self.clock)
        self.stage.tenant_id = self.scope.tenant_id
        self.connect()

    def connect(self) -> None:
        """Start the process anew, with the stage's present adapter."""
        self.providers = {"paypal": self.stage.provider}
        self.restart()

    def pay(self, ref: PaymentRef) -> Order:
        """Place an order that *ref* pays for, and work to the end of it."""
        self.connect()
        request = self.request(ref.reference, provider="paypal")
        order_id = self.oms.place_order(self.scope, request).order_id
        self.work_to_the_end()
        return self.order(order_id)

    def nothing_is_held(self, ref: PaymentRef) -> bool:
        return self.stage.books.open_authorizations(ref.reference) == []


@pytest.fixture
def shop() -> Iterator[PaypalShop]:
    shop = PaypalShop()
    yield shop
    shop.stage.close()


def test_an_order_that_is_paid_is_confirmed_and_its_money_held_once(shop: PaypalShop) -> None:
    ref = shop.stage.order(TOTAL)

    order = shop.pay(ref)

    assert order.status is OrderStatus.CONFIRMED
    assert order.payment.authorization is not None
    assert order.payment.authorization.amount == TOTAL
    assert shop.stage.effects(ref, "authorize") == 1
    assert shop.stage.provider.lookup(ref).order_id == order.id


def test_an_order_that_the_shop_marked_takes_one_look_up_and_one_action(shop: PaypalShop) -> None:
    """An order's id follows from its idempotency key, so the shop knows it beforehand."""
    order_id = order_id_for(shop.scope, "checkout-4711")
    ref = shop.stage.order(TOTAL, custom_id=f"oms-order.{order_id}")

    order = shop.pay(ref)

    assert (order.id, order.status) == (order_id, OrderStatus.CONFIRMED)
    made = [operation_of(request) for request in shop.stage.double.http.requests]
    assert made == ["token", "lookup", "authorize"]


@pytest.mark.parametrize("step", ["token", "lookup", "claim", "authorize"])
@pytest.mark.parametrize(
    "fault",
    [
        LOST_BEFORE,
        LOST_ANSWER,
        LATE_ANSWER,
        CUT_JSON,
        BROKEN_OFF,
        answers(429, headers={"Retry-After": "3"}),
        answers(500),
        answers(500, executed=True),
        html(200),
        html(404),
        html(502),
    ],
    ids=lambda fault: fault.name,
)
def test_trouble_on_the_way_costs_nothing_but_time(
    shop: PaypalShop, fault: HttpFault, step: str
) -> None:
    ref = shop.stage.order(TOTAL)
    shop.stage.plan(fault, step, times=2)

    order = shop.pay(ref)

    assert order.status is OrderStatus.CONFIRMED
    assert shop.stage.effects(ref, "authorize") == 1
    assert len(set(shop.stage.double.keys("/authorize"))) == 1


def test_another_amount_is_released_and_never_captured(shop: PaypalShop) -> None:
    ref = shop.stage.order(Money(5_998, "USD"))

    order = shop.pay(ref)

    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.code == "amount_mismatch"
    assert shop.nothing_is_held(ref)
    assert shop.stage.effects(ref, "capture") == 0


def test_a_decline_fails_the_order_with_paypals_code(shop: PaypalShop) -> None:
    ref = shop.stage.a_payment_to_be_declined(TOTAL)

    order = shop.pay(ref)

    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert (order.failure.code, order.failure.provider_code) == (
        "payment_declined",
        "INSTRUMENT_DECLINED",
    )
    assert shop.level().available == 10


def test_a_buyer_who_approves_in_time_has_an_order(shop: PaypalShop) -> None:
    ref = shop.stage.a_payment_requiring_action(TOTAL)
    shop.connect()
    shop.oms.place_order(shop.scope, shop.request(ref.reference, provider="paypal"))
    shop.work(2)
    waiting = shop.order()

    shop.stage.the_customer_acts(ref)
    shop.work_to_the_end()

    assert waiting.status is OrderStatus.PENDING_PAYMENT
    assert shop.order().status is OrderStatus.CONFIRMED
    assert shop.stage.effects(ref, "authorize") == 1


def test_a_buyer_who_approves_too_late_pays_nothing(shop: PaypalShop) -> None:
    ref = shop.stage.a_payment_requiring_action(TOTAL)

    order = shop.pay(ref)
    shop.stage.the_customer_acts(ref)

    assert order.status is OrderStatus.FAILED
    assert shop.stage.provider.lookup(ref).state is PaymentState.CANCELLED
    assert shop.stage.effects(ref, "authorize") == 0


def test_an_order_that_another_order_is_paid_with_is_left_to_it(shop: PaypalShop) -> None:
    """Another tenant shares the account, and names a payment that is not its own."""
    other = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
    ref = shop.stage.order(TOTAL, custom_id=f"oms-order.{other}")
    shop.stage.books.authorize_order(ref.reference)

    order = shop.pay(ref)

    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.code == "payment_reference_in_use"
    assert not shop.nothing_is_held(ref)


def test_the_mark_can_be_written_before_the_order_is_placed(shop: PaypalShop) -> None:
    order_id = order_id_for(shop.scope, "checkout-4711")
    ref = shop.stage.order(TOTAL, custom_id=f"oms-order.{order_id}")

    order = shop.pay(ref)

    assert order.id == order_id
    assert order.status is OrderStatus.CONFIRMED
    assert {one.method for one in shop.stage.double.http.requests} == {"GET", "POST"}
