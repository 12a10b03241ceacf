"""What the SQLite stores promise beyond the exam that every adapter sits."""

import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.inventory.sqlite.sqlite_inventory import LAPSES_MAX
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    Reserved,
    StockItem,
    StockLevel,
    StockMovement,
)
from oms_core.domain.order import Order
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import InventoryUnavailable, StoreUnavailable, StoreUnusable
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.ports.storage import OrderQuery
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order, with_status

ARMCHAIR = StockItem("CRUNCHY-ARMCHAIR")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(tmp_path / "oms.db", busy_timeout_s=0.05) as database:
        yield database


def receive(inventory: SqliteInventory, quantity: int) -> None:
    movement = StockMovement("m-1", ARMCHAIR, quantity, "delivery", NOON, "pat")
    inventory.adjust(a_scope(), movement)


def spoil(database: SqliteDatabase, order: Order) -> None:
    """Make the document one that a newer version of the program may have written."""
    database.write(
        lambda connection: (
            connection.execute(
                "UPDATE orders SET document = json_set(document, '$.status', 'teleported') "
                "WHERE id = ?",
                (order.id.bytes,),
            ).rowcount
        )
    )


def test_the_stores_share_one_file_and_closing_one_closes_it(database: SqliteDatabase) -> None:
    clock = SimulatedClock()
    storage, inventory = SqliteStorage(database, clock), SqliteInventory(database, clock)
    storage.add(an_order())
    receive(inventory, 10)

    storage.close()

    with pytest.raises(StoreUnavailable):
        storage.get(a_scope(), an_order().id)
    with pytest.raises(InventoryUnavailable):
        inventory.levels(a_scope())
    with pytest.raises(InventoryUnavailable):
        inventory.ping()
    with SqliteDatabase(database.path) as again:
        assert SqliteStorage(again, clock).get(a_scope(), an_order().id) == an_order()
        assert SqliteInventory(again, clock).levels(a_scope()).levels[0].on_hand == 10


def test_a_locked_file_makes_the_outcome_unknown(database: SqliteDatabase) -> None:
    storage, inventory = SqliteStorage(database), SqliteInventory(database)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable) as of_storage:
        storage.add(an_order())
    with pytest.raises(StoreUnavailable):
        storage.ping()
    with pytest.raises(InventoryUnavailable) as of_inventory:
        receive(inventory, 10)
    with pytest.raises(InventoryUnavailable):
        inventory.ping()

    other.close()
    assert "locked" in of_storage.value.reason
    assert "locked" in of_inventory.value.reason
    assert storage.list_orders(a_scope(), OrderQuery()).orders == ()


def test_orders_of_the_first_version_are_found_by_their_payments(
    database: SqliteDatabase,
) -> None:
    """The column was added later, and filled in for the orders that were there."""
    storage = SqliteStorage(database)
    storage.add(an_order("live", payment_reference="pay-live"))
    dead = an_order("dead", payment_reference="pay-dead")
    storage.add(dead)
    storage.save(with_status(dead, OrderStatus.FAILED))
    for statement in (
        "DROP INDEX orders_by_dead_reference",
        "ALTER TABLE orders DROP COLUMN dead_reference",
        "UPDATE oms_schemas SET version = 1 WHERE name = 'orders'",
    ):
        database.write(lambda connection, sql=statement: connection.execute(sql).rowcount)  # type: ignore[misc]

    storage = SqliteStorage(database)

    tenant_id, provider = dead.scope.tenant_id, dead.payment.provider
    found = {
        reference: storage.find_by_payment(tenant_id, provider, reference)
        for reference in ("pay-live", "pay-dead", "pay-unknown")
    }
    assert {reference: order and order.idempotency_key for reference, order in found.items()} == {
        "pay-live": "live",
        "pay-dead": "dead",
        "pay-unknown": None,
    }


