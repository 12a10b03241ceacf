"""Real threads that set off together."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")
Argument = TypeVar("Argument")

STUCK_AFTER_S = 60.0


def at_once(call: Callable[[Argument], T], arguments: Iterable[Argument]) -> list[T]:
    """Call with each of *arguments* in a thread of its own, all at the same moment.

    Returns the results in the order of the arguments. The first error of a call is raised
    again when all have ended.
    """
    each = list(arguments)
    barrier = Barrier(len(each))

    def run(argument: Argument) -> T:
        barrier.wait(STUCK_AFTER_S)
        return call(argument)

    with _restless_interpreter(), ThreadPoolExecutor(len(each)) as threads:
        futures = [threads.submit(run, argument) for argument in each]
    return [future.result() for future in futures]


@contextmanager
def _restless_interpreter() -> Iterator[None]:
    """Let the interpreter change threads at every chance.

    Its usual 5 ms are so long that a missing lock is hardly ever noticed.
    """
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)
