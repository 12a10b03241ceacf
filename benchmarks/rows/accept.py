"""P1 and P2: orders accepted a second over HTTP, without anybody working on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.figures import Figure, Side
from benchmarks.goals import ACCEPT_MEMORY, ACCEPT_SQLITE
from benchmarks.load import Load, doubts, send_orders
from benchmarks.rounds import alternated
from benchmarks.servers import bare_server, our_server

if TYPE_CHECKING:
    from benchmarks.options import Options


def measure(options: Options) -> list[Figure]:
    """Send the same orders to ours, with either store, and to a bare server."""
    taken = alternated(
        options.rounds,
        {
            "in memory": lambda: _ours("memory", options),
            "bare": lambda: _bare(options),
            "on SQLite": lambda: _ours("sqlite", options),
        },
    )
    bare = side("bare", taken["bare"])
    return [
        Figure.ratio(
            goal, side(name, taken[name]), bare, *_waits(name, taken[name]), *doubts(*taken["bare"])
        )
        for goal, name in ((ACCEPT_MEMORY, "in memory"), (ACCEPT_SQLITE, "on SQLite"))
    ]


def side(name: str, loads: tuple[Load, ...]) -> Side:
    """Take the rates of *loads*."""
    return Side(name, tuple(load.per_second for load in loads), "orders/s")


def _waits(name: str, loads: tuple[Load, ...]) -> tuple[str, ...]:
    slowest = max(loads, key=lambda load: load.p99_ms)
    return (f"{name}: half answered in {slowest.p50_ms:.3g} ms, 99 % in {slowest.p99_ms:.3g} ms",)


def _ours(storage: str, options: Options) -> Load:
    with our_server(storage=storage, workers=False) as server:
        return send_orders(server, clients=options.clients, seconds=options.seconds)


def _bare(options: Options) -> Load:
    with bare_server() as server:
        return send_orders(server, clients=options.clients, seconds=options.seconds)
