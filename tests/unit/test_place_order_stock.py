"""What every answer of the inventory makes of an order."""

from uuid import uuid4

from attrs import evolve

from oms_core import Allocation, Change, NewLineItem, OrderStatus, PlaceOrderSettings
from oms_core.domain.inventory import Demand, StockItem
from oms_core.domain.order import ReservationState
from oms_core.domain.saga_position import SagaPhase
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.scripted_payments import ScriptedPayments
from tests.support.scripted_shop import a_shop, changes, nothing_is_held
from tests.support.shop import ARMCHAIR, DRUM, SOFT, Shop

# -- stock ---------------------------------------------------------------------------------------


def test_one_line_that_is_short_refuses_the_whole_order() -> None:
    """F40."""
    shop = Shop(stock={ARMCHAIR: 10, DRUM: 0})

    order = shop.drive()

    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.code == "out_of_stock"
    assert changes(order) == [
        Change.ORDER_PLACED,
        Change.INVENTORY_REFUSED,
        Change.ORDER_FAILED,
    ]
    assert order.history[1].facts == {DRUM: 1}
    assert nothing_is_held(shop)
    assert shop.audit() is None


def test_lines_of_one_item_are_added_up_before_stock_is_asked() -> None:
    shop = Shop(stock={ARMCHAIR: 3})
    request = evolve(
        shop.request(),
        line_items=[NewLineItem(sku=ARMCHAIR, quantity=2, unit_price="1")] * 2,
    )

    order_id = shop.oms.place_order(shop.scope, request).order_id
    shop.work_to_the_end()

    order = shop.order(order_id)
    assert order.status is OrderStatus.FAILED
    assert order.history[1].facts == {ARMCHAIR: 1}


def test_an_inventory_that_stays_silent_fails_the_order_and_is_asked_to_release() -> None:
    """F42: the reservation may have been made all the same."""
    shop = Shop(plan=FaultPlan({3: Fault.ERROR_FROM_NOW_ON}))
    shop.place()
    shop.work(30)
    assert shop.order().saga.phase is SagaPhase.COMPENSATING
    shop.plan.heal()
    shop.work_to_the_end()

    order = shop.order()
    assert order.failure is not None
    assert order.failure.code == "inventory_unavailable"
    assert nothing_is_held(shop)
    late = shop.inventory.harden(shop.scope, str(order.id))
    assert type(late).__name__ == "AlreadyReleased"


def test_a_reservation_that_somebody_else_released_is_for_a_person() -> None:
    shop = Shop()
    order_id = shop.place()
    shop.inventory.release(shop.scope, str(order_id))

    shop.work_to_the_end()

    order = shop.order()
    assert order.saga.is_parked
    assert order.saga.attention is not None
    assert order.saga.attention.code == "reservation_lost"
    assert shop.audit() is None


def test_goods_that_left_although_the_order_fails_are_for_a_person() -> None:
    """They cannot be made available again: the order must not end as if they were."""
    shop: Shop

    def the_clerk_hands_them_over() -> None:
        shop.inventory.commit(shop.scope, str(shop.order().id), actor="clerk")

    shop = Shop(plan=FaultPlan({10: Fault.PAUSE_BEFORE}, meanwhile=the_clerk_hands_them_over))

    order = shop.drive("sim_wrong_amount")

    assert [call.method for call in shop.plan.faults_met] == ["release"]
    assert order.saga.is_parked
    assert order.saga.attention is not None
    assert order.saga.attention.code == "goods_have_left"
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert shop.level().on_hand == 8


# -- soft allocation -----------------------------------------------------------------------------


def test_an_earmark_is_made_firm_before_the_order_is_confirmed() -> None:
    shop = Shop(saga=PlaceOrderSettings(allocation=SOFT))

    order = shop.drive()

    assert order.status is OrderStatus.CONFIRMED
    assert order.reservation is ReservationState.HELD
    assert changes(order).count(Change.INVENTORY_RESERVED) == 1
    shop.clock.advance(10 * SOFT.ttl_s)
    assert shop.level().reserved == 2


def test_an_earmark_that_lapsed_is_taken_again_if_the_stock_is_still_there() -> None:
    shop = Shop(saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=1.0)))

    order = shop.drive("sim_pending")

    assert order.status is OrderStatus.CONFIRMED
    assert shop.level().reserved == 2


def test_an_earmark_that_lapsed_and_is_gone_fails_the_order_and_voids_its_payment() -> None:
    shop = Shop(saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=5.0)))
    shop.place("sim_requires_action")
    shop.work_once()
    shop.clock.advance(6)
    rival = shop.oms.place_order(
        shop.scope, shop.request(key="rival", reference="rival_card", lines={ARMCHAIR: 9})
    ).order_id
    shop.work_once()
    assert shop.order(rival).status is OrderStatus.CONFIRMED
    shop.payments.complete_action(shop.ref("sim_requires_action"))

    shop.work_to_the_end()

    order = shop.order()
    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.code == "out_of_stock"
    assert changes(order)[-4:] == [
        Change.PAYMENT_AUTHORIZED,
        Change.INVENTORY_REFUSED,
        Change.PAYMENT_RELEASED,
        Change.ORDER_FAILED,
    ]
    audit = shop.audit()
    assert audit is not None
    assert audit.live_authorizations == 0
    assert shop.level().reserved == 9


def test_an_order_that_cost_nothing_asks_for_nothing_back() -> None:
    shop: Shop
    payments = ScriptedPayments()

    def everything_lapses() -> None:
        shop.clock.advance(6)
        items = [Demand(StockItem(ARMCHAIR), 9)]
        shop.inventory.reserve(shop.scope, "rival", items, allocation=Allocation())

    shop = a_shop(
        payments,
        saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=5.0)),
        plan=FaultPlan({6: Fault.PAUSE_BEFORE}, meanwhile=everything_lapses),
    )

    order = shop.drive(price="0")

    assert [call.method for call in shop.plan.faults_met] == ["harden"]
    assert order.status is OrderStatus.FAILED
    assert payments.calls == []


def test_a_tenant_may_have_its_own_allocation() -> None:
    settings = PlaceOrderSettings(allocation_by_tenant={Shop().scope.tenant_id: SOFT})
    shop = Shop(saga=settings)
    shop.place("sim_requires_action")
    shop.work_once()

    assert shop.order().reservation is ReservationState.EARMARKED
    assert settings.allocation_for(uuid4()) == settings.allocation
