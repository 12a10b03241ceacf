"""P8 and M5: completed sagas a second on MongoDB.

Beside DBOS Transact on SQLite, and beside the same commands without a program that decides
anything: what driver, server and machine allow.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from benchmarks.child import in_child
from benchmarks.figures import Figure, Side
from benchmarks.goals import SAGAS_BESIDE_COMMANDS, SAGAS_MONGODB
from benchmarks.mongod import ReplicaSet, replica_set
from benchmarks.options import NotHere
from benchmarks.rounds import alternated
from benchmarks.rows.sagas import DBOS, OURS

if TYPE_CHECKING:
    from benchmarks.options import Options

COMMANDS: Final = "benchmarks.sides.bare_commands"
_SIDES: Final = (("ours", "sagas/s"), ("DBOS", "sagas/s"), ("commands alone", "orders/s"))


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
            on_mongodb = partial(_on_mongodb, mongodb, at_once, options)
            taken = alternated(
                options.rounds,
                {
                    f"ours, {at_once} at once": partial(on_mongodb, OURS),
                    f"DBOS, {at_once} at once": partial(_base, at_once, options),
                    f"commands, {at_once} at once": partial(on_mongodb, COMMANDS),
                },
            )
            ours, dbos, commands = (
                Side(name, rates, unit)
                for (name, unit), rates in zip(_SIDES, taken.values(), strict=True)
            )
            figures += [
                Figure.ratio(SAGAS_MONGODB[at_once], ours, dbos),
                Figure.ratio(SAGAS_BESIDE_COMMANDS[at_once], ours, commands),
            ]
    return figures


def _on_mongodb(mongodb: ReplicaSet, at_once: int, options: Options, side: str) -> float:
    with mongodb.empty_database() as name:
        asked = {"at_once": at_once, "seconds": options.seconds, "mongodb": [mongodb.uri, name]}
        came_of_it = in_child(side, asked)
    rate: float = came_of_it["completed"] / came_of_it["seconds"]
    return rate


def _base(at_once: int, options: Options) -> float:
    came_of_it = in_child(DBOS, {"at_once": at_once, "seconds": options.seconds})
    rate: float = came_of_it["completed"] / came_of_it["seconds"]
    return rate
