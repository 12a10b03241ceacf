"""Whole orders that are paid at Stripe: the real saga, the real SDK, and all that happens."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from attrs import evolve

from oms_core import OrderStatus
from oms_core.domain.payment import PaymentState, PaymentStatus
from oms_core.domain.scope import order_id_for
from oms_core.testing import SimulatedClock
from oms_core.testing.faults import FAULTS_ALONE, Fault, FaultPlan
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
from tests.support.shop import Shop
from tests.support.stripe_double import StripeStage
from tests.support.stripe_double.double import operation_of
from tests.support.stripe_double.objects import Intent

TOTAL = 5_997
SHOPS_REFERENCE = {"order_reference": "CART-17"}
CALLS = 19
"""How many an order's life makes over all ports, at most, if nothing goes wrong on the way."""


class StripeShop(Shop):
    """A shop whose only provider is Stripe."""

    placed: UUID

    def __init__(self, stage: StripeStage, plan: FaultPlan | None = None) -> None:
        super().__init__(plan=plan, providers={"stripe": stage.provider})
        stage.double.clock = self.clock
        self.stage = stage

    def order_of(self, intent: Intent, *, key: str = "checkout-4711") -> OrderStatus:
        """Place an order for a payment, and work to the end of it."""
        request = self.request(intent.id, key=key, provider="stripe")
        self.placed = self.place_until_acknowledged(request)
        self.work_to_the_end()
        return self.order(self.placed).status

    def snapshot(self, intent: Intent) -> PaymentState:
        return self.stage.provider.lookup(self.ref(intent.id)).state


@pytest.fixture
def stage() -> Iterator[StripeStage]:
    stage = StripeStage(SimulatedClock(), read_timeout_s=0.2)
    yield stage
    stage.close()


@pytest.fixture
def shop(stage: StripeStage) -> StripeShop:
    return StripeShop(stage)


def test_an_order_is_confirmed_and_its_money_held_once(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL)

    assert shop.order_of(intent) is OrderStatus.CONFIRMED

    order = shop.order()
    assert order.payment.status is PaymentStatus.AUTHORIZED
    assert order.payment.authorization is not None
    assert order.payment.authorization.expires_at is not None
    assert intent.payment_details == {"order_reference": f"oms-order.{order.id}"}
    assert intent.metadata == {}
    assert shop.stage.effects(shop.ref(intent.id), "authorize") == 1


def test_a_payment_that_the_shop_marked_takes_one_look_up_and_one_action(
    shop: StripeShop,
) -> None:
    """An order's id follows from its idempotency key, so the shop knows it beforehand."""
    intent = shop.stage.double.create(TOTAL)
    intent.metadata = {"oms_order_id": str(order_id_for(shop.scope, "checkout-4711"))}

    assert shop.order_of(intent) is OrderStatus.CONFIRMED

    made = [operation_of(request) for request in shop.stage.double.server.requests]
    assert made == ["lookup", "authorize"]
    assert intent.payment_details == {}


def test_a_declined_order_fails_with_stripes_code(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL, decides="decline", decline_code="lost_card")

    assert shop.order_of(intent) is OrderStatus.FAILED

    failure = shop.order().failure
    assert failure is not None
    assert (failure.code, failure.provider_code) == ("payment_declined", "lost_card")


def test_a_hold_of_another_sum_is_released_and_the_order_fails(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL + 1)
    shop.stage.double.confirm_in_the_browser(intent)

    assert shop.order_of(intent) is OrderStatus.FAILED

    failure = shop.order().failure
    assert failure is not None
    assert failure.code == "amount_mismatch"
    assert shop.snapshot(intent) is PaymentState.CANCELLED


def test_a_payment_of_another_sum_that_is_not_held_yet_never_is(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL + 1)

    assert shop.order_of(intent) is OrderStatus.FAILED

    failure = shop.order().failure
    assert failure is not None
    assert (failure.code, failure.provider_code) == ("amount_mismatch", "amount_mismatch")
    assert shop.stage.effects(shop.ref(intent.id), "authorize") == 0
    assert shop.snapshot(intent) is PaymentState.CANCELLED


