"""Worker threads: real ones, with bounded waits."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import pytest
from attrs import evolve

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import (
    AdjustStock,
    NewLineItem,
    Order,
    OrderManagement,
    OrderStatus,
    PlaceOrder,
    RunnerSettings,
    SagaState,
    Settings,
    WorkerSettings,
)
from oms_core.ports.payments import Authorize, PaymentProvider, PaymentRef, PaymentSnapshot
from oms_core.ports.publisher import EventPublisher
from oms_core.ports.storage import OrderStorage, Unpublished
from oms_core.testing import a_scope, at_once
from oms_core.testing.faults import Fault, FaultPlan, faulty_publisher, faulty_storage
from tests.support.eventually import eventually
from tests.support.shop import ARMCHAIR, Subscriber

PATIENCE_S = 30.0
SCOPE = a_scope()
RIVAL = a_scope("rival")


class Gate(SimulatedPayments):
    """A provider at which slow cards wait at a gate until the test opens it."""

    def __init__(self) -> None:
        super().__init__(MemoryLedger())
        self.opened = threading.Event()
        self.arrived = threading.Semaphore(0)

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        if command.ref.reference.startswith("slow_card"):
            self.arrived.release()
            assert self.opened.wait(PATIENCE_S)
        return super().authorize(command)


def a_system(
    *,
    storage: OrderStorage | None = None,
    payments: PaymentProvider | None = None,
    publisher: EventPublisher | None = None,
    threads: int = 4,
    poll_s: float = 0.05,
    queue_max: int = 8,
    lease_s: float = 30.0,
    room_wait_s: float = 0.05,
    at_once: int = 8,
) -> OrderManagement:
    system = OrderManagement(
        storage=storage or MemoryStorage(),
        inventory=MemoryInventory(),
        payments={"simulated": payments or SimulatedPayments(MemoryLedger())},
        publisher=publisher,
        settings=Settings(
            runner=RunnerSettings(lease_s=lease_s),
            worker=WorkerSettings(threads, poll_s, queue_max, room_wait_s, at_once=at_once),
        ),
    )
    delivery = AdjustStock(sku=ARMCHAIR, quantity_delta=1_000, reason="delivery")
    system.adjust_stock(SCOPE, delivery, idempotency_key="delivery", actor="clerk")
    return system


def a_request(number: int, reference: str = "good_card") -> PlaceOrder:
    return PlaceOrder(
        idempotency_key=f"checkout-{number}",
        payment_provider="simulated",
        payment_reference=f"{reference}_{number}",
        channel="web",
        line_items=[NewLineItem(sku=ARMCHAIR, quantity=1, unit_price="19.99")],
    )


def place(system: OrderManagement, number: int, reference: str = "good_card") -> Order:
    placed = system.place_order(SCOPE, a_request(number, reference))
    return system.get_order(SCOPE, placed.order_id)


def settled(system: OrderManagement, order: Order) -> Order:
    return system.wait_for(SCOPE, order.id, timeout_s=PATIENCE_S)


@contextmanager
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    eventually(lambda: not {t for t in threading.enumerate() if t.name.startswith("oms-")} - before)


@contextmanager
def threads_that_change_at_every_chance() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def test_orders_accepted_here_are_driven_at_once_and_not_by_a_poll() -> None:
    system = a_system(poll_s=3_600.0)

    with no_thread_is_left(), system.running():
        orders = [settled(system, place(system, number)) for number in range(20)]

    assert {order.status for order in orders} == {OrderStatus.CONFIRMED}


def test_orders_that_others_accepted_are_found_by_the_poll() -> None:
    storage, payments = MemoryStorage(), SimulatedPayments(MemoryLedger())
    clerk = a_system(storage=storage, payments=payments)
    orders = [place(clerk, number) for number in range(20)]
    worker = a_system(storage=storage, payments=payments)

    with worker.running():
        ends = [settled(worker, order) for order in orders]

    assert {order.status for order in ends} == {OrderStatus.CONFIRMED}


def test_orders_that_others_accept_meanwhile_are_heard_of_before_the_poll() -> None:
    storage, payments = MemoryStorage(), SimulatedPayments(MemoryLedger())
    clerk = a_system(storage=storage, payments=payments)
    worker = a_system(storage=storage, payments=payments, poll_s=3_600.0)

    with no_thread_is_left(), worker.running():
        settled(worker, place(worker, 0))
        ends = [settled(worker, place(clerk, number)) for number in range(1, 9)]

    assert {order.status for order in ends} == {OrderStatus.CONFIRMED}


def test_an_order_that_retries_is_driven_again_when_it_is_due() -> None:
    system = a_system()

    with system.running():
        order = settled(system, place(system, 1, "sim_lost_answer_thrice"))

    assert order.status is OrderStatus.CONFIRMED


def test_many_clients_and_two_workers_on_one_store_drive_every_order_once() -> None:
    storage, payments = MemoryStorage(), SimulatedPayments(MemoryLedger())
    systems = [a_system(storage=storage, payments=payments) for _ in range(2)]
    systems[1].inventory = systems[0].inventory

    with systems[0].running(), systems[1].running():
        placed = at_once(lambda number: place(systems[number % 2], number // 2), list(range(32)))
        ends = [settled(systems[0], order) for order in placed]

    assert len({order.id for order in ends}) == 16
    assert {order.status for order in ends} == {OrderStatus.CONFIRMED}
    assert all(row.authorizations == 1 for row in payments.audit())


@pytest.mark.parametrize("at_once", [1, 8])
def test_one_order_that_hangs_does_not_hold_up_the_others(at_once: int) -> None:
    """Not even where one order is worked on at a time: at a provider nobody works."""
    gate = Gate()
    system = a_system(payments=gate, threads=2, at_once=at_once)

    with system.running():
        slow = place(system, 1, "slow_card")
        assert gate.arrived.acquire(timeout=PATIENCE_S)
        others = [settled(system, place(system, number)) for number in range(2, 8)]
        assert system.get_order(SCOPE, slow.id).status is OrderStatus.PENDING_PAYMENT
        gate.opened.set()
        slow = settled(system, slow)

    assert {order.status for order in (slow, *others)} == {OrderStatus.CONFIRMED}


def place_for_rival(system: OrderManagement, number: int) -> Order:
    placed = system.place_order(RIVAL, a_request(number))
    return system.get_order(RIVAL, placed.order_id)


def receive_for_rival(system: OrderManagement) -> None:
    delivery = AdjustStock(sku=ARMCHAIR, quantity_delta=1_000, reason="delivery")
    system.adjust_stock(RIVAL, delivery, idempotency_key="delivery", actor="clerk")


def test_a_tenant_whose_provider_hangs_holds_up_no_other_tenant() -> None:
    """I6, F57: every thread that it may have hangs, and every place is taken."""
    gate = Gate()
    system = a_system(payments=gate, threads=2, queue_max=4, room_wait_s=0.0)
    receive_for_rival(system)

    with system.running():
        hanging = [place(system, number, "slow_card") for number in range(20)]
        for _ in range(2):
            assert gate.arrived.acquire(timeout=PATIENCE_S)
        others = [place_for_rival(system, number) for number in range(20)]
        ends = [system.wait_for(RIVAL, order.id, timeout_s=PATIENCE_S).status for order in others]
        still = {system.get_order(SCOPE, order.id).status for order in hanging}
        gate.opened.set()
        late = {settled(system, order).status for order in hanging}

    assert ends == [OrderStatus.CONFIRMED] * 20
    assert still == {OrderStatus.PENDING_PAYMENT}
    assert late == {OrderStatus.CONFIRMED}


def test_a_tenants_flood_in_the_store_is_passed_over_for_the_orders_of_others() -> None:
    """Its orders are due first, all of them, and the worker holds all it may have of them."""
    gate, storage = Gate(), MemoryStorage()
    clerk = a_system(storage=storage, payments=gate)
    flood = [place(clerk, number, "slow_card") for number in range(100)]
    worker = a_system(storage=storage, payments=gate, threads=2, queue_max=4)
    receive_for_rival(worker)

    with worker.running():
        assert gate.arrived.acquire(timeout=PATIENCE_S)
        other = place_for_rival(clerk, 1)
        end = worker.wait_for(RIVAL, other.id, timeout_s=PATIENCE_S)
        still = {worker.get_order(SCOPE, order.id).status for order in flood}
        gate.opened.set()
        late = {settled(worker, order).status for order in flood}

    assert end.status is OrderStatus.CONFIRMED
    assert still == {OrderStatus.PENDING_PAYMENT}
    assert late == {OrderStatus.CONFIRMED}


def test_stopping_finishes_what_is_being_driven_and_gives_the_rest_back() -> None:
    gate = Gate()
    system = a_system(payments=gate, threads=1)
    system.start()
    orders = [place(system, number, "slow_card") for number in range(4)]
    assert gate.arrived.acquire(timeout=PATIENCE_S)
    stopper = threading.Thread(target=system.stop)
    stopper.start()
    gate.opened.set()
    stopper.join(PATIENCE_S)

    ends = [system.get_order(SCOPE, order.id) for order in orders]
    assert ends[0].status is OrderStatus.CONFIRMED
    assert {order.status for order in ends[1:]} == {OrderStatus.PENDING_PAYMENT}
    claims = system.storage.claim_due(
        "another", limit=9, lease_s=1.0, definitions=["place_order/1"]
    )
    assert {claim.order.id for claim in claims} == {order.id for order in orders[1:]}
    assert {claim.deliveries for claim in claims} == {1}


def test_stopping_in_vain_says_so_and_loses_nothing() -> None:
    gate = Gate()
    system = a_system(payments=gate)
    system.start()
    order = place(system, 1, "slow_card")
    assert gate.arrived.acquire(timeout=PATIENCE_S)

    ended = system.stop(timeout_s=0.05)

    assert not ended
    gate.opened.set()
    assert settled(system, order).status is OrderStatus.CONFIRMED


def test_an_order_offered_to_a_worker_that_stops_is_never_left_in_its_queue() -> None:
    """Whoever stops must not wait for a lease to run out."""
    for _ in range(30):
        system = a_system(threads=1)
        system.start()

        def place_or_stop(number: int, system: OrderManagement = system) -> object:
            return place(system, number) if number else system.stop(PATIENCE_S)

        with threads_that_change_at_every_chance():
            at_once(place_or_stop, range(12))

        due = system.storage.claim_due(
            "another", limit=99, lease_s=1.0, definitions=["place_order/1"]
        )
        orders = system.list_orders(SCOPE).orders
        ended = {order.id for order in orders if order.saga.phase.is_over}
        assert {claim.order.id for claim in due} | ended == {order.id for order in orders}


def test_a_store_that_fails_for_a_while_delays_orders_and_loses_none() -> None:
    plan = FaultPlan()
    system = a_system(storage=faulty_storage(MemoryStorage(), plan), lease_s=0.2)

    with system.running():
        orders = [place(system, number, "sim_lost_answer_once") for number in range(4)]
        plan.strike(Fault.ERROR_FROM_NOW_ON)
        eventually(lambda: len(plan.faults_met) > 4)
        plan.heal()
        ends = [settled(system, order) for order in orders]

    assert {order.status for order in ends} == {OrderStatus.CONFIRMED}


class Surprising(MemoryStorage):
    """A store with a bug of its own."""

    surprises = 0

    def earliest_due(self) -> None:
        self.surprises += 1
        raise ZeroDivisionError

    def listen(self) -> NoReturn:
        self.surprises += 1
        raise ZeroDivisionError

    def claim_unpublished(
        self, holder: str, *, limit: int, lease_s: float
    ) -> Sequence[Unpublished]:
        self.surprises += 1
        raise ZeroDivisionError


def test_the_finder_outlives_any_surprise() -> None:
    storage = Surprising()
    system = a_system(storage=storage)

    with system.running():
        eventually(lambda: storage.surprises > 2)
        order = place(a_system(storage=storage), 1)

        assert settled(system, order).saga.phase.is_over


def test_orders_of_sagas_nobody_here_knows_do_not_keep_the_finder_busy() -> None:
    """F55: they are overdue all the time, and whoever knows them may be long in coming."""
    plan = FaultPlan()
    inner = MemoryStorage()
    system = a_system(storage=faulty_storage(inner, plan), poll_s=0.2)
    order = place(system, 1)
    inner.save(evolve(order, saga=evolve(order.saga, version=2)))

    with system.running():
        threading.Event().wait(0.6)

    looks = [call for call in plan.calls if call.method == "claim_due"]
    assert 1 <= len(looks) < 15
    assert system.get_order(SCOPE, order.id).status is OrderStatus.PENDING_PAYMENT


def test_a_listener_with_a_bug_delays_no_order() -> None:
    heard: list[Order] = []

    def listen(order: Order) -> None:
        heard.append(order)
        raise ZeroDivisionError

    system = a_system()
    system.on_change(listen)
    system.on_change(heard.append)

    with system.running():
        order = settled(system, place(system, 1))

    assert order.status is OrderStatus.CONFIRMED
    assert heard
    assert heard.count(heard[-1]) == 2


def test_events_leave_while_workers_run_and_a_broken_subscriber_gets_them_later() -> None:
    subscriber = Subscriber()
    plan = FaultPlan({1: Fault.ERROR_ONCE})
    system = a_system(publisher=faulty_publisher(subscriber, plan))

    with system.running():
        broken = settled(system, place(system, 1))
        eventually(lambda: len(plan.calls) > 0)
        other = settled(system, place(system, 2))
        eventually(lambda: {e.order_id for e in subscriber.received} >= {other.id})

    assert broken.status is OrderStatus.CONFIRMED
    sequences = [e.sequence for e in subscriber.received if e.order_id == other.id]
    assert sequences == sorted(sequences)


def test_what_was_finished_by_the_stop_has_left_as_events() -> None:
    """The last steps of an order end after the relay's last regular look."""
    subscriber = Subscriber()
    gate = Gate()
    system = a_system(payments=gate, publisher=subscriber, poll_s=5.0)
    system.start()
    order = place(system, 1, "slow_card")
    assert gate.arrived.acquire(timeout=PATIENCE_S)

    gate.opened.set()
    assert system.stop(PATIENCE_S)

    history = system.get_order(SCOPE, order.id).history
    assert [event.entry for event in subscriber.received] == list(history)
    assert len(history) == 4


