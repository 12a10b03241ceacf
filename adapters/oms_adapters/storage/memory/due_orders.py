"""Which order is to be moved next, and when."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from oms_adapters.storage.memory.sorted_index import SortedIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime
    from uuid import UUID

    from oms_adapters.storage.memory.record import Moment, Record

_due_place_of: Final[Callable[[Record], Moment]] = attrgetter("due_place")
_by_due_place: Final = partial(SortedIndex["Record"], _due_place_of)


class DueOrders:
    """Orders that a worker should move: those nobody holds, and those whose lease may run out.

    The first by definition and due moment, so that taking the oldest is no search and unknown
    definitions are in nobody's way. The others by the moment at which they are due *and* their
    lease is over. Its callers hold the store's lock.
    """

    def __init__(self) -> None:
        self._free: defaultdict[str, SortedIndex[Record]] = defaultdict(_by_due_place)
        self._leased = _by_due_place()

    def place(self, record: Record) -> None:
        """Put *record* where its saga and its lease say, wherever it was before."""
        if record.due_place is not None:
            self._index_of(record).remove(record)
            record.due_place = None
        saga = record.order.saga
        if saga.due_at is None:
            return
        if record.leased_until is None:
            record.due_in = saga.definition
            record.due_place = (saga.due_at, record.number)
        else:
            record.due_in = None
            record.due_place = (max(saga.due_at, record.leased_until), record.number)
        self._index_of(record).add(record)

    def take(
        self,
        now: datetime,
        limit: int,
        definitions: Collection[str],
        passing_over: Collection[UUID] = (),
    ) -> list[Record]:
        """Tell which orders to claim at *now*, oldest due first. They stay where they are."""
        self._free_those_run_out(now)
        ready: list[Record] = []
        for definition in set(definitions):
            waiting = self._free.get(definition)
            if waiting is None:
                continue
            if not passing_over:
                ready += waiting.lowest(limit, below=(now, _LAST))
                continue
            due = waiting.lowest(below=(now, _LAST))
            wanted = (each for each in due if each.order.scope.tenant_id not in passing_over)
            ready += islice(wanted, limit)
        ready.sort(key=_due_place_of)
        return ready[:limit]

    def earliest(self, now: datetime) -> datetime | None:
        """Tell when the next order can be claimed; past or present: there is one now."""
        self._free_those_run_out(now)
        firsts = [self._leased.first(), *(waiting.first() for waiting in self._free.values())]
        places = [first.due_place for first in firsts if first is not None]
        return min((place[0] for place in places if place is not None), default=None)

    def _free_those_run_out(self, now: datetime) -> None:
        """Move orders whose lease is over among those that nobody holds.

        The late holder may still save until somebody claims the order: its token is the last.
        """
        for record in self._leased.lowest(below=(now, _LAST)):
            record.leased_until = None
            self.place(record)

    def _index_of(self, record: Record) -> SortedIndex[Record]:
        return self._leased if record.due_in is None else self._free[record.due_in]


_LAST: Final = float("inf")
"""Sorts behind every record's number: ``(now, _LAST)`` is the end of this very moment."""
