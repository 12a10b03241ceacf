"""M3: the throughput curve from one worker process to four, on orders that wait already."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from benchmarks.child import ROOT
from benchmarks.figures import Figure, Side
from benchmarks.goals import WORKERS
from benchmarks.mongod import ReplicaSet, replica_set
from benchmarks.order_body import STOCK, an_order
from benchmarks.rounds import alternated
from benchmarks.servers import SCOPE
from benchmarks.stores import open_mongodb
from oms_core import AdjustStock, PlaceOrder
from oms_core.application.request_reader import read

if TYPE_CHECKING:
    from benchmarks.options import Options

ORDERS: Final = 1_000
SKUS: Final = tuple(f"SKU-{number:02}" for number in range(96))
CURVE: Final = (1, 2, 3, 4)
_END_MAX_S: Final = 300.0


def measure(options: Options) -> list[Figure]:
    """Let 1, 2, 3 and 4 processes drive the same number of orders to their end.

    Raises:
        NotHere: there is no mongod.
    """
    orders = options.orders or ORDERS
    with replica_set() as mongodb:
        taken = alternated(
            options.rounds,
            {f"{count} processes": partial(_per_second, mongodb, count, orders) for count in CURVE},
        )
    sides = {
        count: Side(name, taken[name], "orders/s") for count, name in zip(CURVE, taken, strict=True)
    }
    curve = "the curve: " + "; ".join(str(side) for side in sides.values())
    return [Figure.ratio(goal, sides[count], sides[1], curve) for count, goal in WORKERS.items()]


def _per_second(mongodb: ReplicaSet, processes: int, orders: int) -> float:
    with mongodb.empty_database() as name, open_mongodb(mongodb.uri, name) as oms:
        for sku in SKUS[: 3 * orders]:
            delivery = AdjustStock(sku=sku, quantity_delta=STOCK, reason="delivery")
            oms.adjust_stock(SCOPE, delivery, idempotency_key=sku, actor="benchmarks")
        for number in range(orders):
            oms.place_order(SCOPE, read(PlaceOrder, _order_of_other_skus(number)))
        with ExitStack() as stack:
            workers = [stack.enter_context(_worker(mongodb.uri, name)) for _ in range(processes)]
            for worker in workers:
                assert worker.stdout is not None
                worker.stdout.readline()
            began = time.perf_counter()
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            while sum(oms.storage.count_sagas().values()):
                assert time.perf_counter() - began < _END_MAX_S, "the workers do not finish"
                time.sleep(0.02)
            took_s = time.perf_counter() - began
            for worker in workers:
                assert worker.stdin is not None
                worker.stdin.close()
    return orders / took_s


def _order_of_other_skus(number: int) -> dict[str, Any]:
    """Return an order that seldom meets another at a SKU: that is another row."""
    order = an_order(f"{number:012}")
    for place, line in enumerate(order["line_items"]):
        line["sku"] = SKUS[(3 * number + place) % len(SKUS)]
    return order


def _worker(uri: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sides.our_worker", uri, name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
