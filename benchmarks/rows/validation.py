"""P10: from the bytes of a body of 100 lines to a validated order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Side
from benchmarks.goals import VALIDATION
from benchmarks.order_body import many_lines
from benchmarks.rounds import alternated
from benchmarks.sides.cattrs_order import read_order
from oms_core import PlaceOrder
from oms_core.application.request_reader import read
from oms_entrypoints.http.json_body import parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.options import Options

LINES: Final = 100
BODIES: Final = 300


def measure(options: Options) -> list[Figure]:
    """Compare our strict reading with cattrs, in processor time."""
    body = many_lines(LINES)
    bodies = options.orders or BODIES

    def ours() -> PlaceOrder:
        return read(PlaceOrder, parse_json(body))

    total = sum(line.quantity * line.unit_price.minor for line in ours().lines)
    total += sum(item.amount.minor for item in ours().priced_adjustments)
    assert read_order(body).total_minor == total, "both sides must read the same order"
    taken = alternated(
        options.rounds,
        {
            "ours": lambda: _microseconds(ours, bodies),
            "cattrs": lambda: _microseconds(lambda: read_order(body), bodies),
        },
    )
    return [
        Figure.ratio(
            VALIDATION,
            Side("ours", taken["ours"], "µs"),
            Side("cattrs", taken["cattrs"], "µs"),
        )
    ]


def _microseconds(read_once: Callable[[], object], times: int) -> float:
    """Return the processor time of one reading."""
    read_once()
    began = time.process_time()
    for _ in range(times):
        read_once()
    return (time.process_time() - began) / times * 1e6