def test_an_automatic_capture_of_an_order_that_fails_is_given_back(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL + 1, capture_method="automatic")
    shop.stage.double.confirm_in_the_browser(intent)

    assert shop.order_of(intent) is OrderStatus.FAILED

    seen = shop.stage.provider.lookup(shop.ref(intent.id))
    assert seen.captured == seen.refunded
    assert shop.stage.effects(shop.ref(intent.id), "refund") == 1


def test_a_customer_who_acts_in_time_gets_the_order(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL, decides="ask")
    shop.oms.place_order(shop.scope, shop.request(intent.id, provider="stripe"))
    shop.work_once()
    assert shop.order().payment.status is PaymentStatus.ACTION_REQUIRED

    intent.decide(shop.stage.double.now)
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.CONFIRMED


def test_a_customer_who_never_acts_loses_the_order_and_no_money(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL, decides="ask")

    assert shop.order_of(intent) is OrderStatus.FAILED

    assert shop.snapshot(intent) is PaymentState.CANCELLED


def test_after_a_decline_the_customer_pays_the_next_order_with_the_same_payment(
    shop: StripeShop,
) -> None:
    intent = shop.stage.double.create(TOTAL, decides="decline")
    assert shop.order_of(intent) is OrderStatus.FAILED
    intent.status, intent.error, intent.decides = "requires_confirmation", None, "approve"

    assert shop.order_of(intent, key="checkout-4712") is OrderStatus.CONFIRMED

    reference = f"oms-order.{order_id_for(shop.scope, 'checkout-4712')}"
    assert intent.payment_details == {"order_reference": reference}


def test_after_a_decline_the_customer_pays_the_next_order_in_a_way_that_has_no_reference(
    shop: StripeShop,
) -> None:
    """What the declined order wrote cannot be written over: the metadata says so instead."""
    intent = shop.stage.double.create(TOTAL, decides="decline")
    assert shop.order_of(intent) is OrderStatus.FAILED
    intent.status, intent.error, intent.decides = "requires_confirmation", None, "approve"
    shop.stage.double.takes_references = lambda _: False

    assert shop.order_of(intent, key="checkout-4712") is OrderStatus.CONFIRMED

    seen = shop.stage.provider.lookup(shop.ref(intent.id))
    assert (seen.state, seen.order_id) == (PaymentState.AUTHORIZED, shop.placed)


def test_an_order_whose_payment_takes_no_reference_is_confirmed_and_cancelled(
    shop: StripeShop,
) -> None:
    intent = shop.stage.double.create(TOTAL)
    shop.stage.double.takes_references = lambda _: False

    assert shop.order_of(intent) is OrderStatus.CONFIRMED

    assert intent.metadata == {"oms_order_id": str(shop.placed)}
    assert shop.stage.effects(shop.ref(intent.id), "authorize") == 1


def test_two_systems_that_share_an_account_do_not_share_a_payment(stage: StripeStage) -> None:
    """Each has a store of its own, so only Stripe can tell them apart."""
    first, second = StripeShop(stage), StripeShop(stage)
    intent = stage.double.create(TOTAL)
    assert first.order_of(intent) is OrderStatus.CONFIRMED

    assert second.order_of(intent, key="checkout-of-theirs") is OrderStatus.FAILED

    failure = second.order(second.placed).failure
    assert failure is not None
    assert failure.code == "payment_reference_in_use"
    assert first.snapshot(intent) is PaymentState.AUTHORIZED


def test_revoked_credentials_stop_the_order_and_do_not_fail_it(shop: StripeShop) -> None:
    intent = shop.stage.double.create(TOTAL)
    shop.stage.double.api_key_is_good = False
    order_id = shop.oms.place_order(shop.scope, shop.request(intent.id, provider="stripe")).order_id

    shop.work(50)

    order = shop.order(order_id)
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert order.saga.attention is not None
    assert "sk_" not in repr(order)


