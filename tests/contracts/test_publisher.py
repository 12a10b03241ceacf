"""Events leave in order, at least once, whoever listens."""

from threading import Lock
from uuid import UUID

import pytest

from oms_adapters.publisher.memory import MemoryPublisher
from oms_adapters.storage.memory import MemoryStorage
from oms_core import Order, OrderEvent, OrderStatus
from oms_core.application.outbox_relay import OutboxRelay
from oms_core.testing import SimulatedClock, an_order, at_once, with_status

LEASE_S = 10.0


class Listener:
    """Writes down what it hears; refuses the first time it hears one of *refuses*."""

    def __init__(self, *, refuses: int = 0) -> None:
        self.heard: list[OrderEvent] = []
        self._refusals_left = refuses
        self._lock = Lock()

    def __call__(self, event: OrderEvent) -> None:
        with self._lock:
            if self._refusals_left:
                self._refusals_left -= 1
                raise ConnectionError("the listener is not there")
            self.heard.append(event)

    @property
    def sequences(self) -> list[int]:
        return [event.sequence for event in self.heard]

    def sequences_of(self, order_id: UUID) -> list[int]:
        return [event.sequence for event in self.heard if event.order_id == order_id]


def an_order_with_three_events(key: str = "CRUNCHY-ARMCHAIR-1") -> Order:
    order = with_status(an_order(key), OrderStatus.PAYMENT_AUTHORIZED)
    return with_status(order, OrderStatus.CONFIRMED)


def test_every_subscriber_hears_every_event_in_sequence() -> None:
    publisher = MemoryPublisher()
    first, second = Listener(), Listener()
    publisher.subscribe(first)
    publisher.subscribe(second)

    publisher.publish(an_order_with_three_events().events())

    assert first.sequences == [1, 2, 3]
    assert second.heard == first.heard


def test_nobody_listening_is_no_failure() -> None:
    MemoryPublisher().publish(an_order_with_three_events().events())


def test_a_subscriber_that_subscribed_twice_hears_an_event_once() -> None:
    publisher, listener = MemoryPublisher(), Listener()
    publisher.subscribe(listener)
    publisher.subscribe(listener)

    publisher.publish(an_order_with_three_events().events())

    assert listener.sequences == [1, 2, 3]


def test_who_unsubscribed_hears_no_more() -> None:
    publisher, gone, stays = MemoryPublisher(), Listener(), Listener()
    publisher.subscribe(gone)
    publisher.subscribe(stays)

    publisher.unsubscribe(gone)
    publisher.unsubscribe(gone)
    publisher.publish(an_order_with_three_events().events())

    assert gone.sequences == []
    assert stays.sequences == [1, 2, 3]


def test_a_failing_subscriber_makes_the_batch_fail_but_not_the_others_miss_an_event() -> None:
    """Returning would mean that everybody took everything: then nothing is offered again."""
    publisher, failing, other = MemoryPublisher(), Listener(refuses=1), Listener()
    publisher.subscribe(failing)
    publisher.subscribe(other)

    with pytest.raises(ConnectionError):
        publisher.publish(an_order_with_three_events().events())

    assert failing.sequences == []
    assert other.sequences == [1]


def test_a_batch_that_failed_is_offered_again_and_the_others_may_hear_an_event_twice() -> None:
    """At least once: the relay leaves the events unpublished until nobody refuses them."""
    clock = SimulatedClock()
    storage, publisher = MemoryStorage(clock), MemoryPublisher()
    failing, other = Listener(refuses=1), Listener()
    publisher.subscribe(failing)
    publisher.subscribe(other)
    relay = OutboxRelay(storage, publisher, holder="relay", lease_s=LEASE_S)
    storage.add(an_order_with_three_events())

    relay.relay_once()
    clock.advance(LEASE_S + 1)
    relay.relay_once()
    clock.advance(LEASE_S + 1)
    left = relay.relay_once()

    assert failing.sequences == [1, 2, 3]
    assert other.sequences == [1, 1, 2, 3]
    assert other.heard[0].event_id == other.heard[1].event_id
    assert left == 0


def test_a_subscriber_that_always_fails_holds_up_its_order_alone() -> None:
    clock = SimulatedClock()
    storage, publisher = MemoryStorage(clock), MemoryPublisher()
    heard = Listener()
    poison = an_order_with_three_events("POISON")
    fine = an_order_with_three_events("FINE")

    def choosy(event: OrderEvent) -> None:
        if event.order_id == poison.id:
            raise ValueError("indigestible")
        heard(event)

    publisher.subscribe(choosy)
    relay = OutboxRelay(storage, publisher, holder="relay", lease_s=LEASE_S)
    storage.add(poison)
    storage.add(fine)

    relay.relay_once()

    assert heard.sequences_of(fine.id) == [1, 2, 3]
    assert heard.sequences_of(poison.id) == []


def test_many_threads_publish_at_once_and_each_order_keeps_its_sequence() -> None:
    publisher, listener = MemoryPublisher(), Listener()
    publisher.subscribe(listener)
    orders = [an_order_with_three_events(f"ARMCHAIR-{number}") for number in range(16)]

    at_once(lambda order: publisher.publish(order.events()), orders)

    assert len(listener.heard) == 48
    assert {tuple(listener.sequences_of(order.id)) for order in orders} == {(1, 2, 3)}


def test_subscribers_come_and_go_while_events_are_published() -> None:
    publisher, always = MemoryPublisher(), Listener()
    publisher.subscribe(always)
    orders = [an_order_with_three_events(f"ARMCHAIR-{number}") for number in range(8)]

    def busy(number: int) -> None:
        passing = Listener()
        publisher.subscribe(passing)
        publisher.publish(orders[number].events())
        publisher.unsubscribe(passing)

    at_once(busy, range(8))

    assert len(always.heard) == 24
