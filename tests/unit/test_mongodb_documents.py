"""What a document of BSON cannot hold by itself is kept all the same, and as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core.domain.events import Change, HistoryEntry
from oms_core.domain.inventory import StockItem, StockMovement
from oms_core.domain.order import Order
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import OrderNotFound, StaleVersion, StoreUnusable
from oms_core.ports.storage import OrderStorage
from oms_core.testing import NOON, a_scope, an_order
from oms_core.testing.refusal import refusal
from tests.support import mongo_server

NAMES = ["$ne", "a.b", "", "$$NOW", ".", "a\x00b", "\x00", 'json:"x"', "json:", "json:\x00", "é"]
VALUES = ["$due_us", "$$REMOVE", "a\x00b", "{$literal: 1}"]


@pytest.fixture
def database() -> Iterator[MongoDatabase]:
    with mongo_server.emptied_database() as database:
        yield database


def an_awkward_order() -> Order:
    facts = {name: number for number, name in enumerate(NAMES)}
    entry = HistoryEntry(
        2, Change.ATTENTION_NEEDED, NOON, "$holder", None, OrderStatus.PENDING_PAYMENT, facts
    )
    order = an_order(
        "$idempotency\x00key",
        channel="$$REMOVE",
        payment_reference="$token\x00",
        platform="$version",
        metadata={name: value for name in NAMES for value in VALUES},
    )
    return evolve(order, history=(*order.history, entry))


def test_names_and_values_that_mean_something_to_mongodb_mean_nothing(
    database: MongoDatabase,
) -> None:
    storage, order = MongoStorage(database), an_awkward_order()

    added = storage.add(order, holder="$token", lease_s=30)
    read = storage.get(order.scope, order.id)
    saved = storage.save(read)

    assert added.order == read == order
    assert storage.get(order.scope, order.id) == saved == evolve(order, version=2)


def test_numbers_come_back_as_pythons_own(database: MongoDatabase) -> None:
    storage = MongoStorage(database)
    order = evolve(an_order(), version=2**40)
    storage.add(order)

    assert type(storage.get(order.scope, order.id).version) is int


def test_a_lone_surrogate_is_refused_as_by_sqlite_and_nothing_is_stored(
    database: MongoDatabase, tmp_path: Path
) -> None:
    """Requests cannot hold one; whoever embeds the system might."""
    sqlite = SqliteStorage(SqliteDatabase(tmp_path / "oms.db"))
    stores: list[OrderStorage] = [MongoStorage(database), sqlite]
    awkward = an_order(platform="\ud800")

    for storage in stores:
        refusal(UnicodeEncodeError, lambda storage=storage: storage.add(awkward))  # type: ignore[misc]
        refusal(OrderNotFound, lambda storage=storage: storage.get(awkward.scope, awkward.id))  # type: ignore[misc]
    sqlite.close()


def test_an_order_that_cannot_be_read_is_told_by_its_id(database: MongoDatabase) -> None:
    storage, order = MongoStorage(database), an_order()
    storage.add(order)
    mongo_server.client()[database.name].orders.update_one({}, {"$unset": {"document.total": 1}})

    error = refusal(StoreUnusable, lambda: storage.get(order.scope, order.id))

    assert str(order.id) in error.sentence


def test_an_order_that_cannot_be_read_keeps_nobody_from_the_others(
    database: MongoDatabase,
) -> None:
    storage = MongoStorage(database)
    for key in ("good", "bad"):
        storage.add(an_order(key))
    orders = mongo_server.client()[database.name].orders
    orders.update_many({}, {"$set": {"due_us": 1}})
    orders.update_one({"id": an_order("bad").id}, {"$set": {"document": {}}})

    claims = storage.claim_due("worker", limit=5, lease_s=30, definitions=["place_order/1"])

    assert [claim.order.idempotency_key for claim in claims] == ["good"]


def test_sku_and_location_are_not_mixed_up(database: MongoDatabase) -> None:
    inventory = MongoInventory(database)
    items = [
        StockItem("ab", "c"),
        StockItem("a", "bc"),
        StockItem("\x00", ""),
        StockItem("", "\x00"),
    ]
    for number, item in enumerate(items, start=1):
        inventory.adjust(
            a_scope(), StockMovement(f"m-{number}", item, number, "delivery", NOON, "pat")
        )

    levels = inventory.levels(a_scope(), items=items).levels

    assert {level.item: level.on_hand for level in levels} == {
        item: number for number, item in enumerate(items, start=1)
    }


def test_a_stale_version_is_told_although_the_writer_before_is_unknown(
    database: MongoDatabase,
) -> None:
    storage = MongoStorage(database)
    order = storage.add(an_order()).order
    storage.save(order)

    refusal(StaleVersion, lambda: storage.save(order))