STORED_500 = answers(500)
HTTP_FAULTS = [
    LOST_BEFORE,
    LOST_ANSWER,
    LATE_ANSWER,
    CUT_JSON,
    BROKEN_OFF,
    html(502),
    html(200),
    answers(429, headers={"Retry-After": "7"}),
    answers(409),
    STORED_500,
    answers(500, executed=True),
]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    ("operation", "details"),
    [("lookup", {}), ("authorize", {}), ("mark", SHOPS_REFERENCE), ("authorize", SHOPS_REFERENCE)],
    ids=["lookup", "authorize", "mark", "authorize_after_a_mark"],
)
@pytest.mark.parametrize("fault", HTTP_FAULTS, ids=lambda fault: fault.name)
def test_whatever_happens_on_the_wire_the_order_is_confirmed_with_one_hold(
    shop: StripeShop, fault: HttpFault, operation: str, details: dict[str, str], times: int
) -> None:
    intent = shop.stage.double.create(TOTAL, payment_details=details)
    ref = shop.ref(intent.id)
    for number in range(times):
        shop.stage.plan(evolve(fault, name=f"{fault.name}{number}"), ref, operation)

    assert shop.order_of(intent) is OrderStatus.CONFIRMED

    assert shop.stage.effects(ref, "authorize") == 1
    assert shop.snapshot(intent) is PaymentState.AUTHORIZED


@pytest.mark.parametrize(("operation", "details"), [("authorize", {}), ("mark", SHOPS_REFERENCE)])
def test_a_failure_that_stripe_stored_under_the_key_does_not_cost_the_order(
    shop: StripeShop, operation: str, details: dict[str, str]
) -> None:
    """The key answers 500 for a day; a look-up proves that nothing happened: a new key."""
    intent = shop.stage.double.create(TOTAL, payment_details=details)
    shop.stage.double.fails_inside[operation] = 1

    assert shop.order_of(intent) is OrderStatus.CONFIRMED

    assert shop.stage.effects(shop.ref(intent.id), "authorize") == 1


@pytest.mark.parametrize("at", range(1, CALLS + 1))
@pytest.mark.parametrize("fault", FAULTS_ALONE)
@pytest.mark.parametrize("goes_wrong", [False, True], ids=["good", "wrong_sum"])
def test_a_crash_at_any_call_leaves_one_hold_or_none(
    stage: StripeStage, fault: Fault, at: int, *, goes_wrong: bool
) -> None:
    plan = FaultPlan({at: fault})
    shop = StripeShop(stage, plan)
    intent = stage.double.create(TOTAL + goes_wrong)
    if goes_wrong:
        stage.double.confirm_in_the_browser(intent)

    order_id = shop.place_until_acknowledged(shop.request(intent.id, provider="stripe"))
    for _ in range(5):
        shop.work(3)
        shop.plan.mend()
    shop.work_to_the_end()

    status = shop.order(order_id).status
    assert status is (OrderStatus.FAILED if goes_wrong else OrderStatus.CONFIRMED)
    ref = shop.ref(intent.id)
    assert shop.stage.effects(ref, "authorize") == 1
    assert shop.stage.effects(ref, "cancel") == int(goes_wrong)
    assert shop.snapshot(intent) is (
        PaymentState.CANCELLED if goes_wrong else PaymentState.AUTHORIZED
    )


@pytest.mark.parametrize("goes_wrong", [False, True], ids=["good", "wrong_sum"])
def test_the_calls_above_are_all_there_are(stage: StripeStage, *, goes_wrong: bool) -> None:
    """Otherwise some moment is not tried, and nobody notices."""
    plan = FaultPlan()
    shop = StripeShop(stage, plan)
    intent = stage.double.create(TOTAL + goes_wrong)
    if goes_wrong:
        stage.double.confirm_in_the_browser(intent)

    shop.order_of(intent)

    assert 0 < len(plan.calls) <= CALLS
