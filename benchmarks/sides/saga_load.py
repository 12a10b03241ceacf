"""Keeps a number of sagas under way at once: as soon as one is completed the next one begins."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP_SAGAS = 2
"""For each that is under way at once; they are not counted."""


def keep_busy(complete: Callable[[int], None], asked: dict[str, Any]) -> dict[str, Any]:
    """Complete sagas, ``at_once`` at a time; *complete* returns when its one is completed.

    Ends after ``seconds``, or with ``sagas`` completed if that is given. Answers how many were
    completed, in how many seconds, and from when to when by the machine's clock.
    """
    at_once: int = asked["at_once"]
    numbers = itertools.count()
    _run(at_once, complete, numbers, at_once * WARM_UP_SAGAS, float("inf"))
    began, began_at = time.perf_counter(), time.time()
    most = asked.get("sagas") or sys.maxsize
    ends = float("inf") if "sagas" in asked else began + asked["seconds"]
    completed = _run(at_once, complete, numbers, most, ends)
    seconds = time.perf_counter() - began
    return {
        "completed": completed,
        "seconds": seconds,
        "began_at": began_at,
        "ended_at": began_at + seconds,
    }


def _run(
    at_once: int,
    complete: Callable[[int], None],
    numbers: itertools.count[int],
    most: int,
    ends: float,
) -> int:
    shares = [most // at_once + (1 if place < most % at_once else 0) for place in range(at_once)]
    completed = [0] * at_once

    def client(place: int) -> None:
        while completed[place] < shares[place] and time.perf_counter() < ends:
            complete(next(numbers))
            completed[place] += 1

    threads = [threading.Thread(target=client, args=(place,)) for place in range(at_once)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(completed)
