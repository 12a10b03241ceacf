"""An event as one document: its text, and around it what the inbox looks up by."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from bson.int64 import Int64
from bson.objectid import ObjectId

from oms_core.ports.cursors import InboxPosition
from oms_core.ports.event_document import event_from_text, event_to_text
from oms_core.ports.inbox import InboxState, ReceivedEvent
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.payments import ProviderEvent

Document: TypeAlias = "dict[str, Any]"


def name_of(provider: str, event: ProviderEvent) -> Document:
    """Name one event in a filter: by what is unique."""
    return named(event.ref.tenant_id, event.event_id) | {"provider": provider}


def named(tenant_id: UUID, event_id: str) -> Document:
    """Name an event of any provider in a filter."""
    return {"tenant": tenant_id, "event_id": event_id}


def to_stored(provider: str, event: ProviderEvent, at: datetime) -> Document:
    """Write a new event. Its ``_id`` rises, so that it tells events of one moment apart."""
    return {
        "_id": ObjectId(),
        **name_of(provider, event),
        "reference": event.ref.reference,
        "received_us": Int64(to_microseconds(at)),
        "claimed_until_us": Int64(0),
        "document": event_to_text(event),
        **state_of(InboxState.NEW),
    }


def state_of(state: InboxState) -> Document:
    """Return the fields that tell what became of an event."""
    return {"state": state.value, **({"is_new": True} if state is InboxState.NEW else {})}


def from_stored(stored: Document) -> ReceivedEvent:
    """Read an event.

    Raises:
        StoreUnusable: it is not a document that this program can read.
    """
    return ReceivedEvent(
        stored["provider"],
        event_from_text(stored["document"]),
        from_microseconds(stored["received_us"]),
        InboxState(stored["state"]),
    )


def position_of(stored: Document) -> InboxPosition:
    """Tell where an event stands in listings."""
    return InboxPosition(stored["received_us"], int.from_bytes(stored["_id"].binary, "big"))


def id_at(position: InboxPosition) -> ObjectId:
    """Return the ``_id`` of the event at *position*."""
    return ObjectId(position.number.to_bytes(12, "big"))
