"""Many buyers and few pieces: 64 threads in 4 processes, each process driving what it accepts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from oms_core import AdjustStock, OrderManagement, OrderQuery, OrderStatus
from oms_core.testing import a_scope
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.support import mongo_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from oms_core import Order

PROCESSES: Final = 4
THREADS: Final = 16
BUYERS: Final = PROCESSES * THREADS
ARMCHAIR: Final = "CRUNCHY-ARMCHAIR"
LAST_PIECES: Final = 100
SHELF: Final = [f"SHELF-{number:02}" for number in range(30)]
LINES: Final = 20
PIECES_OF_EACH: Final = 12

SHOP: Final = """
import json, os, sys
from oms_core import NewLineItem, PlaceOrder
from oms_core.testing import a_scope
from oms_core.testing.at_once import at_once
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config

baskets = json.loads(sys.stdin.readline())
oms = open_system(load_config(environment=os.environ))

def buy(baskets_of_one):
    return [
        oms.place_order(
            a_scope(),
            PlaceOrder(
                idempotency_key=key,
                payment_provider="simulated",
                payment_reference=f"card-{key}",
                channel="web",
                line_items=[NewLineItem(sku=sku, quantity=1, unit_price="19.99") for sku in skus],
            ),
        ).order_id
        for key, skus in baskets_of_one
    ]

with oms, oms.running():
    print("ready", flush=True)
    sys.stdin.readline()
    placed = [order_id for ids in at_once(buy, baskets) for order_id in ids]
    ends = [oms.wait_for(a_scope(), order_id, timeout_s=120) for order_id in placed]
print(json.dumps(sum(order.is_settled for order in ends)), flush=True)
"""
"""A process of the shop: its threads set off together, each with baskets of its own."""

Basket = tuple[str, list[str]]


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Name an empty store that processes share, as the environment of each would."""
    if request.param == "sqlite":
        yield {"OMS__STORAGE__PATH": str(tmp_path / "oms.db")}
        return
    with mongo_server.new_database() as database:
        yield {
            "OMS__STORAGE__KIND": "mongodb",
            "OMS__STORAGE__URI": "env:MONGODB_OF_THE_TEST",
            "OMS__STORAGE__DATABASE": database.name,
            "MONGODB_OF_THE_TEST": mongo_server.uri(),
        }


def opened(store: Mapping[str, str]) -> OrderManagement:
    return open_system(load_config(environment=store))


def receive(store: Mapping[str, str], skus: Sequence[str], pieces: int) -> None:
    with opened(store) as oms:
        for sku in skus:
            goods = AdjustStock(sku=sku, quantity_delta=pieces, reason="delivery")
            oms.adjust_stock(a_scope(), goods, idempotency_key=sku, actor="clerk")


def sell(store: Mapping[str, str], baskets: Sequence[Sequence[Basket]]) -> int:
    """Let each of the 64 threads place its baskets; tell how many orders came to an end."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", SHOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **store},
        )
        for _ in range(PROCESSES)
    ]
    for number, child in enumerate(children):
        assert child.stdin is not None
        child.stdin.write(json.dumps(baskets[number::PROCESSES]) + "\n")
        child.stdin.flush()
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    ends = [child.communicate(timeout=150) for child in children]
    assert [errors for _, errors in ends] == [""] * PROCESSES
    return sum(json.loads(output) for output, _ in ends)


def all_orders(oms: OrderManagement) -> list[Order]:
    found: list[Order] = []
    cursor: str | None = None
    while True:
        page = oms.list_orders(a_scope(), OrderQuery(limit=100, cursor=cursor))
        found += page.orders
        cursor = page.next_cursor
        if cursor is None:
            return found


def levels(oms: OrderManagement) -> dict[str, tuple[int, int]]:
    """Tell on-hand and reserved of each sku."""
    found = oms.stock_levels(a_scope()).levels
    return {level.item.sku: (level.on_hand, level.reserved) for level in found}


def why(order: Order) -> str:
    return order.failure.code if order.failure is not None else order.status.value


def test_exactly_the_last_hundred_pieces_are_sold(store: Mapping[str, str]) -> None:
    """I4, and not one piece less: whoever comes too late hears that it is out of stock."""
    receive(store, [ARMCHAIR], LAST_PIECES)
    baskets = [
        [(f"order-{buyer}-{number}", [ARMCHAIR]) for number in range(3)] for buyer in range(BUYERS)
    ]

    ended = sell(store, baskets)

    with opened(store) as oms:
        ends: Counter[Any] = Counter(why(order) for order in all_orders(oms))
        assert ended == 3 * BUYERS
        assert ends == {"confirmed": LAST_PIECES, "out_of_stock": 3 * BUYERS - LAST_PIECES}
        assert levels(oms) == {ARMCHAIR: (LAST_PIECES, LAST_PIECES)}


def test_long_orders_that_meet_head_on_neither_block_nor_hold_a_part(
    store: Mapping[str, str],
) -> None:
    """Each takes its lines in the opposite order of its neighbour, which wants half of them too."""
    receive(store, SHELF, PIECES_OF_EACH)
    baskets = []
    for buyer in range(BUYERS):
        start = 7 * buyer % len(SHELF)
        skus = (SHELF + SHELF)[start : start + LINES]
        baskets.append([(f"order-{buyer}", skus if buyer % 2 else skus[::-1])])

    ended = sell(store, baskets)

    with opened(store) as oms:
        orders = all_orders(oms)
        sold = Counter(
            line.sku
            for order in orders
            if order.status is OrderStatus.CONFIRMED
            for line in order.lines
        )
        assert ended == len(orders) == BUYERS
        assert {why(order) for order in orders} == {"confirmed", "out_of_stock"}
        assert levels(oms) == {sku: (PIECES_OF_EACH, sold[sku]) for sku in SHELF}
        gone = {sku for sku in SHELF if sold[sku] == PIECES_OF_EACH}
        for order in orders:
            # Nothing was ever given back here, so what was short then is short now.
            if order.status is OrderStatus.FAILED:
                assert gone & {line.sku for line in order.lines}
