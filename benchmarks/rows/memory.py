"""P11: how much memory the server takes, idle and after many orders."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.figures import Figure, Side
from benchmarks.goals import MEMORY_AFTER, MEMORY_IDLE
from benchmarks.load import send_orders
from benchmarks.options import NotHere
from benchmarks.rounds import alternated, tell
from benchmarks.servers import our_server
from benchmarks.stores import unfinished_orders

if TYPE_CHECKING:
    from benchmarks.options import Options

ORDERS: Final = 100_000
SETTLE_S: Final = 2.0
"""An idle server has started everything that it starts by itself."""
_MEGABYTE: Final = 1_000_000


@frozen
class Memory:
    """What the server held before the first order, and after the last was confirmed, in MB."""

    idle: float
    after: float


def measure(options: Options) -> list[Figure]:
    """Read the resident set of ``oms serve`` on SQLite, from the operating system.

    Raises:
        NotHere: the system does not say (it is not Linux).
    """
    if sys.platform != "linux":
        raise NotHere("needs Linux, where /proc tells a process's memory")
    orders = options.orders or ORDERS
    taken = alternated(options.rounds, {f"{orders} orders": lambda: _memory(orders, options)})
    (rounds,) = taken.values()
    idle = Side("idle", tuple(one.idle for one in rounds), "MB")
    after = Side(f"after {orders} orders", tuple(one.after for one in rounds), "MB")
    return [
        Figure.absolute(MEMORY_IDLE, idle.values),
        Figure.ratio(MEMORY_AFTER, after, idle),
    ]


def _memory(orders: int, options: Options) -> Memory:
    with our_server(storage="sqlite", workers=True) as server:
        time.sleep(min(SETTLE_S, options.seconds))
        idle = server.memory_bytes
        server.receive_stock()
        send_orders(server, clients=options.clients, seconds=0.0, warm_up_s=0.0, orders=orders)
        with unfinished_orders(server.folder / "oms.db") as unfinished:
            while left := unfinished():
                tell(f"{left} orders are still under way")
                time.sleep(0.25)
        return Memory(idle / _MEGABYTE, server.memory_bytes / _MEGABYTE)
