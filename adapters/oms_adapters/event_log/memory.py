"""The event log port in the memory of this process."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from itertools import islice
from typing import TYPE_CHECKING

from attrs import define, field

from oms_core.ports.clock import SystemClock
from oms_core.ports.event_log import LoggedEvent, by_scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.event_envelope import EventEnvelope
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock


@define
class _Book:
    """The log of one scope."""

    events: deque[LoggedEvent] = field(factory=deque)
    appended_at: deque[datetime] = field(factory=deque)
    ids: set[UUID] = field(factory=set)
    head: int = 0

    @property
    def oldest(self) -> int:
        """The lowest position that is kept."""
        return self.head - len(self.events) + 1


class MemoryEventLog:
    """Keeps events as long as the process lives; implements ``EventLog``."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._books: defaultdict[Scope, _Book] = defaultdict(_Book)

    def append(self, events: Sequence[EventEnvelope]) -> None:
        """Number what is new; see ``EventLog.append``."""
        now = self._clock.now()
        with self._lock:
            for scope, each in by_scope(events).items():
                book = self._books[scope]
                for event in each:
                    if event.event_id not in book.ids:
                        book.ids.add(event.event_id)
                        book.head += 1
                        book.events.append(LoggedEvent(book.head, event))
                        book.appended_at.append(now)

    def read(self, scope: Scope, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Return what comes after a position; see ``EventLog.read``."""
        with self._lock:
            book = self._books.get(scope)
            if book is None:
                return []
            start = max(0, after - book.oldest + 1)
            return list(islice(book.events, start, start + limit))

    def oldest(self, scope: Scope) -> int:
        """Tell the lowest position; see ``EventLog.oldest``."""
        with self._lock:
            return self._books[scope].oldest if scope in self._books else 1

    def scopes(self) -> Sequence[Scope]:
        """Tell whose events there are; see ``EventLog.scopes``."""
        with self._lock:
            return list(self._books)

    def drop(self, scope: Scope, *, up_to: int | None, before: datetime, limit: int) -> int:
        """Forget the oldest events; see ``EventLog.drop``."""
        with self._lock:
            if scope not in self._books:
                return 0
            book, dropped = self._books[scope], 0
            last = book.head - 1 if up_to is None else min(up_to, book.head - 1)
            while dropped < limit and book.oldest <= last and book.appended_at[0] < before:
                book.ids.remove(book.events.popleft().event.event_id)
                book.appended_at.popleft()
                dropped += 1
            return dropped

    def known(self, scope: Scope, event_ids: Collection[UUID]) -> Collection[UUID]:
        """Return the ids that are in the log; see ``EventLog.known``."""
        with self._lock:
            book = self._books.get(scope)
            return set() if book is None else book.ids.intersection(event_ids)

    def heads(self, scopes: Collection[Scope]) -> Mapping[Scope, int]:
        """Tell the last positions; see ``EventLog.heads``."""
        with self._lock:
            return {
                scope: self._books[scope].head if scope in self._books else 0 for scope in scopes
            }