def test_the_relay_outlives_any_surprise() -> None:
    storage = Surprising()
    system = a_system(storage=storage, publisher=Subscriber())

    with no_thread_is_left(), system.running():
        eventually(lambda: storage.surprises > 1)
        order = settled(system, place(system, 1))

    assert order.status is OrderStatus.CONFIRMED


def test_more_orders_than_a_worker_may_hold_are_left_to_whoever_is_free() -> None:
    gate = Gate()
    system = a_system(payments=gate, threads=1, queue_max=2)
    with system.running():
        orders = [place(system, number, "slow_card") for number in range(6)]
        free = system.storage.claim_due(
            "another", limit=9, lease_s=0.01, definitions=["place_order/1"]
        )
        gate.opened.set()
        ends = [settled(system, order) for order in orders]

    assert 1 <= len(free) <= 4
    assert {order.status for order in ends} == {OrderStatus.CONFIRMED}


def test_orders_that_wait_too_long_for_their_turn_are_not_taken_for_poison() -> None:
    """F57: a slow provider keeps all threads busy longer than the leases of the others last."""
    gate = Gate()
    system = a_system(payments=gate, threads=1, queue_max=4, lease_s=0.05)
    with system.running():
        slow = place(system, 0, "slow_card")
        assert gate.arrived.acquire(timeout=PATIENCE_S)
        others = [place(system, number) for number in range(1, 4)]
        threading.Event().wait(0.5)
        gate.opened.set()
        ends = [settled(system, order) for order in (slow, *others)]

    assert {order.status for order in ends} == {OrderStatus.CONFIRMED}
    assert all(order.saga.attention is None for order in ends)


