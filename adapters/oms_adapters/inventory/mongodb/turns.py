"""Threads of one process take turns at a stock item."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Final

from oms_core.domain.inventory import StockItem
from oms_core.domain.scope import Scope
from oms_core.errors import StoreUnavailable

_STRIPES: Final = 256
_WAIT_MAX_S: Final = 5.0


class Turns:
    """A queue for each stock item, so that threads of this process do not undo one another.

    Nothing rests on it: two transactions that meet at an item are kept apart by the store,
    which turns one away to begin anew. With a queue here the many threads of a process do
    not waste their time on that; what is left are as many rivals as there are processes.
    """

    def __init__(self) -> None:
        self._locks = [Lock() for _ in range(_STRIPES)]

    @contextmanager
    def at(self, scope: Scope, items: Iterable[StockItem]) -> Iterator[None]:
        """Wait for the turn at all of *items*; in one order, so that nobody waits in a circle.

        Raises:
            StoreUnavailable: it did not come within a few seconds; nothing was done.
        """
        stripes = sorted({hash((scope, item)) % _STRIPES for item in items})
        with ExitStack() as held:
            for stripe in stripes:
                if not self._locks[stripe].acquire(timeout=_WAIT_MAX_S):
                    raise StoreUnavailable("too many callers wait for one stock item")
                held.callback(self._locks[stripe].release)
            yield
