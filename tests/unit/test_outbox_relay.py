"""Events leave in order per order, at least once, and a broken subscriber delays nobody else."""

from collections.abc import Callable, Sequence

import pytest

from oms_adapters.event_log.memory import MemoryEventLog
from oms_adapters.storage.memory import MemoryStorage
from oms_core import Order, OrderEvent
from oms_core.application.event_relay import BATCH_MAX
from oms_core.application.outbox_relay import OutboxRelay
from oms_core.domain.event_envelope import EventEnvelope
from oms_core.errors import StoreUnavailable
from oms_core.ports.event_log import LoggedEvent
from oms_core.testing import SimulatedClock, an_order
from oms_core.testing.faults import Fault, FaultPlan, SimulatedCrash, faulty_storage

LEASE_S = 10.0


class Outside:
    """A subscriber that takes everything, after doing what the test says."""

    def __init__(self, first: Callable[[Sequence[OrderEvent]], object] = lambda _: None) -> None:
        self.first = first
        self.received: list[OrderEvent] = []

    def publish(self, events: Sequence[OrderEvent]) -> None:
        self.first(events)
        self.received += events


class Post:
    """A store with some orders, and relays on it."""

    def __init__(self, orders: int = 1, plan: FaultPlan | None = None) -> None:
        self.clock = SimulatedClock()
        self.inner = MemoryStorage(self.clock)
        self.storage = faulty_storage(self.inner, plan or FaultPlan())
        self.orders = [an_order(f"key-{number}") for number in range(orders)]
        for order in self.orders:
            self.inner.add(order)
            self.inner.save(order.record_reservation(at=self.clock.now()))

    def relay(self, outside: Outside, holder: str = "relay-1") -> OutboxRelay:
        return OutboxRelay(self.storage, outside, holder=holder, lease_s=LEASE_S, clock=self.clock)

    def latest(self, order: Order) -> Order:
        return self.inner.get(order.scope, order.id)


def sequences(events: Sequence[OrderEvent]) -> list[int]:
    return [event.sequence for event in events]


def test_the_history_of_an_order_leaves_in_order_and_once() -> None:
    post, outside = Post(), Outside()
    relay = post.relay(outside)

    found = [relay.relay_once() for _ in range(3)]

    assert found == [1, 0, 0]
    assert sequences(outside.received) == [1, 2]
    assert [event.entry for event in outside.received] == list(post.latest(post.orders[0]).history)


def test_only_what_is_new_leaves_later() -> None:
    post, outside = Post(), Outside()
    relay = post.relay(outside)
    relay.relay_once()

    order = post.latest(post.orders[0])
    post.inner.save(order.fail(at=post.clock.now()))
    relay.relay_once()

    assert sequences(outside.received) == [1, 2, 3]


def test_events_that_were_not_taken_come_again_all_of_them_when_the_claim_ran_out() -> None:
    """F49."""
    troubles = iter([ConnectionError, ConnectionError])

    def refuse_twice(_: object) -> None:
        for trouble in troubles:
            raise trouble

    post, outside = Post(), Outside(refuse_twice)
    relay = post.relay(outside)

    assert relay.relay_once() == 1
    assert relay.relay_once() == 0
    for _ in range(2):
        post.clock.advance(LEASE_S)
        relay.relay_once()

    assert sequences(outside.received) == [1, 2]


def test_an_order_nobody_takes_delays_no_other() -> None:
    post = Post(orders=5)

    def refuse_the_first(events: Sequence[OrderEvent]) -> None:
        if events[0].order_id == post.orders[0].id:
            raise ConnectionError

    outside = Outside(refuse_the_first)
    relay = post.relay(outside)
    relay.relay_once()
    for _ in range(3):
        post.clock.advance(LEASE_S)
        relay.relay_once()

    assert {e.order_id for e in outside.received} == {order.id for order in post.orders[1:]}
    assert len(outside.received) == 2 * 4


def test_a_crash_before_the_mark_delivers_again_under_the_same_ids() -> None:
    """F48."""
    post, outside = Post(plan=(plan := FaultPlan({2: Fault.CRASH_BEFORE}))), Outside()

    with pytest.raises(SimulatedCrash):
        post.relay(outside).relay_once()
    plan.restart()
    post.clock.advance(LEASE_S)
    post.relay(outside, "relay-2").relay_once()

    assert sequences(outside.received) == [1, 2, 1, 2]
    assert len({event.event_id for event in outside.received}) == 2


@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.ANSWER_LOST])
def test_a_mark_without_an_answer_may_deliver_again_and_loses_nothing(fault: Fault) -> None:
    post, outside = Post(plan=FaultPlan({2: fault})), Outside()
    relay = post.relay(outside)

    with pytest.raises(StoreUnavailable):
        relay.relay_once()
    post.clock.advance(LEASE_S)
    relay.relay_once()

    expected = [1, 2, 1, 2] if fault is Fault.TIMEOUT else [1, 2]
    assert sequences(outside.received) == expected