def test_an_order_whose_turn_comes_too_late_is_left_to_whoever_has_it_now() -> None:
    gate = Gate()
    system = a_system(payments=gate, threads=1, queue_max=2, lease_s=0.05)
    system.start()
    place(system, 1, "slow_card")
    assert gate.arrived.acquire(timeout=PATIENCE_S)
    place(system, 2)
    threading.Event().wait(0.1)
    taken_over = system.storage.claim_due(
        "another", limit=9, lease_s=PATIENCE_S, definitions=["place_order/1"]
    )
    gate.opened.set()
    settled(system, place(system, 3))
    system.stop(PATIENCE_S)

    assert len(taken_over) == 2
    (level,) = system.stock_levels(SCOPE).levels
    assert level.reserved == 2, "stock was asked for an order that somebody else works on"


def test_whoever_brings_more_than_a_worker_can_hold_waits_until_it_has_room() -> None:
    """Accepted faster than finished, the first orders would wait the longest."""
    gate = Gate()
    system = a_system(payments=gate, threads=1, queue_max=1, room_wait_s=PATIENCE_S)
    with system.running():
        place(system, 1, "slow_card")
        assert gate.arrived.acquire(timeout=PATIENCE_S)
        second: list[Order] = []
        client = threading.Thread(target=lambda: second.append(place(system, 2)))

        client.start()
        client.join(0.2)
        waited = not second
        gate.opened.set()
        client.join(PATIENCE_S)

        assert waited
        assert settled(system, second[0]).status is OrderStatus.CONFIRMED


