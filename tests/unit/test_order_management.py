"""The system as one object: reading, steering and driving without worker threads."""

import pytest
from attrs import evolve

from oms_core import (
    AdjustStock,
    Change,
    Order,
    OrderManagement,
    OrderQuery,
    OrderStatus,
    SagaState,
)
from oms_core.application.order_changes import STALE_RETRIES_MAX
from oms_core.errors import (
    IdempotencyKeyReused,
    InsufficientStock,
    InvalidInput,
    InventoryUnavailable,
    NothingToSteer,
    OrderNotFound,
    StaleVersion,
    StoreUnavailable,
)
from oms_core.testing import a_scope
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.shop import ARMCHAIR, Shop

STRANGERS = a_scope("another-tenant")


# -- reading -------------------------------------------------------------------------------------


def test_a_timeline_is_the_history_oldest_first() -> None:
    shop = Shop()
    order = shop.drive()

    timeline = shop.oms.timeline(shop.scope, order.id)

    assert timeline == order.history
    assert timeline[0].change is Change.ORDER_PLACED


def test_another_tenants_order_is_unknown() -> None:
    shop = Shop()
    order_id = shop.place()

    for read in (
        lambda: shop.oms.get_order(STRANGERS, order_id),
        lambda: shop.oms.timeline(STRANGERS, order_id),
        lambda: shop.oms.wait_for(STRANGERS, order_id, timeout_s=0.0),
        lambda: shop.oms.wake(STRANGERS, order_id),
        lambda: shop.oms.retry_saga(STRANGERS, order_id, reason="mine", actor="eve"),
    ):
        with pytest.raises(OrderNotFound):
            read()


def test_orders_are_listed_newest_first() -> None:
    shop = Shop()
    ids = []
    for number in range(3):
        shop.clock.advance(1)
        request = shop.request(f"card-{number}", key=f"key-{number}")
        ids.append(shop.oms.place_order(shop.scope, request).order_id)

    page = shop.oms.list_orders(shop.scope)

    assert [order.id for order in page.orders] == ids[::-1]
    assert shop.oms.list_orders(STRANGERS).orders == ()


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        (OrderQuery(limit=0), ["/limit"]),
        (OrderQuery(limit=101), ["/limit"]),
        (OrderQuery(offset=-1), ["/offset"]),
        (OrderQuery(cursor="x", offset=1), ["/offset"]),
        (OrderQuery(limit=-1, offset=-1), ["/limit", "/offset"]),
        (OrderQuery(cursor="nonsense"), ["/cursor"]),
    ],
)
def test_a_listing_that_makes_no_sense_is_refused(query: OrderQuery, pointers: list[str]) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Shop().oms.list_orders(a_scope(), query)

    assert [mistake.pointer for mistake in refusal.value.mistakes] == pointers


@pytest.mark.parametrize("limit", [1, 100])
def test_the_limits_of_a_listing_are_allowed_themselves(limit: int) -> None:
    assert Shop().oms.list_orders(a_scope(), OrderQuery(limit=limit)).orders == ()


# -- steering ------------------------------------------------------------------------------------


def test_operators_see_what_is_stuck_and_let_it_go_on() -> None:
    shop = Shop()
    shop.place("sim_credentials_rejected")
    shop.work_once()
    order = shop.order()

    (stuck,) = shop.oms.list_sagas([SagaState.STUCK])
    assert stuck.id == order.id
    assert shop.oms.list_sagas([SagaState.STUCK], scope=STRANGERS) == []
    shop.payments.heal(shop.ref("sim_credentials_rejected"))
    retried = shop.oms.retry_saga(shop.scope, order.id, reason="new key", actor="pat")
    assert retried.history[-1].facts == {"reason": "new key"}
    assert retried.history[-1].actor == "pat"
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.CONFIRMED
    assert shop.oms.list_sagas([SagaState.STUCK]) == []


@pytest.mark.parametrize("reference", ["good_card", "sim_requires_action"])
def test_what_is_not_stuck_cannot_be_retried(reference: str) -> None:
    shop = Shop()
    shop.place(reference)
    shop.work_once()
    before = shop.order()

    with pytest.raises(NothingToSteer):
        shop.oms.retry_saga(shop.scope, before.id, reason="impatient", actor="pat")

    assert shop.order() == before


def test_only_a_waiting_order_can_be_woken() -> None:
    """Neither one that backs off, nor one that a person must see, nor one that is over."""
    for reference in ("sim_lost_answer_once", "sim_credentials_rejected", "good_card"):
        shop = Shop()
        shop.place(reference)
        shop.work_once()
        before = shop.order()
        shop.clock.advance(0.001)

        assert shop.oms.wake(shop.scope, before.id) == before


