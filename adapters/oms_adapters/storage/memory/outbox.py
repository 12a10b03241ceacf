"""Orders whose history has entries that have not left as events yet."""

from __future__ import annotations

from collections import OrderedDict
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from oms_adapters.storage.memory.sorted_index import SortedIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from oms_adapters.storage.memory.record import Moment, Record
    from oms_core.ports.storage import Unpublished

_events_place_of: Final[Callable[[Record], Moment]] = attrgetter("events_place")


class Outbox:
    """First come, first served; what a publisher took comes back when its claim runs out.

    Its callers hold the store's lock.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, Record] = OrderedDict()
        self._claimed: SortedIndex[Record] = SortedIndex(_events_place_of)

    def offer(self, record: Record) -> None:
        """Queue *record* if some of its history has not left and nobody is publishing it."""
        if record.has_unpublished_events and record.events_place is None:
            self._waiting.setdefault(record.number, record)

    def claim(self, now: datetime, limit: int, until: datetime) -> list[Unpublished]:
        """Give up to *limit* orders to one publisher."""
        for record in self._lapsed(now):
            self._end_claim(record)
            self._waiting[record.number] = record
        taken: list[Unpublished] = []
        while self._waiting and len(taken) < limit:
            _, record = self._waiting.popitem(last=False)
            taken.append(record.claim_events(until))
            self._claimed.add(record)
        return taken

    def waits_since(self, now: datetime) -> datetime | None:
        """Tell since when the next in turn waits; ``None``: none does."""
        waiting = next(iter(self._waiting.values()), None)
        moments = [until for until, _ in map(_events_place_of, self._lapsed(now, 1))]
        if waiting is not None:
            moments.append(waiting.order.history[waiting.published].at)
        return min(moments, default=None)

    def mark(self, record: Record, sent: Unpublished) -> None:
        """Record what left, unless the claim was taken over. Repeating it changes nothing."""
        if sent.token != record.events_token:
            return
        record.published = max(record.published, len(sent.order.history))
        if record.events_place is not None:
            self._end_claim(record)
        if record.has_unpublished_events:
            self.offer(record)
        else:
            self._waiting.pop(record.number, None)

    def _lapsed(self, now: datetime, limit: int | None = None) -> Sequence[Record]:
        return self._claimed.lowest(limit, below=(now, _LAST))

    def _end_claim(self, record: Record) -> None:
        self._claimed.remove(record)
        record.events_place = None


_LAST: Final = float("inf")
"""Sorts behind every record's number: ``(now, _LAST)`` is the end of this very moment."""
