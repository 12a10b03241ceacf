"""Every statement finds its rows by an index, however many orders there are."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from uuid import UUID

import pytest

from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    StockItem,
    StockMovement,
)
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import SagaState
from oms_core.ports.inbox import InboxState
from oms_core.ports.job_turns import Turn
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.ports.storage import Added, OrderQuery
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order, with_status

PAT = UUID("00000000-0000-4000-8000-0000000000aa")
DAY = timedelta(days=1)
ARMCHAIR = StockItem("CRUNCHY-ARMCHAIR")
LAMP = StockItem("WOBBLY-LAMP", "north")

TRANSACTIONS = {"BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT"}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(tmp_path / "oms.db") as database:
        yield database


class Traced:
    """Collects the statements that are sent, with their parameters filled in."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._sent: list[str] = []

    def __enter__(self) -> list[str]:
        # One thread uses one connection of each kind over and over.
        self._database.write(lambda connection: connection.set_trace_callback(self._sent.append))
        self._database.read(lambda connection: connection.set_trace_callback(self._sent.append))
        return self._sent

    def __exit__(self, *_: object) -> None:
        self._database.write(lambda connection: connection.set_trace_callback(None))
        self._database.read(lambda connection: connection.set_trace_callback(None))
        self._sent[:] = [s for s in self._sent if s.split()[0] not in TRANSACTIONS]


def plan_of(database: SqliteDatabase, statement: str) -> list[str]:
    def explain(connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        return [detail for _, _, _, detail in rows]

    return database.read(explain)


def names_of(database: SqliteDatabase, kind: str, table: str) -> set[str]:
    rows = database.read(
        lambda connection: connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = ? AND tbl_name GLOB ?", (kind, table)
        ).fetchall()
    )
    return {name for (name,) in rows}


def assert_all_by_index(database: SqliteDatabase, sent: list[str]) -> set[str]:
    """Check every plan; return the indexes that were used."""
    tables = names_of(database, "table", "*")
    used: set[str] = set()
    for statement in sent:
        for step in plan_of(database, statement):
            scanned = re.match(r"SCAN (\w+)", step)
            assert scanned is None or scanned[1] not in tables, f"{step}: {statement}"
            assert "TEMP B-TREE" not in step, f"{step}: {statement}"
            used |= set(re.findall(r"USING (?:COVERING )?INDEX (\w+)", step))
    return used


def test_no_statement_about_orders_scans_or_sorts(database: SqliteDatabase) -> None:
    clock = SimulatedClock()
    storage = SqliteStorage(database, clock)
    scope = a_scope()
    for number in range(5):
        storage.add(an_order(f"order-{number}", customer_id=PAT))
    first = storage.list_orders(scope, OrderQuery(limit=2))
    turns = storage.job_turns()

    with Traced(database) as sent:
        added = storage.add(an_order("mine", customer_id=PAT), holder="worker-a", lease_s=30)
        assert isinstance(added, Added)
        assert added.claim is not None
        storage.add(an_order("mine"))
        storage.get(scope, added.order.id)
        storage.find_by_payment(scope.tenant_id, "simulated", "pay-1")
        saved = storage.checkpoint(added.order, added.claim.lease, extend_s=30)
        storage.save(with_status(saved.order, OrderStatus.FAILED))
        storage.release(saved.lease)
        storage.claim(scope, added.order.id, "worker-b", lease_s=30)
        storage.claim_due("worker-c", limit=2, lease_s=30, definitions=["place_order/1", "b/2"])
        storage.earliest_due()
        for count, in_scope in product((1, 2, 3), (None, scope)):
            storage.list_sagas(list(SagaState)[:count], scope=in_scope)
        storage.count_sagas()
        (behind, *_) = [one.place for one in storage.walk(limit=2)]
        storage.walk(after=behind, limit=2, tenant_id=scope.tenant_id, org_id=scope.org_id)
        storage.mark_published(storage.claim_unpublished("relay", limit=2, lease_s=30))
        storage.unpublished_since()
        for counts in ({"agrees": 1}, None):
            turn = turns.take("reconcile", every_s=0, lease_s=30)
            assert isinstance(turn, Turn)
            turns.take("reconcile", every_s=0, lease_s=30)
            turns.keep(turn, lease_s=30)
            turns.end(turn, counts)
            turns.give_back(turn)
        turns.last_run("reconcile")
        for status, channel, customer, start, end, place in product(
            (None, OrderStatus.PENDING_PAYMENT),
            (None, "web"),
            (None, PAT),
            (None, NOON - DAY),
            (None, NOON + DAY),
            ({}, {"offset": 3}, {"cursor": first.next_cursor}),
        ):
            query = OrderQuery(
                status=status,
                channel=channel,
                customer_id=customer,
                created_from=start,
                created_to=end,
                **place,  # type: ignore[arg-type]
            )
            storage.list_orders(scope, query)

    assert len(sent) >= 96
    used = assert_all_by_index(database, sent)
    assert used == names_of(database, "index", "orders")


