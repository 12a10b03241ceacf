"""The server itself fails each kind of command: before the effect, or after it was applied."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest

from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import SimulatedPayments
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_adapters.storage.mongodb import MongoStorage
from oms_core.domain.inventory import Allocation, Demand, Reserved, StockItem, StockMovement
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import RetryableNotExecuted, StoreUnavailable
from oms_core.ports.payments import Authorize, Capture, PaymentRef
from oms_core.ports.storage import Added
from oms_core.testing import NOON, a_scope, an_order, with_status
from oms_core.testing.refusal import refusal
from tests.support import mongo_server

ARMCHAIR = StockItem("CRUNCHY-ARMCHAIR")
KINDS = ["insert", "find", "update", "aggregate", "commitTransaction"]

FAULTS: dict[str, dict[str, Any]] = {
    "not primary": {"errorCode": 10107, "errorLabels": ["RetryableWriteError"]},
    "shutting down": {"errorCode": 91, "errorLabels": ["RetryableWriteError"]},
    "without a label": {"errorCode": 11602},
    "applied, then no majority in time": {
        "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}
    },
    "applied, then shutting down": {
        "writeConcernError": {"code": 91, "errmsg": "shutting down"},
        "errorLabels": ["RetryableWriteError"],
    },
}
CASES = [
    (name, kind)
    for name, kind in product(FAULTS, KINDS)
    # Reads have no write concern.
    if "writeConcernError" not in FAULTS[name] or kind not in {"find", "aggregate"}
]


@pytest.fixture
def database() -> Iterator[MongoDatabase]:
    with mongo_server.emptied_database() as database:
        yield database


@contextmanager
def failing(kind: str, fault: dict[str, Any], *, times: int | str) -> Iterator[None]:
    """Let the server fail commands of one kind, of the adapters' connections alone."""
    admin = mongo_server.client().admin
    mode = {"times": times} if isinstance(times, int) else times
    data = {"failCommands": [kind], "appName": "oms", **fault}
    admin.command("configureFailPoint", "failCommand", mode=mode, data=data)
    try:
        yield
    finally:
        admin.command("configureFailPoint", "failCommand", mode="off")


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_fault_that_passes_reaches_nobody_and_nothing_happens_twice(
    database: MongoDatabase, name: str, kind: str
) -> None:
    storage, inventory = MongoStorage(database), MongoInventory(database)
    storage.ping()

    # Twice: the driver repeats a command itself, but only once.
    with failing(kind, FAULTS[name], times=2):
        added = storage.add(an_order(), holder="worker-a", lease_s=30)
        assert isinstance(added, Added)
        assert added.claim is not None
        inventory.adjust(a_scope(), StockMovement("m-1", ARMCHAIR, 9, "delivery", NOON, "pat"))
        held = inventory.reserve(a_scope(), "r", [Demand(ARMCHAIR, 2)], allocation=Allocation())
        moved = with_status(added.order, OrderStatus.PAYMENT_AUTHORIZED)
        saved = storage.checkpoint(moved, added.claim.lease, extend_s=None)
        storage.claim_due("worker-b", limit=5, lease_s=30, definitions=["place_order/1"])
        storage.earliest_due()
        read = storage.get(a_scope(), added.order.id)

    assert saved.order.version == 2
    assert read == saved.order
    assert held == Reserved()
    (level,) = inventory.levels(a_scope()).levels
    assert (level.on_hand, level.reserved) == (9, 2)
    assert len(inventory.movements(a_scope(), ARMCHAIR)) == 1


@pytest.mark.parametrize(
    ("name", "kind"), [case for case in CASES if case[1] in {"find", "insert", "update"}]
)
def test_a_fault_that_passes_changes_no_answer_of_the_simulated_provider(
    database: MongoDatabase, name: str, kind: str
) -> None:
    """Of the first call nothing is kept but that it was refused: the second must be one."""
    payments = SimulatedPayments(MongoLedger(database))
    order, card = an_order(), PaymentRef(a_scope().tenant_id, "sim_not_executed_once")
    hold = Authorize(card, order.total, order.id, "key-1")

    with failing(kind, FAULTS[name], times=2):
        refusal(RetryableNotExecuted, lambda: payments.authorize(hold))
        payments.authorize(hold)
        payments.capture(Capture(card, order.total, "shipment", "key-2"))

    done = [one for row in payments.audit() for one in row.operations]
    assert [(one.operation, one.keys, one.effects) for one in done] == [
        ("authorize", 1, 1),
        ("capture", 1, 1),
    ]


def test_a_fault_that_stays_is_told_as_unavailable_within_a_bounded_time(
    database: MongoDatabase,
) -> None:
    storage = MongoStorage(database)
    order = an_order()

    with failing("insert", FAULTS["without a label"], times="alwaysOn"):
        refusal(StoreUnavailable, lambda: storage.add(order))

    assert isinstance(storage.add(order), Added)
