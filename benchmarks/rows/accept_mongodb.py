"""P3: orders accepted a second over HTTP, durable on MongoDB, which shares the processors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure
from benchmarks.goals import ACCEPT_MONGODB
from benchmarks.load import Load, doubts, send_orders
from benchmarks.mongod import ReplicaSet, replica_set
from benchmarks.rounds import alternated
from benchmarks.rows.accept import side
from benchmarks.servers import bare_server, our_server

if TYPE_CHECKING:
    from benchmarks.options import Options

_VARIABLE: Final = "OMS_BENCHMARKS_STORE"


def measure(options: Options) -> list[Figure]:
    """Send the same orders to ours and to a bare server.

    Raises:
        NotHere: there is no mongod.
    """
    with replica_set() as mongodb:
        taken = alternated(
            options.rounds,
            {
                "on MongoDB": lambda: _ours(mongodb, options),
                "bare": lambda: _bare(options),
            },
        )
    ours, bare = (side(name, loads) for name, loads in taken.items())
    return [Figure.ratio(ACCEPT_MONGODB, ours, bare, *doubts(*taken["bare"]))]


def _ours(mongodb: ReplicaSet, options: Options) -> Load:
    with mongodb.empty_database() as name:
        settings = {
            "OMS__STORAGE__URI": f"env:{_VARIABLE}",
            "OMS__STORAGE__DATABASE": name,
            _VARIABLE: mongodb.uri,
        }
        with our_server(storage="mongodb", workers=False, settings=settings) as server:
            return send_orders(server, clients=options.clients, seconds=options.seconds)


def _bare(options: Options) -> Load:
    with bare_server() as server:
        return send_orders(server, clients=options.clients, seconds=options.seconds)