def test_skipping_to_a_distant_page_reads_the_index_alone(database: SqliteDatabase) -> None:
    storage = SqliteStorage(database, SimulatedClock())
    storage.add(an_order(customer_id=PAT))
    queries = [
        OrderQuery(offset=1),
        OrderQuery(offset=1, channel="web"),
        OrderQuery(offset=1, customer_id=PAT),
        OrderQuery(offset=1, status=OrderStatus.CONFIRMED),
        OrderQuery(offset=1, status=OrderStatus.CONFIRMED, channel="web"),
    ]

    with Traced(database) as sent:
        for query in queries:
            storage.list_orders(a_scope(), query)

    assert len(sent) == len(queries)
    for statement in sent:
        _, skipped, _, found = plan_of(database, statement)
        assert skipped.startswith("SEARCH orders USING COVERING INDEX orders_by_")
        assert found == "SEARCH orders USING INTEGER PRIMARY KEY (rowid=?)"


def test_an_idle_worker_only_reads(database: SqliteDatabase) -> None:
    clock = SimulatedClock()
    storage = SqliteStorage(database, clock)
    storage.add(an_order(), holder="worker-a", lease_s=30)
    storage.mark_published(storage.claim_unpublished("relay", limit=9, lease_s=30))
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # whoever writes now waits, and gives up

    found = storage.claim_due("worker-b", limit=9, lease_s=30, definitions=["place_order/1"])
    unpublished = storage.claim_unpublished("relay", limit=9, lease_s=30)
    storage.mark_published(unpublished)

    other.close()
    assert (list(found), list(unpublished)) == ([], [])


def test_a_save_touches_only_the_columns_that_change(database: SqliteDatabase) -> None:
    """Each column that is named costs a rewritten entry in every index it is part of."""
    storage = SqliteStorage(database, SimulatedClock())
    order = an_order()
    storage.add(order)

    with Traced(database) as sent:
        order = storage.save(order)
        storage.save(with_status(order, OrderStatus.CONFIRMED))

    updates = [statement for statement in sent if statement.startswith("UPDATE")]
    columns = [re.findall(r"(\w+) = ", update.partition(" WHERE ")[0]) for update in updates]
    assert [set(names) & {"status", "channel", "due_us", "entries"} for names in columns] == [
        set(),
        {"status", "entries"},
    ]


def test_no_statement_about_stock_scans_or_sorts(database: SqliteDatabase) -> None:
    clock = SimulatedClock()
    inventory = SqliteInventory(database, clock)
    scope = a_scope()
    hard = Allocation()
    soft = Allocation(AllocationModel.SOFT, ttl_s=60)

    with Traced(database) as sent:
        for number, item in enumerate((ARMCHAIR, LAMP, ARMCHAIR)):
            movement = StockMovement(f"m-{number}", item, 10, "delivery", NOON, "pat")
            inventory.adjust(scope, movement)
            inventory.adjust(scope, movement)
        demands = [Demand(ARMCHAIR, 1), Demand(LAMP, 2)]
        inventory.reserve(scope, "kept", demands, allocation=hard)
        inventory.reserve(scope, "refused", [*demands, Demand(LAMP, 99)], allocation=hard)
        inventory.reserve(scope, "lapsed", demands, allocation=soft)
        inventory.reserve(scope, "hardened", demands, allocation=soft)
        inventory.harden(scope, "hardened")
        inventory.commit(scope, "hardened", actor="worker")
        inventory.release(scope, "kept")
        inventory.release(scope, "never reserved")
        clock.advance(60)
        for sku, location, limit in product((None, LAMP.sku), (None, LAMP.location), (1, 2)):
            page = inventory.levels(scope, sku=sku, location=location, limit=limit)
            inventory.levels(scope, sku=sku, location=location, cursor=page.next_cursor)
        inventory.levels(scope, items=[ARMCHAIR, StockItem("FLYING-RUG")])
        inventory.movements(scope, ARMCHAIR, after=1)

    assert len(sent) >= 50
    used = assert_all_by_index(database, sent)
    assert used == {
        "stock_by_location",
        "stock_movements_by_id",
        "stock_reservations_to_lapse",
    }


def test_no_statement_about_notifications_scans_or_sorts(database: SqliteDatabase) -> None:
    inbox = SqliteInbox(database, SimulatedClock())
    tenant = a_scope().tenant_id
    events = [ProviderEvent(f"evt-{n}", PaymentRef(tenant, "pay-1"), "paid") for n in range(9)]

    with Traced(database) as sent:
        for event in events:
            inbox.store("pay", [event], at=NOON)
        inbox.store("pay", events, at=NOON)
        inbox.of_payment("pay", PaymentRef(tenant, "pay-1"))
        inbox.mark(inbox.claim_new("worker", limit=2, lease_s=30), InboxState.APPLIED)
        inbox.find_events(tenant, "evt-1")
        for count, of_tenant in product((1, 2, 3), (None, tenant)):
            states = list(InboxState)[:count]
            page = inbox.list_events(states, tenant_id=of_tenant, limit=1)
            inbox.list_events(states, tenant_id=of_tenant, cursor=page.next_cursor)
        inbox.count_new()

    assert len(sent) >= 35
    assert assert_all_by_index(database, sent) == names_of(database, "index", "inbox")


def test_an_applier_with_nothing_to_do_only_reads(database: SqliteDatabase) -> None:
    inbox = SqliteInbox(database, SimulatedClock())
    event = ProviderEvent("evt-1", PaymentRef(a_scope().tenant_id, "pay-1"), "paid")
    inbox.store("pay", [event], at=NOON)
    inbox.claim_new("worker-a", limit=9, lease_s=30)
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # whoever writes now waits, and gives up

    claimed = inbox.claim_new("worker-b", limit=9, lease_s=30)

    other.close()
    assert list(claimed) == []