def test_a_wake_is_not_lost_when_a_worker_saves_first() -> None:
    shop = Shop()
    order_id = shop.place("sim_requires_action")
    shop.work_once()

    def a_worker_looks() -> None:
        shop.clock.advance(15)
        shop.a_process(FaultPlan()).run_until_idle()

    plan = FaultPlan({2: Fault.PAUSE_BEFORE}, meanwhile=a_worker_looks)
    woken = shop.a_process(plan).wake(shop.scope, order_id)

    assert [call.method for call in plan.calls] == ["get", "save", "get", "save"]
    assert woken.saga.due_at == shop.clock.now()


def test_steering_gives_up_when_somebody_saves_all_the_time() -> None:
    shop = Shop()
    order_id = shop.place("sim_requires_action")
    shop.work_once()
    saves = [2 * number for number in range(1, STALE_RETRIES_MAX + 1)]

    def somebody_saves() -> None:
        shop.storage.save(evolve(shop.order(), metadata={"version": str(shop.order().version)}))

    plan = FaultPlan(dict.fromkeys(saves, Fault.PAUSE_BEFORE), meanwhile=somebody_saves)

    with pytest.raises(StaleVersion):
        shop.a_process(plan).wake(shop.scope, order_id)


def test_whoever_watches_hears_of_every_step_and_of_steering() -> None:
    shop = Shop()
    heard: list[Order] = []
    shop.oms.on_change(heard.append)

    shop.place("sim_credentials_rejected")
    shop.work_once()
    shop.oms.retry_saga(shop.scope, shop.order().id, reason="mended", actor="pat")

    assert [order.version for order in heard] == [2, 3, 4]
    assert heard[-1] == shop.order()


# -- stock ---------------------------------------------------------------------------------------


def test_goods_are_booked_once_per_key() -> None:
    shop = Shop(stock={})
    delivery = AdjustStock(sku=ARMCHAIR, quantity_delta=5, reason="delivery 4711")

    levels = [
        shop.oms.adjust_stock(shop.scope, delivery, idempotency_key="k", actor="clerk")
        for _ in range(2)
    ]

    assert [level.on_hand for level in levels] == [5, 5]
    with pytest.raises(IdempotencyKeyReused):
        shop.oms.adjust_stock(
            shop.scope, evolve(delivery, quantity_delta=6), idempotency_key="k", actor="clerk"
        )
    (movement,) = shop.inventory.movements(shop.scope, levels[0].item)
    assert (movement.actor, movement.reason, movement.at) == (
        "clerk",
        "delivery 4711",
        shop.clock.now(),
    )


def test_promised_goods_cannot_be_booked_out() -> None:
    shop = Shop(stock={ARMCHAIR: 2, "SILENT-DRUM": 1})
    shop.drive()
    loss = AdjustStock(sku=ARMCHAIR, quantity_delta=-1, reason="broken")

    with pytest.raises(InsufficientStock) as refusal:
        shop.oms.adjust_stock(shop.scope, loss, idempotency_key="k", actor="clerk")

    assert refusal.value.available == 0
    assert [
        (level.on_hand, level.available) for level in shop.oms.stock_levels(shop.scope).levels
    ] == [
        (2, 0),
        (1, 0),
    ]
    assert shop.oms.stock_levels(STRANGERS).levels == ()


# -- driving and life ----------------------------------------------------------------------------


def test_without_threads_everything_due_is_driven_in_this_one() -> None:
    shop = Shop()
    for number in range(3):
        shop.oms.place_order(shop.scope, shop.request(f"card-{number}", key=f"key-{number}"))

    assert [shop.oms.run_until_idle() for _ in range(2)] == [3, 0]
    assert len(shop.subscriber.received) == 3 * 4


def test_a_system_without_a_subscriber_drives_all_the_same() -> None:
    shop = Shop()
    silent = OrderManagement(
        storage=shop.storage,
        inventory=shop.inventory,
        payments={"simulated": shop.payments},
        clock=shop.clock,
    )
    silent.place_order(shop.scope, shop.request())

    assert silent.run_until_idle() == 1
    assert shop.order().status is OrderStatus.CONFIRMED


def test_an_order_that_waits_is_left_alone_until_later() -> None:
    shop = Shop()
    shop.place("sim_pending")

    assert [shop.oms.run_until_idle() for _ in range(2)] == [1, 0]
    shop.clock.advance(15)
    assert shop.oms.run_until_idle() == 1


def test_health_is_the_stores_and_the_inventorys() -> None:
    Shop().oms.ping()

    with pytest.raises(StoreUnavailable):
        Shop(plan=FaultPlan({1: Fault.ERROR_ONCE})).oms.ping()
    with pytest.raises(InventoryUnavailable):
        Shop(plan=FaultPlan({2: Fault.ERROR_ONCE})).oms.ping()


def test_a_closed_system_may_be_closed_again() -> None:
    with Shop().oms as system:
        system.start()

    system.close()
