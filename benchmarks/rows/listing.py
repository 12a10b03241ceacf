"""P9: a page of orders takes as long however many there are, and however deep it lies."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.big_store import build
from benchmarks.figures import Figure, Side
from benchmarks.goals import DEEP_PAGE, FIRST_PAGE
from benchmarks.rounds import alternated, tell
from benchmarks.servers import SCOPE
from benchmarks.stores import open_store
from oms_core import OrderQuery

if TYPE_CHECKING:
    from benchmarks.options import Options
    from oms_core import OrderManagement

ORDERS: Final = 1_000_000
SMALLER: Final = 100
"""The small store has so many times fewer orders."""
PAGE: Final = 50
READING: Final = 0.2
"""Share of the length of other rows' rounds for which one kind of page is read."""


def measure(options: Options) -> list[Figure]:
    """Read pages of two stores, one a hundred times as large as the other."""
    many = options.orders or ORDERS
    few = max(many // SMALLER, PAGE)
    reading_s = options.seconds * READING
    with TemporaryDirectory() as folder:
        tell(f"building stores of {few} and {many} orders")
        took_s = build(Path(folder) / "few.db", few) + build(Path(folder) / "many.db", many)
        with (
            open_store(Path(folder) / "few.db") as small,
            open_store(Path(folder) / "many.db") as large,
        ):
            first, deep = OrderQuery(limit=PAGE), _page_at(large, many // 2)
            taken = alternated(
                options.rounds,
                {
                    "few": lambda: _milliseconds(small, first, reading_s),
                    "many": lambda: _milliseconds(large, first, reading_s),
                    "deep": lambda: _milliseconds(large, deep, reading_s),
                },
            )
    built = f"stores of {few} and {many} orders, built in {took_s:.0f} s; pages of {PAGE}"
    front = Side("first page", taken["many"], "ms")
    return [
        Figure.ratio(FIRST_PAGE, front, Side("of the small store", taken["few"], "ms"), built),
        Figure.ratio(DEEP_PAGE, Side("deep page", taken["deep"], "ms"), front, built),
    ]


def _page_at(oms: OrderManagement, depth: int) -> OrderQuery:
    """Return the query that a client would have got by turning page after page to *depth*."""
    before = oms.list_orders(SCOPE, OrderQuery(limit=PAGE, offset=depth - PAGE))
    assert before.next_cursor is not None
    return OrderQuery(limit=PAGE, cursor=before.next_cursor)


def _milliseconds(oms: OrderManagement, query: OrderQuery, reading_s: float) -> float:
    times: list[float] = []
    ends = time.perf_counter() + reading_s
    while not times or time.perf_counter() < ends:
        began = time.perf_counter()
        page = oms.list_orders(SCOPE, query)
        times.append(time.perf_counter() - began)
        assert len(page.orders) == PAGE
    return median(times) * 1e3