def test_of_a_notification_that_cannot_be_stored_whole_nothing_is_stored(
    database: SqliteDatabase,
) -> None:
    inbox = SqliteInbox(database)
    ref = PaymentRef(a_scope().tenant_id, "pay-1")
    events = [ProviderEvent(f"evt-{number}", ref, "paid") for number in range(3)]
    database.write(
        lambda connection: (
            connection.execute(
                "CREATE TRIGGER refuse BEFORE INSERT ON inbox WHEN NEW.event_id = 'evt-1' "
                "BEGIN SELECT RAISE(ABORT, 'refused'); END"
            ).rowcount
        )
    )

    with pytest.raises(sqlite3.IntegrityError, match="refused"):
        inbox.store("pay", events, at=NOON)

    assert inbox.count_new() == 0


def test_an_order_that_cannot_be_read_keeps_nobody_from_the_others(
    database: SqliteDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SimulatedClock()
    storage = SqliteStorage(database, clock)
    spoilt = an_order("spoilt")
    for order in (an_order("a"), spoilt, an_order("b")):
        storage.add(order)
    spoil(database, spoilt)

    with caplog.at_level(logging.ERROR):
        claims = storage.claim_due("w", limit=9, lease_s=30, definitions=["place_order/1"])
        unpublished = storage.claim_unpublished("relay", limit=9, lease_s=30)

    assert [claim.order.idempotency_key for claim in claims] == ["a", "b"]
    assert [each.order.idempotency_key for each in unpublished] == ["a", "b"]
    assert [str(spoilt.id) in record.message for record in caplog.records] == [True, True]


def test_events_that_waited_longest_leave_first(database: SqliteDatabase) -> None:
    clock = SimulatedClock()
    storage = SqliteStorage(database, clock)
    early = an_order("early")
    storage.add(early)
    storage.mark_published(storage.claim_unpublished("relay", limit=1, lease_s=30))
    clock.advance(1)
    storage.add(an_order("late"))
    clock.advance(1)
    storage.save(with_status(early, OrderStatus.CONFIRMED))

    first, second = (storage.claim_unpublished("relay", limit=1, lease_s=30) for _ in range(2))

    assert [each.order.idempotency_key for each in (*first, *second)] == ["late", "early"]


def test_an_order_that_cannot_be_read_is_named_with_what_to_do(database: SqliteDatabase) -> None:
    storage = SqliteStorage(database)
    order = an_order()
    storage.add(order)
    spoil(database, order)

    with pytest.raises(StoreUnusable) as refused:
        storage.get(order.scope, order.id)

    assert str(refused.value).startswith(f"The stored order {order.id} cannot be read")
    assert "install the version that wrote it" in str(refused.value)


def test_the_table_itself_refuses_to_promise_more_than_there_is(database: SqliteDatabase) -> None:
    inventory = SqliteInventory(database)
    receive(inventory, 10)

    for statement in (
        "UPDATE stock SET reserved = 11",
        "UPDATE stock SET reserved = -1",
        "UPDATE stock SET on_hand = -1",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed"):
            database.write(lambda connection, sql=statement: connection.execute(sql))  # type: ignore[misc]

    assert inventory.levels(a_scope()).levels == (StockLevel(ARMCHAIR, 10, 0),)


def test_many_earmarks_lapse_in_turns_but_before_anybody_is_answered(
    database: SqliteDatabase,
) -> None:
    clock = SimulatedClock()
    inventory = SqliteInventory(database, clock)
    count = 2 * LAPSES_MAX + 1
    receive(inventory, count)
    soft = Allocation(AllocationModel.SOFT, ttl_s=60)
    one = [Demand(ARMCHAIR, 1)]

    def earmark(number: int) -> object:
        return inventory.reserve(a_scope(), f"order-{number}", one, allocation=soft)

    with ThreadPoolExecutor(max_workers=32) as threads:
        assert [Reserved()] * count == list(threads.map(earmark, range(count)))
    clock.advance(60)

    outcome = inventory.reserve(
        a_scope(), "late", [Demand(ARMCHAIR, count)], allocation=Allocation()
    )

    assert outcome == Reserved()
    assert inventory.levels(a_scope()).levels == (StockLevel(ARMCHAIR, count, count),)
