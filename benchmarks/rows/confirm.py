"""P4: orders accepted and confirmed a second, while the load goes on.

A server that only accepts looks fast while its backlog grows for ever. So what counts is what is
confirmed at the moment when the load stops, and nearly all that was accepted has to be.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from attrs import frozen

from benchmarks.figures import Figure, Side
from benchmarks.goals import CONFIRM, CONFIRMED_SHARE
from benchmarks.load import Load, doubts, send_orders
from benchmarks.rounds import alternated, tell
from benchmarks.servers import SCOPE, bare_server, our_server
from benchmarks.stores import open_store, unfinished_orders
from oms_core import OrderQuery, OrderStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.options import Options

LENGTHS: Final = 2
"""Times longer than a round of other rows: a backlog takes its time to show."""
_DRAIN_MAX_S: Final = 600.0


@frozen
class Confirmed:
    """What a round came to; at the bare server an answer is all there is."""

    load: Load
    confirmed: int

    @property
    def per_second(self) -> float:
        """Orders confirmed a second, from the first request to the end of the load."""
        return self.confirmed / self.load.seconds

    @property
    def share(self) -> float:
        """Share of the accepted orders that was confirmed when the load stopped."""
        return self.confirmed / self.load.accepted


def measure(options: Options) -> list[Figure]:
    """Send orders to a server that also drives them, and to a bare one."""
    taken = alternated(
        options.rounds,
        {"confirmed": lambda: _ours(options), "bare": lambda: _bare(options)},
    )
    ours, bare = taken["confirmed"], taken["bare"]
    return [
        Figure.ratio(
            CONFIRM,
            Side("confirmed", tuple(one.per_second for one in ours), "orders/s"),
            Side("bare", tuple(one.per_second for one in bare), "orders/s"),
            *doubts(*(one.load for one in bare)),
        ),
        Figure.absolute(CONFIRMED_SHARE, [one.share for one in ours]),
    ]


def _ours(options: Options) -> Confirmed:
    with our_server(storage="sqlite", workers=True) as server:
        server.receive_stock()
        # Opened before the load: opening a large file takes a while.
        with unfinished_orders(server.folder / "oms.db") as unfinished:
            at_end: list[int] = []
            load = send_orders(
                server,
                clients=options.clients,
                seconds=options.seconds * LENGTHS,
                warm_up_s=0.0,
                at_end=lambda: at_end.append(unfinished()),
            )
            _wait_until_finished(unfinished)
        _require_none_failed(server.folder / "oms.db")
        return Confirmed(load, load.accepted - at_end[0])


def _bare(options: Options) -> Confirmed:
    with bare_server() as server:
        load = send_orders(
            server, clients=options.clients, seconds=options.seconds * LENGTHS, warm_up_s=0.0
        )
        return Confirmed(load, load.accepted)


def _wait_until_finished(unfinished: Callable[[], int]) -> None:
    ends_at = time.monotonic() + _DRAIN_MAX_S
    while (left := unfinished()) and time.monotonic() < ends_at:
        tell(f"{left} orders are still under way")
        time.sleep(0.25)
    assert left == 0, "the server does not finish what it accepted"


def _require_none_failed(file: Path) -> None:
    """See that every order came to the end that was measured."""
    with open_store(file) as oms:
        failed = oms.list_orders(SCOPE, OrderQuery(limit=1, status=OrderStatus.FAILED))
    assert failed.orders == (), "no order may fail"
