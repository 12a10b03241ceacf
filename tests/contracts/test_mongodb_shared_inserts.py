"""Orders that come at the same moment share an insert, on a server that fails, or loses words."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.mongodb.shared_writes import insert_together
from oms_core.domain.order import Order
from oms_core.errors import PaymentReferenceInUse, StoreUnavailable
from oms_core.ports.storage import Added, AlreadyThere
from oms_core.testing import a_scope, an_order
from oms_core.testing.at_once import at_once
from tests.contracts.test_mongodb_fail_points import FAULTS, failing
from tests.support import mongo_server
from tests.support.lossy_wire import Loses, LossyWire

CALLERS = 12
EACH = 6


@pytest.fixture
def database() -> Iterator[MongoDatabase]:
    with mongo_server.emptied_database() as database:
        yield database


def told(storage: MongoStorage, order: Order) -> str:
    """Add an order as clients do: again for as long as the store is unavailable."""
    for _ in range(20):
        try:
            added = storage.add(order, holder="worker-a", lease_s=30)
        except PaymentReferenceInUse:
            return "in use"
        except StoreUnavailable:
            continue
        if isinstance(added, Added):
            assert added.claim is not None
            assert added.claim.lease.token == 1
        else:
            assert isinstance(added, AlreadyThere)
            assert added.order == order
        return type(added).__name__
    raise AssertionError("it stayed unavailable")


def orders_of(caller: int) -> list[Order]:
    """Make some that are one's own, one that all have, and one that all want to be paid for."""
    mine = [an_order(f"mine-{caller}-{number}") for number in range(EACH)]
    rival = an_order(f"rival-{caller}", payment_reference="wanted by all")
    return [*mine, an_order("of all"), rival]


def place_all_at_once(storage: MongoStorage) -> Counter[str]:
    answers = at_once(
        lambda caller: [told(storage, order) for order in orders_of(caller)], range(CALLERS)
    )
    return Counter(chain.from_iterable(answers))


def expect_each_once(storage: MongoStorage, database: MongoDatabase) -> None:
    stored = mongo_server.client()[database.name].orders
    assert stored.count_documents({}) == CALLERS * EACH + 2
    for caller in range(CALLERS):
        for order in orders_of(caller)[:-1]:
            assert storage.get(a_scope(), order.id) == order


def test_each_order_is_there_once_and_each_caller_hears_of_its_own(
    database: MongoDatabase,
) -> None:
    with LossyWire(mongo_server.uri(), Loses.NOTHING) as wire:
        with MongoDatabase(wire.uri, database.name) as over_the_wire:
            storage = MongoStorage(over_the_wire)
            answers = place_all_at_once(storage)
        inserts = [each for each in wire.sent if each.get("insert") == "orders"]

    assert answers == {
        "Added": CALLERS * EACH + 2,
        "AlreadyThere": CALLERS - 1,
        "in use": CALLERS - 1,
    }
    expect_each_once(MongoStorage(database), database)
    assert max(len(each["documents"]) for each in inserts) > 1


@pytest.mark.parametrize("loses", [Loses.REQUESTS, Loses.ANSWERS])
def test_a_shared_insert_that_is_lost_is_made_again_by_each_for_itself(
    database: MongoDatabase, loses: Loses
) -> None:
    # Twice: the driver repeats it itself, but only once.
    with (
        LossyWire(mongo_server.uri(), loses, times=2, patience_ms=200) as wire,
        MongoDatabase(wire.uri, database.name) as over_the_wire,
    ):
        answers = place_all_at_once(MongoStorage(over_the_wire))
        assert wire.lost["insert"]

    assert answers["Added"] + answers["AlreadyThere"] == CALLERS * (EACH + 1) + 1
    assert answers["in use"] == CALLERS - 1
    expect_each_once(MongoStorage(database), database)


def documents(count: int) -> list[dict[str, Any]]:
    return [{"_id": f"order-{number}", "live_reference": number} for number in range(count)]


@pytest.mark.parametrize("name", FAULTS)
def test_while_the_server_fails_nothing_is_certain(database: MongoDatabase, name: str) -> None:
    orders = database.collection("orders")

    with failing("insert", FAULTS[name], times="alwaysOn"), pytest.raises(PyMongoError):
        insert_together(orders, documents(3))

    assert list(insert_together(orders, [{"_id": "new"}])) == [0]


def test_what_is_there_already_does_not_keep_out_what_is_new(database: MongoDatabase) -> None:
    orders = database.collection("orders")
    orders.insert_one({"_id": "order-1"})

    assert list(insert_together(orders, documents(4))) == [0, 2, 3]
    assert orders.count_documents({}) == 4
