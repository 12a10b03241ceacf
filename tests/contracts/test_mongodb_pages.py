"""A page of orders costs as much however many there are, and however deep it lies.

``OMS_TEST_MONGODB_ORDERS=1000000 pytest --timeout 3600 -s`` measures it too, and prints the times.
"""

import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.mongodb.queries import page_of
from oms_core.ports.cursors import position_to_continue_from
from oms_core.ports.storage import OrderQuery
from oms_core.testing import a_scope, an_order
from tests.support import mongo_server

PAGE = 50
TIMED_FROM = 100_000
"""Orders from which on times say something."""
SMALLER = 100


@pytest.fixture(scope="module")
def many() -> Iterator[MongoDatabase]:
    with mongo_server.new_database() as database:
        fill(database, mongo_server.ORDERS)
        yield database


@pytest.fixture(scope="module")
def few() -> Iterator[MongoDatabase]:
    with mongo_server.new_database() as database:
        fill(database, mongo_server.ORDERS // SMALLER)
        yield database


def fill(database: MongoDatabase, orders: int) -> None:
    MongoStorage(database).add(an_order())
    there = mongo_server.client()[database.name].orders
    (pattern,) = there.find()
    mongo_server.multiply(there, pattern, orders)


def page_at(database: MongoDatabase, depth: int) -> OrderQuery:
    """Return the query that a client would have got by turning page after page to *depth*."""
    storage = MongoStorage(database)
    before = storage.list_orders(a_scope(), OrderQuery(limit=PAGE, offset=depth - PAGE))
    assert before.next_cursor is not None
    return OrderQuery(limit=PAGE, cursor=before.next_cursor)


def examined(database: MongoDatabase, query: OrderQuery) -> tuple[int, int]:
    """Return how many index entries and documents the server looks at for one page."""
    page = page_of(a_scope(), query, position_to_continue_from(query))
    find = {
        "find": "orders",
        "filter": page.filter,
        "sort": {"created_us": -1, "id": -1},
        "limit": PAGE + 1,
        "hint": page.index.name,
    }
    there = mongo_server.client()[database.name]
    told: dict[str, Any] = there.command(
        "explain", find, verbosity="executionStats", codec_options=there.codec_options
    )["executionStats"]
    assert told["nReturned"] == PAGE + 1
    return told["totalKeysExamined"], told["totalDocsExamined"]


def test_a_page_looks_at_what_it_shows_and_no_more_however_deep_it_lies(
    many: MongoDatabase,
) -> None:
    for query in (OrderQuery(limit=PAGE), page_at(many, mongo_server.ORDERS // 2)):
        keys, documents = examined(many, query)

        # One entry may be looked at where two ranges of the index meet.
        assert keys <= PAGE + 2
        assert documents <= PAGE + 2


@pytest.mark.slow
@pytest.mark.skipif(
    mongo_server.ORDERS < TIMED_FROM, reason="set OMS_TEST_MONGODB_ORDERS to 1000000 to measure"
)
def test_a_page_takes_as_long_however_many_orders_there_are(
    many: MongoDatabase, few: MongoDatabase
) -> None:
    first, deep = OrderQuery(limit=PAGE), page_at(many, mongo_server.ORDERS // 2)
    stores = {name: MongoStorage(database) for name, database in (("many", many), ("few", few))}
    rounds = [
        {
            "few": _milliseconds(stores["few"], first),
            "many": _milliseconds(stores["many"], first),
            "deep": _milliseconds(stores["many"], deep),
        }
        for _ in range(7)
    ]
    taken = {side: median(each[side] for each in rounds) for side in rounds[0]}

    more, deeper = taken["many"] / taken["few"], taken["deep"] / taken["many"]
    print(f"\n{taken} ms; many/few {more:.2f}, deep/first {deeper:.2f}")  # noqa: T201 - what -s is for
    assert more <= 1.5
    assert deeper <= 1.5


def _milliseconds(storage: MongoStorage, query: OrderQuery) -> float:
    times: list[float] = []
    ends = time.perf_counter() + 1
    while time.perf_counter() < ends:
        began = time.perf_counter()
        storage.list_orders(a_scope(), query)
        times.append(time.perf_counter() - began)
    return median(times) * 1e3