def test_nobody_waits_for_room_for_ever() -> None:
    gate = Gate()
    system = a_system(payments=gate, threads=1, queue_max=1, room_wait_s=0.01)
    with system.running():
        place(system, 1, "slow_card")
        assert gate.arrived.acquire(timeout=PATIENCE_S)

        second = place(system, 2)

        assert second.status is OrderStatus.PENDING_PAYMENT
        gate.opened.set()
        assert settled(system, second).status is OrderStatus.CONFIRMED


def test_waiting_for_an_order_ends_when_it_settles_or_when_time_is_up() -> None:
    system = a_system()
    order = place(system, 1)

    assert system.wait_for(SCOPE, order.id, timeout_s=0.01) == order
    with system.running():
        waits = settled(system, place(system, 2, "sim_requires_action"))
    assert waits.saga.state is SagaState.WAITING


def test_a_woken_order_is_looked_at_without_waiting_for_a_poll() -> None:
    payments = SimulatedPayments(MemoryLedger())
    system = a_system(payments=payments, poll_s=3_600.0)
    with system.running():
        order = settled(system, place(system, 1, "sim_requires_action"))
        payments.complete_action(PaymentRef(SCOPE.tenant_id, "sim_requires_action_1"))
        system.wake(SCOPE, order.id)
        eventually(lambda: system.get_order(SCOPE, order.id).status is OrderStatus.CONFIRMED)


def test_starting_twice_is_starting_once_and_stopping_without_start_is_nothing() -> None:
    system = a_system()

    assert system.stop()
    with no_thread_is_left():
        system.start()
        system.start()
        finders = [t for t in threading.enumerate() if t.name == "oms-finder"]
        assert len(finders) == 1
        assert system.stop()
        assert system.stop()
        system.close()


def test_a_system_can_be_started_again() -> None:
    system = a_system()
    with system.running():
        settled(system, place(system, 1))

    with system.running():
        order = settled(system, place(system, 2))

    assert order.status is OrderStatus.CONFIRMED


@pytest.mark.parametrize("orders", [1, 3])
def test_threads_begin_with_the_orders_that_need_them(orders: int) -> None:
    gate = Gate()
    system = a_system(payments=gate, threads=4)
    system.start()

    def workers() -> int:
        return sum(t.name.startswith("oms-worker") for t in threading.enumerate())

    before = workers()
    placed = [place(system, number, "slow_card") for number in range(orders)]
    for _ in placed:
        assert gate.arrived.acquire(timeout=PATIENCE_S)
    assert workers() - before == orders
    gate.opened.set()
    assert system.stop(PATIENCE_S)
