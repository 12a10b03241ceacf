"""The event log port: what has happened, numbered, so that anybody can catch up at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from attrs import frozen

from oms_core.domain.event_envelope import EventEnvelope
from oms_core.domain.scope import Scope
from oms_core.ports.order_document import from_microseconds, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime


@frozen
class LoggedEvent:
    """An event and its position in the log of its tenant and organization."""

    position: int
    event: EventEnvelope


class EventLog(Protocol):
    """Numbers events as they leave, and keeps them for readers.

    Promises every adapter keeps (``oms_core.testing.EventLogContract`` runs them all):

    * Positions count 1, 2, 3 … per (tenant, organization): no number is ever missing, and none
      is seen before those below it. So whoever has read up to a position has read everything
      that will ever be at or below it.
    * An event has one position, however often and from however many processes at once it is
      appended: its ``event_id`` tells.
    * Events of one order or stock item that are appended in sequence have rising positions.
    * What ``append`` acknowledged is readable by the next read, after any crash.
    * What is dropped are the lowest positions: what is kept has no gap.
    * Scopes never see each other, nor how much happens elsewhere.

    Every method raises ``StoreUnavailable`` when the store cannot answer: repeat the call.
    """

    def append(self, events: Sequence[EventEnvelope]) -> None:
        """Give each event that is not there yet the next position of its scope.

        The events may be of any orders, items and scopes. One write of the store for all.
        """
        ...

    def read(self, scope: Scope, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Return up to *limit* events of *scope* above position *after*, in order."""
        ...

    def known(self, scope: Scope, event_ids: Collection[UUID]) -> Collection[UUID]:
        """Return those of *event_ids* that are in the log of *scope*; for checkers."""
        ...

    def oldest(self, scope: Scope) -> int:
        """Tell the lowest position that is kept; 1 where nothing was dropped."""
        ...

    def scopes(self) -> Sequence[Scope]:
        """Tell whose events there are."""
        ...

    def drop(self, scope: Scope, *, up_to: int | None, before: datetime, limit: int) -> int:
        """Forget the oldest events; returns how many, 0: there are no more such.

        Those that were appended before that moment, at or below position *up_to*, and no more
        than *limit*. The last event of a scope is never dropped, and no position is given out
        again. An event that is appended again after it was dropped is a new one.
        """
        ...

    def heads(self, scopes: Collection[Scope]) -> Mapping[Scope, int]:
        """Tell the last position of each of *scopes*; 0 where nothing happened."""
        ...


def not_kept(oldest: int) -> str:
    """Say to a reader what to do whose position lies below what is kept."""
    return (
        f"lies below what is kept: the oldest event has position {oldest}; read the orders and "
        f"stock levels as they are now, and then go on after {oldest - 1}"
    )


def to_log_document(event: EventEnvelope) -> dict[str, Any]:
    """Return what a store keeps beside scope and position, in JSON values."""
    return {
        "id": str(event.event_id),
        "type": event.event_type,
        "at_us": to_microseconds(event.timestamp),
        "user": event.user_id,
        "order": None if event.order_id is None else str(event.order_id),
        "sequence": event.sequence,
        "payload": dict(event.payload),
    }


def from_log_document(scope: Scope, document: Mapping[str, Any]) -> EventEnvelope:
    """Read back what ``to_log_document`` made."""
    return EventEnvelope(
        event_id=UUID(document["id"]),
        event_type=document["type"],
        timestamp=from_microseconds(document["at_us"]),
        tenant_id=scope.tenant_id,
        org_id=scope.org_id,
        user_id=document["user"],
        order_id=None if document["order"] is None else UUID(document["order"]),
        sequence=document["sequence"],
        payload=document["payload"],
    )


def by_scope(events: Sequence[EventEnvelope]) -> dict[Scope, list[EventEnvelope]]:
    """Sort *events* into their scopes, each event once, in the order given."""
    sorted_in: dict[Scope, dict[UUID, EventEnvelope]] = {}
    for event in events:
        scope = Scope(event.tenant_id, event.org_id)
        sorted_in.setdefault(scope, {}).setdefault(event.event_id, event)
    return {scope: list(each.values()) for scope, each in sorted_in.items()}
