"""Ledger entries leave in order per item, at least once, beside the events of orders."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from oms_adapters.event_log.memory import MemoryEventLog
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.publisher.memory import MemoryPublisher
from oms_adapters.storage.memory import MemoryStorage
from oms_core import AdjustStock, OrderEvent, OrderManagement
from oms_core.application.stock_relay import StockRelay
from oms_core.domain.inventory import StockItem
from oms_core.domain.stock_event import StockEvent
from oms_core.errors import InventoryUnavailable
from oms_core.ports.event_log import LoggedEvent
from oms_core.ports.stock_outbox import UnpublishedStock
from oms_core.testing import SimulatedClock, a_scope

ARMCHAIR, LAMP = StockItem("CRUNCHY-ARMCHAIR"), StockItem("WOBBLY-LAMP", "north")
LEASE_S = 10.0


class Outside:
    """A subscriber that takes everything, after doing what the test says."""

    def __init__(self, first: Callable[[Sequence[StockEvent]], object] = lambda _: None) -> None:
        self.first = first
        self.received: list[StockEvent] = []

    def publish_stock(self, events: Sequence[StockEvent]) -> None:
        self.first(events)
        self.received += events


class OrdersOnly:
    """A publisher that knows nothing of stock events."""

    def __init__(self) -> None:
        self.received: list[OrderEvent] = []

    def publish(self, events: Sequence[OrderEvent]) -> None:
        self.received += events


class Shop:
    """A whole system in memory."""

    def __init__(self, publisher: MemoryPublisher | OrdersOnly | None = None) -> None:
        self.clock = SimulatedClock()
        self.inventory = MemoryInventory(self.clock)
        self.log = MemoryEventLog()
        self.oms = OrderManagement(
            storage=MemoryStorage(self.clock),
            inventory=self.inventory,
            payments={"simulated": SimulatedPayments(MemoryLedger(), self.clock)},
            publisher=publisher,
            event_log=self.log,
            clock=self.clock,
        )
        self._keys = 0

    def book(self, item: StockItem = ARMCHAIR, quantity: int = 1) -> None:
        self._keys += 1
        request = AdjustStock(item.sku, quantity, f"delivery {self._keys}", item.location)
        key = f"delivery-{self._keys}"
        self.oms.adjust_stock(a_scope(), request, idempotency_key=key, actor="pat@example.com")

    def relay(self, outside: Outside | None = None, holder: str = "relay-1") -> StockRelay:
        return StockRelay(
            self.inventory,
            outside,
            holder=holder,
            log=self.log,
            lease_s=LEASE_S,
            clock=self.clock,
        )

    @property
    def feed(self) -> Sequence[LoggedEvent]:
        return self.log.read(a_scope(), after=0, limit=1_000)


def test_an_adjustment_is_in_the_feed_with_everything_that_a_mirror_of_the_stock_needs() -> None:
    shop = Shop()
    shop.book(LAMP, 7)

    shop.oms.run_until_idle()

    (logged,) = shop.feed
    event = logged.event
    assert (event.event_type, event.order_id, event.sequence) == ("inventory.adjusted", None, 1)
    assert (event.user_id, event.timestamp) == ("pat@example.com", shop.clock.now())
    assert event.payload == {
        "movement_id": "delivery-1",
        "sku": "WOBBLY-LAMP",
        "location": "north",
        "quantity_delta": 7,
        "reason": "delivery 1",
    }
    assert event.to_document()["order_id"] is None


def test_entries_of_one_item_leave_in_the_order_of_their_numbers_and_once() -> None:
    shop, outside = Shop(), Outside()
    for item in (ARMCHAIR, LAMP, ARMCHAIR):
        shop.book(item)
    relay = shop.relay(outside)

    found = [relay.relay_once() for _ in range(2)]

    assert found == [3, 0]
    by_item: dict[StockItem, list[int]] = {}
    for event in outside.received:
        by_item.setdefault(event.movement.item, []).append(event.sequence)
    assert by_item == {ARMCHAIR: [1, 2], LAMP: [1]}
    assert len({logged.event.event_id for logged in shop.feed}) == 3


def test_a_relay_that_died_before_the_mark_sends_again_under_the_same_ids() -> None:
    shop, outside = Shop(), Outside()
    shop.book()
    died_after_sending = shop.inventory.claim_unpublished("dead", limit=9, lease_s=LEASE_S)
    outside.publish_stock(died_after_sending[0].events)
    shop.relay(outside).relay_once()
    assert len(outside.received) == 1, "somebody else's claim holds"

    shop.clock.advance(LEASE_S)
    shop.relay(outside).relay_once()

    first, second = outside.received
    assert first.event_id == second.event_id
    assert [logged.position for logged in shop.feed] == [1]


def test_entries_that_were_not_taken_are_in_the_feed_and_come_again_to_the_publisher() -> None:
    troubles = iter([ConnectionError("nobody there")])

    def trouble(_: Sequence[StockEvent]) -> None:
        for each in troubles:
            raise each

    shop, outside = Shop(), Outside(trouble)
    shop.book()
    relay = shop.relay(outside)

    relay.relay_once()
    shop.clock.advance(LEASE_S)
    relay.relay_once()

    assert [event.sequence for event in outside.received] == [1]
    assert [logged.position for logged in shop.feed] == [1]


def test_a_slow_publisher_is_offered_no_more_once_half_of_the_claim_is_over() -> None:
    shop = Shop()
    outside = Outside(lambda _: shop.clock.advance(LEASE_S * 0.6))
    for item in (ARMCHAIR, LAMP):
        shop.book(item)

    shop.relay(outside).relay_once()

    assert len(outside.received) == 1
    assert shop.inventory.claim_unpublished("x", limit=9, lease_s=1) == [], "the other is claimed"
    shop.clock.advance(LEASE_S)
    (rest,) = shop.inventory.claim_unpublished("x", limit=9, lease_s=1)
    assert rest.item != outside.received[0].movement.item


def test_an_inventory_that_cannot_answer_holds_up_no_order() -> None:
    class Unreachable:
        def claim_unpublished(
            self, holder: str, *, limit: int, lease_s: float
        ) -> Sequence[UnpublishedStock]:
            raise InventoryUnavailable("no answer")

        def mark_published(self, sent: Sequence[UnpublishedStock]) -> None:
            raise InventoryUnavailable("no answer")

    relay = StockRelay(Unreachable(), holder="relay", log=MemoryEventLog())

    assert relay.relay_once() == 0


def test_a_subscriber_in_the_process_hears_of_stock_if_it_asked_to() -> None:
    publisher = MemoryPublisher()
    heard: list[int] = []
    publisher.subscribe_to_stock(lambda event: heard.append(event.movement.quantity_delta))
    shop = Shop(publisher)
    shop.book(quantity=5)
    shop.oms.run_until_idle()
    shop.book(quantity=-2)
    shop.oms.run_until_idle()

    assert heard == [5, -2]


def test_a_publisher_that_knows_orders_alone_is_offered_no_stock() -> None:
    publisher = OrdersOnly()
    shop = Shop(publisher)
    shop.book()

    shop.oms.run_until_idle()

    assert publisher.received == []
    assert [logged.event.event_type for logged in shop.feed] == ["inventory.adjusted"]


@pytest.mark.parametrize("while_running", [False, True])
def test_a_worker_lets_what_was_booked_leave(*, while_running: bool) -> None:
    publisher = MemoryPublisher()
    heard: list[int] = []
    publisher.subscribe_to_stock(lambda event: heard.append(event.sequence))
    shop = Shop(publisher)
    if not while_running:
        shop.book()
    with shop.oms.running():
        if while_running:
            shop.book()

    assert heard == [1], "what was booked before the end has left at the end"


def test_the_id_of_an_event_is_the_same_for_ever() -> None:
    """Another one would let every entry of every ledger leave once more."""
    shop = Shop()
    shop.book()
    shop.clock.advance(timedelta(days=1).total_seconds())

    (claim,) = shop.inventory.claim_unpublished("relay", limit=1, lease_s=1)

    assert str(claim.events[0].event_id) == "f737e57a-f019-5f0d-bc41-1e40bd30e020"