def test_what_two_relays_claim_is_never_the_same() -> None:
    post = Post(orders=3)
    second = Outside()
    other = post.relay(second, "relay-2")
    first = Outside(lambda _: other.relay_once())

    post.relay(first).relay_once()

    assert len(first.received) == 6
    assert second.received == []


def test_a_history_that_grows_while_it_leaves_is_not_marked_beyond_what_was_sent() -> None:
    post = Post()

    def meanwhile(_: object) -> None:
        order = post.latest(post.orders[0])
        if len(order.history) == 2:
            post.inner.save(order.fail(at=post.clock.now()))

    outside = Outside(meanwhile)
    relay = post.relay(outside)
    relay.relay_once()
    post.clock.advance(LEASE_S)
    relay.relay_once()

    assert sequences(outside.received) == [1, 2, 3]


def test_one_call_offers_one_batch() -> None:
    post, outside = Post(orders=BATCH_MAX + 7), Outside()
    relay = post.relay(outside)

    assert [relay.relay_once(), relay.relay_once(), relay.relay_once()] == [BATCH_MAX, 7, 0]


def test_what_a_slow_subscriber_took_is_marked_while_the_claim_still_holds() -> None:
    """With two relays, late marks would be refused for ever, and the same events sent for ever."""
    post = Post(orders=30)
    outside = Outside(lambda _: post.clock.advance(1.0))
    relay = post.relay(outside)

    began = post.clock.now()
    found = relay.relay_once()

    assert found == 30
    assert (post.clock.now() - began).total_seconds() <= LEASE_S / 2
    for _ in range(20):
        post.clock.advance(LEASE_S)
        relay.relay_once()
    assert len(outside.received) == 2 * 30


def test_two_relays_and_a_slow_subscriber_come_to_an_end() -> None:
    post = Post(orders=30)
    outside = Outside()
    relays = [post.relay(outside, f"relay-{number}") for number in range(2)]
    nested = False

    def takes_a_second_while_the_other_relay_looks_too(_: object) -> None:
        nonlocal nested
        post.clock.advance(1.0)
        if not nested:
            nested = True
            relays[1].relay_once()
            nested = False

    outside.first = takes_a_second_while_the_other_relay_looks_too
    for _ in range(60):
        relays[0].relay_once()
        post.clock.advance(1.0)

    received = {event.event_id for event in outside.received}
    assert len(received) == 2 * 30
    assert relays[0].relay_once() == 0
    assert len(outside.received) < 2 * 2 * 30


def test_even_a_subscriber_slower_than_the_claim_gets_one_order_at_a_time() -> None:
    post = Post(orders=3)
    outside = Outside(lambda _: post.clock.advance(2 * LEASE_S))
    relay = post.relay(outside)

    for _ in range(3):
        relay.relay_once()

    assert len(outside.received) == 6
    assert relay.relay_once() == 0


def test_the_log_takes_a_whole_batch_in_one_write_and_needs_no_publisher() -> None:
    post, log = Post(orders=3), CountingLog()
    relay = OutboxRelay(post.storage, holder="relay-1", log=log, clock=post.clock)

    found = [relay.relay_once() for _ in range(2)]

    assert (found, log.writes) == ([3, 0], 1)
    assert [logged.event.sequence for logged in log.everything(post)] == [1, 2] * 3


def test_a_crash_between_the_log_and_the_mark_leaves_no_event_twice_in_the_log() -> None:
    """F48: the second relay appends the same events again."""
    post, log = Post(plan=(plan := FaultPlan({2: Fault.CRASH_BEFORE}))), CountingLog()
    with pytest.raises(SimulatedCrash):
        OutboxRelay(post.storage, holder="relay-1", log=log, clock=post.clock).relay_once()
    plan.restart()
    post.clock.advance(LEASE_S)

    OutboxRelay(post.storage, holder="relay-2", log=log, clock=post.clock).relay_once()

    assert log.writes == 2
    assert [logged.event.sequence for logged in log.everything(post)] == [1, 2]


def test_a_publisher_that_refuses_everything_holds_up_no_reader_of_the_log() -> None:
    def refuse(_: object) -> None:
        raise ConnectionError

    post, log = Post(orders=2), CountingLog()
    relay = OutboxRelay(post.storage, Outside(refuse), holder="relay-1", log=log, clock=post.clock)

    relay.relay_once()

    assert [logged.event.sequence for logged in log.everything(post)] == [1, 2, 1, 2]
    assert relay.relay_once() == 0


class CountingLog(MemoryEventLog):
    """The log in memory, which counts how often it was written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    def append(self, events: Sequence[EventEnvelope]) -> None:
        self.writes += 1
        super().append(events)

    def everything(self, post: Post) -> Sequence[LoggedEvent]:
        return self.read(post.orders[0].scope, after=0, limit=1_000)
