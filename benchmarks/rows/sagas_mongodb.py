"""P8: completed sagas a second on MongoDB, beside DBOS Transact on SQLite."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.child import in_child
from benchmarks.figures import Figure, Side
from benchmarks.goals import SAGAS_MONGODB
from benchmarks.mongod import ReplicaSet, replica_set
from benchmarks.options import NotHere
from benchmarks.rounds import alternated
from benchmarks.rows.sagas import DBOS, OURS

if TYPE_CHECKING:
    from benchmarks.options import Options


def measure(options: Options) -> list[Figure]:
    """Keep 1, 8 and 32 sagas under way at once, each waited for by a client.

    Raises:
        NotHere: DBOS is not installed, or there is no mongod.
    """
    if find_spec("dbos") is None:
        raise NotHere("needs DBOS Transact: pip install -e '.[bench]'")
    figures = []
    with replica_set() as mongodb:
        for at_once in options.at_once:
            taken = alternated(
                options.rounds,
                {
                    f"ours, {at_once} at once": partial(_ours, mongodb, at_once, options),
                    f"DBOS, {at_once} at once": partial(_base, at_once, options),
                },
            )
            ours, base = taken.values()
            sides = Side("ours", ours, "sagas/s"), Side("DBOS", base, "sagas/s")
            figures.append(Figure.ratio(SAGAS_MONGODB[at_once], *sides))
    return figures


def _ours(mongodb: ReplicaSet, at_once: int, options: Options) -> float:
    with mongodb.empty_database() as name:
        asked = {"at_once": at_once, "seconds": options.seconds, "mongodb": [mongodb.uri, name]}
        came_of_it = in_child(OURS, asked)
    rate: float = came_of_it["completed"] / came_of_it["seconds"]
    return rate


def _base(at_once: int, options: Options) -> float:
    came_of_it = in_child(DBOS, {"at_once": at_once, "seconds": options.seconds})
    rate: float = came_of_it["completed"] / came_of_it["seconds"]
    return rate
