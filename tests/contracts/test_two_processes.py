"""What threads may do to one store, processes may do as well."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core.domain.inventory import (
    Allocation,
    Demand,
    Reserved,
    StockItem,
    StockLevel,
    StockMovement,
)
from oms_core.ports.clock import SystemClock
from oms_core.ports.inbox import InboxState, WebhookInbox
from oms_core.ports.inventory import Inventory
from oms_core.ports.storage import OrderQuery, OrderStorage
from oms_core.testing import NOON, a_scope, an_order
from tests.support import mongo_server

PROCESSES = 3

OPENED_SQLITE = """
import sys
from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage

me, path = sys.argv[1:]
database = SqliteDatabase(path)
storage, inventory = SqliteStorage(database), SqliteInventory(database)
inbox = SqliteInbox(database)
"""

OPENED_MONGODB = """
import sys
from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.storage.mongodb import MongoStorage

me, uri, name = sys.argv[1:]
database = MongoDatabase(uri, name)
storage, inventory = MongoStorage(database), MongoInventory(database)
inbox = MongoInbox(database)
"""

PROLOGUE = """
import json
from oms_core.domain.inventory import Allocation, Demand, Reserved, StockItem
from oms_core.errors import PaymentReferenceInUse
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.ports.storage import Added
from oms_core.testing import NOON, a_scope, an_order
from oms_core.testing.at_once import at_once

print("ready", flush=True)
sys.stdin.readline()
"""

EPILOGUE = """
database.close()
print(json.dumps(result), flush=True)
"""


@frozen
class Store:
    """An empty store as this process sees it, and how others open it."""

    storage: OrderStorage
    inventory: Inventory
    inbox: WebhookInbox
    opened: str
    where: tuple[str, ...]
    """What the source *opened* finds in its arguments, behind the number of the process."""

    def start(self, work: str, number: int) -> subprocess.Popen[str]:
        """Start a process that will do *work* when it is told to, and answers ``result``."""
        source = self.opened + PROLOGUE + work + EPILOGUE
        return subprocess.Popen(
            [sys.executable, "-c", source, str(number), *self.where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        with SqliteDatabase(tmp_path / "oms.db") as file:
            yield Store(
                SqliteStorage(file),
                SqliteInventory(file),
                SqliteInbox(file),
                OPENED_SQLITE,
                (str(file.path),),
            )
    else:
        with mongo_server.new_database() as database:
            yield Store(
                MongoStorage(database),
                MongoInventory(database),
                MongoInbox(database),
                OPENED_MONGODB,
                (mongo_server.uri(), database.name),
            )


def hear(child: subprocess.Popen[str]) -> None:
    """Wait for a line of it."""
    assert child.stdout is not None
    child.stdout.readline()


def tell(child: subprocess.Popen[str], line: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{line}\n")
    child.stdin.flush()


def in_processes(store: Store, work: str) -> list[Any]:
    """Run *work* in processes that set off together; return what each assigned to ``result``."""
    children = [store.start(work, number) for number in range(PROCESSES)]
    for child in children:
        hear(child)
    for child in children:
        tell(child, "go")
    ends = [child.communicate(timeout=120) for child in children]
    assert [errors for _, errors in ends] == [""] * PROCESSES
    return [json.loads(output) for output, _ in ends]


def test_processes_that_add_the_same_keys_store_each_once(store: Store) -> None:
    answers = in_processes(
        store,
        """
def add(thread):
    keys = [f"order-{number:02}" for number in range(40)]
    keys = keys[10 * thread:] + keys[:10 * thread]
    found = {}
    for key in keys:
        outcome = storage.add(an_order(key, platform=f"process-{me}-thread-{thread}"))
        found[key] = [isinstance(outcome, Added), outcome.order.platform]
    return found
result = at_once(add, range(4))
""",
    )

    by_key: dict[str, list[tuple[bool, str]]] = {}
    for thread in (thread for process in answers for thread in process):
        for key, (was_added, platform) in thread.items():
            by_key.setdefault(key, []).append((was_added, platform))
    stored = {
        order.idempotency_key: order.platform
        for order in store.storage.list_orders(a_scope(), OrderQuery(limit=100)).orders
    }
    assert len(by_key) == len(stored) == 40
    for key, outcomes in by_key.items():
        assert [was_added for was_added, _ in outcomes].count(True) == 1
        assert {platform for _, platform in outcomes} == {stored[key]}
        assert len(outcomes) == 4 * PROCESSES


def test_processes_that_share_a_payment_reference_get_one_order(store: Store) -> None:
    answers = in_processes(
        store,
        """
