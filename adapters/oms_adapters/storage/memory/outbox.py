"""Orders whose history has entries that have not left as events yet."""

from __future__ import annotations

from collections import OrderedDict
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from oms_adapters.storage.memory.sorted_index import SortedIndex

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from oms_adapters.storage.memory.record import Moment, Record
    from oms_core.ports.storage import Unpublished

_events_place_of: Final[Callable[[Record], Moment]] = attrgetter("events_place")
_news_place_of: Final[Callable[[Record], Moment]] = attrgetter("news_place")


class Outbox:
    """First come, first served; what a publisher took comes back when its claim runs out.

    Its callers hold the store's lock.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, Record] = OrderedDict()
        self._claimed: SortedIndex[Record] = SortedIndex(_events_place_of)
        self._by_age: SortedIndex[Record] = SortedIndex(_news_place_of)

    def offer(self, record: Record) -> None:
        """Queue *record* if some of its history has not left and nobody is publishing it."""
        self._note_age(record)
        if record.has_unpublished_events and record.events_place is None:
            self._waiting.setdefault(record.number, record)

    def claim(self, now: datetime, limit: int, until: datetime) -> list[Unpublished]:
        """Give up to *limit* orders to one publisher."""
        for record in self._claimed.lowest(below=(now, _LAST)):
            self._end_claim(record)
            self._waiting[record.number] = record
        taken: list[Unpublished] = []
        while self._waiting and len(taken) < limit:
            _, record = self._waiting.popitem(last=False)
            taken.append(record.claim_events(until))
            self._claimed.add(record)
        return taken

    def mark(self, record: Record, sent: Unpublished) -> None:
        """Record what left, unless the claim was taken over. Repeating it changes nothing."""
        if sent.token != record.events_token:
            return
        record.published = max(record.published, len(sent.order.history))
        self._note_age(record)
        if record.events_place is not None:
            self._end_claim(record)
        if record.has_unpublished_events:
            self.offer(record)
        else:
            self._waiting.pop(record.number, None)

    def since(self) -> datetime | None:
        """Tell when the oldest entry happened that has not left."""
        oldest = self._by_age.first()
        return None if oldest is None else oldest.order.history[oldest.published].at

    def _note_age(self, record: Record) -> None:
        """Keep the place by age in step with what has left."""
        place = None
        if record.has_unpublished_events:
            place = (record.order.history[record.published].at, record.number)
        if place == record.news_place:
            return
        if record.news_place is not None:
            self._by_age.remove(record)
        record.news_place = place
        if place is not None:
            self._by_age.add(record)

    def _end_claim(self, record: Record) -> None:
        self._claimed.remove(record)
        record.events_place = None


_LAST: Final = float("inf")
"""Sorts behind every record's number: ``(now, _LAST)`` is the end of this very moment."""
