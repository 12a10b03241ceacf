"""The inbox port over a list and a lock, for the tests of providers that are not asked."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from attrs import evolve

from oms_core.ports.inbox import InboxPage, InboxState, ReceivedEvent
from oms_core.ports.payments import PaymentRef, ProviderEvent


class MemoryInbox:
    """Keeps events in the order in which they came, each once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[tuple[str, UUID, str], ReceivedEvent] = {}

    def store(self, provider: str, events: Sequence[ProviderEvent], *, at: datetime) -> int:
        with self._lock:
            before = len(self._events)
            for event in events:
                self._events.setdefault(_name(provider, event), ReceivedEvent(provider, event, at))
            return len(self._events) - before

    def of_payment(self, provider: str, ref: PaymentRef) -> Sequence[ReceivedEvent]:
        with self._lock:
            known = list(self._events.values())
        return [one for one in known if one.provider == provider and one.event.ref == ref]

    def claim_new(self, holder: str, *, limit: int, lease_s: float) -> Sequence[ReceivedEvent]:
        """Claim without a lease: one test, one worker."""
        with self._lock:
            new = [one for one in self._events.values() if one.state is InboxState.NEW]
        return new[:limit]

    def mark(self, events: Sequence[ReceivedEvent], state: InboxState) -> None:
        with self._lock:
            for one in events:
                name = _name(one.provider, one.event)
                self._events[name] = evolve(self._events[name], state=state)

    def list_events(
        self,
        states: Collection[InboxState],
        *,
        tenant_id: UUID | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> InboxPage:
        """List the newest; no test of a provider reads on."""
        with self._lock:
            found = [one for one in self._events.values() if one.state in states]
        found = [one for one in found if tenant_id in {None, one.event.ref.tenant_id}]
        return InboxPage(tuple(found[: -limit - 1 : -1]))

    def find_events(self, tenant_id: UUID, event_id: str) -> Sequence[ReceivedEvent]:
        with self._lock:
            known = list(self._events.values())
        return [
            one
            for one in known
            if (one.event.ref.tenant_id, one.event.event_id) == (tenant_id, event_id)
        ]

    def count_new(self) -> int:
        with self._lock:
            return sum(one.state is InboxState.NEW for one in self._events.values())


def _name(provider: str, event: ProviderEvent) -> tuple[str, UUID, str]:
    return provider, event.ref.tenant_id, event.event_id
