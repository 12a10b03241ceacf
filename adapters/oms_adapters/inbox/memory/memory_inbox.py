"""The inbox port over plain objects and one lock."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import defaultdict
from datetime import timedelta
from itertools import count, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, evolve

from oms_core.ports.clock import SystemClock
from oms_core.ports.cursors import InboxPosition, decode_inbox_cursor, encode_inbox_cursor
from oms_core.ports.inbox import InboxPage, InboxState, ReceivedEvent
from oms_core.ports.order_document import to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.ports.clock import Clock
    from oms_core.ports.payments import PaymentRef, ProviderEvent

Name: TypeAlias = "tuple[UUID, str, str]"
"""What an event is known by: tenant, event id, provider."""


@define(eq=False)
class _Kept:
    """One event, its place among the others, and until when somebody acts on it."""

    received: ReceivedEvent
    position: InboxPosition
    claimed_until: datetime | None = None


_position_of: Final[Callable[[_Kept], InboxPosition]] = attrgetter("position")


class MemoryInbox:
    """Keeps notifications in the memory of this process; implements ``WebhookInbox``.

    What was acknowledged lives exactly as long as the process does: for tests, and for
    trying things out. Claims are compared with *clock* (by default the machine's).
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._numbers = count()
        self._events: dict[Name, _Kept] = {}
        self._by_id: defaultdict[tuple[UUID, str], list[_Kept]] = defaultdict(list)
        self._by_payment: defaultdict[tuple[str, PaymentRef], list[_Kept]] = defaultdict(list)
        self._by_state: defaultdict[tuple[UUID | None, InboxState], list[_Kept]] = defaultdict(list)
        """By position; under ``None`` those of all tenants."""

    def store(self, provider: str, events: Sequence[ProviderEvent], *, at: datetime) -> int:
        """Store *events*; see ``WebhookInbox.store``."""
        received_us = to_microseconds(at)
        new = 0
        with self._lock:
            for event in events:
                name = _name(provider, event)
                if name in self._events:
                    continue
                position = InboxPosition(received_us, next(self._numbers))
                kept = _Kept(ReceivedEvent(provider, event, at), position)
                self._events[name] = kept
                self._by_id[event.ref.tenant_id, event.event_id].append(kept)
                insort(self._by_payment[provider, event.ref], kept, key=_position_of)
                self._file(kept)
                new += 1
        return new

    def of_payment(self, provider: str, ref: PaymentRef) -> Sequence[ReceivedEvent]:
        """Return every event of a payment; see ``WebhookInbox.of_payment``."""
        with self._lock:
            return [kept.received for kept in self._by_payment.get((provider, ref), ())]

    def claim_new(
        self,
        holder: str,  # noqa: ARG002 - nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[ReceivedEvent]:
        """Claim events nobody has acted on yet; see ``WebhookInbox.claim_new``."""
        now = self._clock.now()
        until = now + timedelta(seconds=lease_s)
        with self._lock:
            free = (
                kept
                for kept in self._by_state[None, InboxState.NEW]
                if kept.claimed_until is None or kept.claimed_until <= now
            )
            claimed = list(islice(free, limit))
            for kept in claimed:
                kept.claimed_until = until
            return [kept.received for kept in claimed]

    def mark(self, events: Sequence[ReceivedEvent], state: InboxState) -> None:
        """Record what became of *events*; see ``WebhookInbox.mark``."""
        with self._lock:
            for received in events:
                kept = self._events.get(_name(received.provider, received.event))
                if kept is None:
                    continue
                self._unfile(kept)
                kept.received = evolve(kept.received, state=state)
                kept.claimed_until = None
                self._file(kept)

    def list_events(
        self,
        states: Collection[InboxState],
        *,
        tenant_id: UUID | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> InboxPage:
        """List events, newest first; see ``WebhookInbox.list_events``."""
        before = None if cursor is None else decode_inbox_cursor(cursor)
        found: list[_Kept] = []
        with self._lock:
            for state in set(states):
                each = self._by_state.get((tenant_id, state), [])
                end = len(each) if before is None else bisect_left(each, before, key=_position_of)
                found += each[max(0, end - limit - 1) : end]
            found.sort(key=_position_of, reverse=True)
            page = tuple(kept.received for kept in found[:limit])
        goes_on = len(found) > len(page) > 0
        return InboxPage(page, encode_inbox_cursor(found[limit - 1].position) if goes_on else None)

    def find_events(self, tenant_id: UUID, event_id: str) -> Sequence[ReceivedEvent]:
        """Return the tenant's events with this id; see ``WebhookInbox.find_events``."""
        with self._lock:
            return [kept.received for kept in self._by_id.get((tenant_id, event_id), ())]

    def count_new(self) -> int:
        """Count the events nobody has acted on yet; see ``WebhookInbox.count_new``."""
        with self._lock:
            return len(self._by_state[None, InboxState.NEW])

    # ---------------------------------------------------------------------- under the lock

    def _file(self, kept: _Kept) -> None:
        for shelf in self._shelves(kept):
            insort(shelf, kept, key=_position_of)

    def _unfile(self, kept: _Kept) -> None:
        for shelf in self._shelves(kept):
            del shelf[bisect_left(shelf, kept.position, key=_position_of)]

    def _shelves(self, kept: _Kept) -> tuple[list[_Kept], list[_Kept]]:
        state = kept.received.state
        return self._by_state[None, state], self._by_state[kept.received.event.ref.tenant_id, state]


def _name(provider: str, event: ProviderEvent) -> Name:
    return event.ref.tenant_id, event.event_id, provider