def add(number):
    try:
        storage.add(an_order(f"order-{me}-{number}", payment_reference=f"pay-{number // 2}"))
    except PaymentReferenceInUse:
        return None
    return f"pay-{number // 2}"
result = at_once(add, range(16))
""",
    )

    backed = [reference for process in answers for reference in process if reference]
    assert sorted(backed) == [f"pay-{number}" for number in range(8)]


def test_a_hot_sku_sells_exactly_what_is_there(store: Store) -> None:
    armchair = StockItem("CRUNCHY-ARMCHAIR")
    inventory = store.inventory
    inventory.adjust(a_scope(), StockMovement("m-1", armchair, 100, "delivery", NOON, "pat"))

    answers = in_processes(
        store,
        """
armchair = StockItem("CRUNCHY-ARMCHAIR")
def buy(thread):
    sold = []
    for number in range(15):
        # Every third reservation is one that all threads of all processes make.
        name = f"shared-{number}" if number % 3 == 0 else f"order-{me}-{thread}-{number}"
        outcome = inventory.reserve(
            a_scope(), name, [Demand(armchair, 1)], allocation=Allocation()
        )
        if outcome == Reserved():
            sold.append(name)
    return sold
result = at_once(buy, range(5))
""",
    )

    sold = Counter(name for process in answers for thread in process for name in thread)
    level = inventory.levels(a_scope(), items=[armchair]).levels
    assert len(sold) == 100
    assert level == (StockLevel(armchair, on_hand=100, reserved=100),)
    for name, told in sold.items():
        assert told == (5 * PROCESSES if name.startswith("shared") else 1)
    late = inventory.reserve(a_scope(), "late", [Demand(armchair, 1)], allocation=Allocation())
    assert late != Reserved()


def test_due_orders_are_shared_out_without_overlap(store: Store) -> None:
    storage = store.storage
    keys = [f"order-{number:03}" for number in range(150)]
    past = SystemClock().now()
    for key in keys:
        storage.add(an_order(key, at=past))

    answers = in_processes(
        store,
        """
def take(thread):
    taken = []
    while claims := storage.claim_due(
        f"worker-{me}-{thread}", limit=3, lease_s=600, definitions=["place_order/1"]
    ):
        taken += [claim.order.idempotency_key for claim in claims]
    return taken
result = at_once(take, range(4))
""",
    )

    taken = [key for process in answers for thread in process for key in thread]
    assert sorted(taken) == keys


def test_what_one_process_acknowledged_the_others_read_at_once(store: Store) -> None:
    work = """
for number in range(50):
    order = storage.add(an_order(f"order-{number}")).order
    for version in range(2):
        order = storage.save(order)
    print(order.version, flush=True)
    sys.stdin.readline()
result = None
"""
    child = store.start(work, 0)
    hear(child)

    read = []
    for number in range(50):
        tell(child, "go on")
        hear(child)
        read.append(store.storage.get(a_scope(), an_order(f"order-{number}").id).version)
    child.communicate("go on\n", timeout=60)

    assert read == [3] * 50


def test_processes_that_receive_the_same_notifications_store_and_apply_each_once(
    store: Store,
) -> None:
    answers = in_processes(
        store,
        """
tenant = a_scope().tenant_id
events = [
    ProviderEvent(f"evt-{n:02}", PaymentRef(tenant, f"pay-{n % 5}"), "paid") for n in range(24)
]
def receive_and_apply(thread):
    new = 0
    for first in range(6 * thread, 6 * thread + 24, 3):
        new += inbox.store("pay", [events[n % 24] for n in (first, first + 1, first + 2)], at=NOON)
    claimed = []
    while found := inbox.claim_new(f"{me}-{thread}", limit=2, lease_s=60):
        claimed += [received.event.event_id for received in found]
    return new, claimed
result = at_once(receive_and_apply, range(4))
""",
    )

    threads = [thread for process in answers for thread in process]
    every = [f"evt-{number:02}" for number in range(24)]
    assert sum(new for new, _ in threads) == 24
    assert sorted(event_id for _, claimed in threads for event_id in claimed) == every
    stored = store.inbox.list_events([InboxState.NEW]).events
    assert sorted(received.event.event_id for received in stored) == every
