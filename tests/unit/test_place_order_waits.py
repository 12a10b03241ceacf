"""Orders that wait for a customer or a provider, and how a wait ends."""

import pytest

from oms_core import Change, OrderStatus, PlaceOrderSettings, SagaState
from oms_core.domain.payment import PaymentStatus
from oms_core.errors import InvalidState
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.scripted_shop import changes, nothing_is_held
from tests.support.shop import Shop


def test_a_customer_who_acts_is_noticed_at_the_next_look_or_at_once_when_woken() -> None:
    shop = Shop()
    shop.place("sim_requires_action")
    shop.work_once()
    order = shop.order()
    assert order.saga.state is SagaState.WAITING
    assert order.payment.status is PaymentStatus.ACTION_REQUIRED
    assert "next_action" in order.history[-1].facts

    shop.payments.complete_action(shop.ref("sim_requires_action"))
    shop.work_once()
    assert shop.order().status is OrderStatus.PENDING_PAYMENT
    shop.oms.wake(shop.scope, order.id)
    shop.work_once()

    assert shop.order().status is OrderStatus.CONFIRMED


def test_a_wake_while_a_worker_looks_is_not_overwritten_by_what_it_saw_before() -> None:
    """The customer acted just after the look-up; the notification came before its record."""
    shop: Shop
    reference = "sim_requires_action"

    def the_customer_acts() -> None:
        shop.payments.complete_action(shop.ref(reference))
        shop.a_process(FaultPlan()).wake(shop.scope, shop.order().id)

    shop = Shop()
    shop.place(reference)
    shop.work_once()
    shop.clock.advance(15)
    shop.plan = FaultPlan({3: Fault.PAUSE_BEFORE}, meanwhile=the_customer_acts)
    shop.restart()

    shop.work_once()

    assert shop.plan.faults_met[0].method == "checkpoint"
    assert shop.order().status is OrderStatus.CONFIRMED


def test_waking_an_order_that_does_not_wait_changes_nothing() -> None:
    shop = Shop()
    order = shop.drive()

    assert shop.oms.wake(shop.scope, order.id) == order


@pytest.mark.parametrize(
    ("reference", "settings", "ends_after_s"),
    [
        ("sim_requires_action", PlaceOrderSettings(action_deadline_s=100.0), 100.0),
        ("sim_pending_forever", PlaceOrderSettings(pending_deadline_s=70.0), 70.0),
    ],
)
def test_a_deadline_ends_the_wait(
    reference: str, settings: PlaceOrderSettings, ends_after_s: float
) -> None:
    """F19."""
    shop = Shop(saga=settings)

    order = shop.drive(reference)

    assert order.status is OrderStatus.FAILED
    assert (order.updated_at - order.created_at).total_seconds() == ends_after_s
    assert nothing_is_held(shop)


def test_waiting_is_told_once_however_often_it_is_looked_at() -> None:
    order = Shop().drive("sim_requires_action")

    assert changes(order).count(Change.CUSTOMER_ACTION_REQUIRED) == 1
    order = Shop().drive("sim_pending_forever")
    assert changes(order).count(Change.PAYMENT_PENDING) == 1


def test_a_late_action_of_the_customer_finds_the_payment_forbidden() -> None:
    """F21."""
    shop = Shop()
    shop.drive("sim_requires_action")

    with pytest.raises(InvalidState):
        shop.payments.complete_action(shop.ref("sim_requires_action"))

    assert nothing_is_held(shop)
