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
from benchmarks.servers import bare_server, our_server
from benchmarks.stores import SCOPE
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core import OrderQuery, OrderStatus

if TYPE_CHECKING:
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
        storage = SqliteStorage(SqliteDatabase(server.folder / "oms.db"))
        unfinished: list[int] = []
        load = send_orders(
            server,
            clients=options.clients,
            seconds=options.seconds * LENGTHS,
            warm_up_s=0.0,
            at_end=lambda: unfinished.append(_unfinished(storage)),
        )
        _require_all_confirmed(storage)
        storage.close()
        return Confirmed(load, load.accepted - unfinished[0])


def _bare(options: Options) -> Confirmed:
    with bare_server() as server:
        load = send_orders(
            server, clients=options.clients, seconds=options.seconds * LENGTHS, warm_up_s=0.0
        )
        return Confirmed(load, load.accepted)


def _unfinished(storage: SqliteStorage) -> int:
    return sum(storage.count_sagas().values())


def _require_all_confirmed(storage: SqliteStorage) -> None:
    """Let the server finish, and see that every order came to the end that was measured."""
    ends_at = time.monotonic() + _DRAIN_MAX_S
    while (left := _unfinished(storage)) and time.monotonic() < ends_at:
        tell(f"{left} orders are still under way")
        time.sleep(1.0)
    assert left == 0, "the server does not finish what it accepted"
    failed = storage.list_orders(SCOPE, OrderQuery(limit=1, status=OrderStatus.FAILED))
    assert failed.orders == (), "no order may fail"
