"""P7: completed sagas a second, beside DBOS Transact on the same kind of file."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from benchmarks.child import in_child
from benchmarks.figures import Figure, Side
from benchmarks.goals import SAGAS
from benchmarks.options import NotHere
from benchmarks.rounds import alternated

if TYPE_CHECKING:
    from benchmarks.options import Options

OURS: Final = "benchmarks.sides.our_sagas"
DBOS: Final = "benchmarks.sides.dbos_sagas"


def measure(options: Options) -> list[Figure]:
    """Keep 1, 8 and 32 sagas under way at once, each waited for by a client.

    Raises:
        NotHere: DBOS is not installed.
    """
    if find_spec("dbos") is None:
        raise NotHere("needs DBOS Transact: pip install -e '.[bench]'")
    figures = []
    for at_once in options.at_once:
        taken = alternated(
            options.rounds,
            {
                f"ours, {at_once} at once": partial(_per_second, OURS, at_once, options),
                f"DBOS, {at_once} at once": partial(_per_second, DBOS, at_once, options),
            },
        )
        ours, base = taken.values()
        figures.append(
            Figure.ratio(
                SAGAS[at_once], Side("ours", ours, "sagas/s"), Side("DBOS", base, "sagas/s")
            )
        )
    return figures


def _per_second(module: str, at_once: int, options: Options) -> float:
    came_of_it = in_child(module, {"at_once": at_once, "seconds": options.seconds})
    rate: float = came_of_it["completed"] / came_of_it["seconds"]
    return rate
