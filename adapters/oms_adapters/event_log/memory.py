"""The event log port in the memory of this process."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

from attrs import define, field

from oms_core.ports.event_log import LoggedEvent, by_scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from uuid import UUID

    from oms_core.domain.event_envelope import EventEnvelope
    from oms_core.domain.scope import Scope


@define
class _Book:
    """The log of one scope."""

    events: list[LoggedEvent] = field(factory=list)
    ids: set[UUID] = field(factory=set)


class MemoryEventLog:
    """Keeps events as long as the process lives; implements ``EventLog``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._books: defaultdict[Scope, _Book] = defaultdict(_Book)

    def append(self, events: Sequence[EventEnvelope]) -> None:
        """Number what is new; see ``EventLog.append``."""
        with self._lock:
            for scope, each in by_scope(events).items():
                book = self._books[scope]
                for event in each:
                    if event.event_id not in book.ids:
                        book.ids.add(event.event_id)
                        book.events.append(LoggedEvent(len(book.events) + 1, event))

    def read(self, scope: Scope, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Return what comes after a position; see ``EventLog.read``."""
        with self._lock:
            book = self._books.get(scope)
            return [] if book is None else book.events[after : after + limit]

    def known(self, scope: Scope, event_ids: Collection[UUID]) -> Collection[UUID]:
        """Return the ids that are in the log; see ``EventLog.known``."""
        with self._lock:
            book = self._books.get(scope)
            return set() if book is None else book.ids.intersection(event_ids)

    def heads(self, scopes: Collection[Scope]) -> Mapping[Scope, int]:
        """Tell the last positions; see ``EventLog.heads``."""
        with self._lock:
            return {
                scope: len(self._books[scope].events) if scope in self._books else 0
                for scope in scopes
            }
