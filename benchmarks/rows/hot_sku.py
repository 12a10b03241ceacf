"""M2: what it costs when everybody wants the same piece of stock."""

from __future__ import annotations

import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Side
from benchmarks.goals import HOT_SKU
from benchmarks.mongod import ReplicaSet, replica_set
from benchmarks.order_body import STOCK
from benchmarks.rounds import alternated
from benchmarks.servers import SCOPE
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_core.domain.inventory import Allocation, Demand, Reserved, StockItem, StockMovement
from oms_core.testing import NOON

if TYPE_CHECKING:
    from benchmarks.options import Options

AT_ONCE: Final = 32


def measure(options: Options) -> list[Figure]:
    """Let 32 threads reserve a piece each of one SKU, and each of a SKU of its own.

    Raises:
        NotHere: there is no mongod.
    """
    with replica_set() as mongodb:
        taken = alternated(
            options.rounds,
            {
                "one SKU": lambda: _reservations_per_second(mongodb, 1, options.seconds),
                "32 SKUs": lambda: _reservations_per_second(mongodb, AT_ONCE, options.seconds),
            },
        )
    one, many = (Side(name, values, "reservations/s") for name, values in taken.items())
    return [Figure.ratio(HOT_SKU, one, many)]


def _reservations_per_second(mongodb: ReplicaSet, skus: int, seconds: float) -> float:

    with mongodb.empty_database() as name, MongoDatabase(mongodb.uri, name) as database:
        inventory = MongoInventory(database)
        items = [StockItem(f"SKU-{number:02}") for number in range(skus)]
        for item in items:
            goods = StockMovement(item.sku, item, STOCK, "delivery", NOON, "benchmarks")
            inventory.adjust(SCOPE, goods)
        made = [0] * AT_ONCE
        ends_at = time.perf_counter() + seconds

        def client(number: int) -> None:
            demand = [Demand(items[number % skus], 1)]
            for turn in count():
                if time.perf_counter() > ends_at:
                    return
                reserved = inventory.reserve(
                    SCOPE, f"{number}-{turn}", demand, allocation=Allocation()
                )
                assert reserved == Reserved(), "there is enough for everybody"
                made[number] += 1

        clients = [threading.Thread(target=client, args=(number,)) for number in range(AT_ONCE)]
        began = time.perf_counter()
        for each in clients:
            each.start()
        for each in clients:
            each.join()
        return sum(made) / (time.perf_counter() - began)
