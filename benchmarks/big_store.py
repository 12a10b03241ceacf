"""Builds a store of many orders: one real order, driven to its end, and copies of its row.

Placing a million orders would take an hour. A copy differs from its original in all that tells
orders apart (key, id, payment reference, age), so every index has as many entries as it would have.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from benchmarks.order_body import an_order, key_of
from benchmarks.servers import SCOPE
from benchmarks.stores import open_store, receive_stock
from oms_core import OrderStatus, PlaceOrder
from oms_core.application.request_reader import read
from oms_core.domain.scope import order_id_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBER: Final = "000000000000"
_APART_US: Final = 1_000_000
_ROWS_A_COMMIT: Final = 20_000


def build(file: Path, orders: int) -> float:
    """Make a store of *orders* confirmed orders, a second apart; returns the seconds it took."""
    began = time.perf_counter()
    with open_store(file) as oms:
        receive_stock(oms)
        placed = oms.place_order(SCOPE, read(PlaceOrder, an_order(_NUMBER)))
        oms.run_until_idle()
        original = oms.get_order(SCOPE, placed.order_id)
        assert original.status is OrderStatus.CONFIRMED
    with closing(sqlite3.connect(file)) as connection:
        # Only while it is built: what a crash spoils is built again.
        for quick in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -400000"):
            connection.execute(f"PRAGMA {quick}").fetchall()
        _multiply(connection, orders - 1)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    return time.perf_counter() - began


def _multiply(connection: sqlite3.Connection, copies: int) -> None:
    connection.row_factory = sqlite3.Row
    (original,) = (dict(row) for row in connection.execute("SELECT * FROM orders"))
    connection.row_factory = None
    del original["number"]
    names, places = ", ".join(original), ", ".join("?" * len(original))
    insert = f"INSERT INTO orders ({names}) VALUES ({places})"  # noqa: S608 - the table's own names
    for first in range(1, copies + 1, _ROWS_A_COMMIT):
        last = min(first + _ROWS_A_COMMIT - 1, copies)
        with connection:
            connection.executemany(insert, _copies(original, first, last))


def _copies(original: dict[str, Any], first: int, last: int) -> Iterator[tuple[Any, ...]]:
    old_id, old_us = str(UUID(bytes=original["id"])), original["created_us"]
    for number in range(first, last + 1):
        digits = f"{number:012}"
        new_id = order_id_for(SCOPE, key_of(digits))
        # Older and older, as nothing may be younger than the present.
        new_us = old_us - number * _APART_US
        document = (
            original["document"]
            .replace(_NUMBER, digits)
            .replace(old_id, str(new_id))
            .replace(str(old_us), str(new_us))
        )
        copy = {
            **original,
            "id": new_id.bytes,
            "created_us": new_us,
            "live_reference": original["live_reference"].replace(_NUMBER, digits),
            "document": document,
        }
        yield tuple(copy.values())
