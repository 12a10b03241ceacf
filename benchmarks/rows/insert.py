"""M1: accepting an order on MongoDB beside a bare insert of the same document."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from benchmarks.figures import Figure, Side
from benchmarks.goals import INSERT
from benchmarks.mongod import ReplicaSet, replica_set
from benchmarks.rounds import alternated
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_core.testing.orders import an_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options

ORDERS: Final = 2_000


def measure(options: Options) -> list[Figure]:
    """Let 1 thread and 16 threads add orders, and insert what was added into a bare collection.

    Raises:
        NotHere: there is no mongod.
    """
    count = options.orders or ORDERS
    figures = []
    with replica_set() as mongodb:
        for threads in INSERT:
            taken = alternated(
                options.rounds,
                {
                    f"accepting, {threads} at once": partial(_ours, mongodb, threads, count),
                    f"insert_one, {threads} at once": partial(_bare, mongodb, threads, count),
                },
            )
            ours, base = taken.values()
            sides = Side("accepting", ours, "orders/s"), Side("insert_one", base, "orders/s")
            figures.append(Figure.ratio(INSERT[threads], *sides))
    return figures


def _ours(mongodb: ReplicaSet, threads: int, count: int) -> float:

    orders = [an_order(f"ORDER-{number}") for number in range(count)]
    with mongodb.empty_database() as name, MongoDatabase(mongodb.uri, name) as database:
        storage = MongoStorage(database)
        return _per_second(
            threads, count, lambda number: storage.add(orders[number], holder="me", lease_s=30)
        )


def _bare(mongodb: ReplicaSet, threads: int, count: int) -> float:
    """Insert the same documents into a collection with the same indexes, just as durably."""
    with mongodb.empty_database() as name, MongoDatabase(mongodb.uri, name) as database:
        storage, there = MongoStorage(database), database.collection("orders")
        documents: list[dict[str, Any]] = []
        for number in range(count):
            storage.add(an_order(f"ORDER-{number}"), holder="me", lease_s=30)
        documents = list(there.find())
        there.delete_many({})
        return _per_second(threads, count, lambda number: there.insert_one(documents[number]))


def _per_second(threads: int, count: int, do: Callable[[int], object]) -> float:
    def client(first: int) -> None:
        for number in range(first, count, threads):
            do(number)

    clients = [threading.Thread(target=client, args=(first,)) for first in range(threads)]
    began = time.perf_counter()
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return count / (time.perf_counter() - began)
