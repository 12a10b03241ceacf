"""What subscribers receive of an event: the same fields by whichever way it reaches them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid5

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.events import OrderEvent


@frozen
class EventEnvelope:
    """An event as the feed and webhooks show it. Nothing else of the order is shown."""

    event_id: UUID
    """The same on every redelivery."""
    event_type: str
    timestamp: datetime
    tenant_id: UUID
    org_id: UUID
    user_id: str
    """Who caused it: ``system`` for the saga, otherwise the subject of the caller's token."""
    order_id: UUID | None
    """``None``: it belongs to no order but to a stock item, which the payload names."""
    sequence: int
    """Per order, or per stock item, 1..n without a gap."""
    payload: Mapping[str, Any]
    """In JSON values. Of an order: the change by name, both statuses and its facts, as the
    timeline shows them. Of a stock item: the ledger entry."""

    @property
    def subject_id(self) -> UUID:
        """What events keep their order within: the order, or else the stock item."""
        if self.order_id is not None:
            return self.order_id
        sku, location = str(self.payload["sku"]), str(self.payload["location"])
        return uuid5(self.org_id, f"{len(sku)}/{sku}/{location}")

    def to_document(self) -> dict[str, Any]:
        """Return it in JSON values; moments in UTC with a Z (RFC 3339)."""
        return {
            "event_id": str(self.event_id),
            "event_type": self.event_type,
            "timestamp": self.timestamp.isoformat().replace("+00:00", "Z"),
            "tenant_id": str(self.tenant_id),
            "org_id": str(self.org_id),
            "user_id": self.user_id,
            "order_id": None if self.order_id is None else str(self.order_id),
            "sequence": self.sequence,
            "payload": dict(self.payload),
        }


def envelope_of(event: OrderEvent) -> EventEnvelope:
    """Choose what of *event* leaves: field by field, so that a new one never leaves unseen."""
    entry = event.entry
    before = entry.status_before
    return EventEnvelope(
        event_id=event.event_id,
        event_type=event.event_type,
        timestamp=entry.at,
        tenant_id=event.tenant_id,
        org_id=event.org_id,
        user_id=entry.actor,
        order_id=event.order_id,
        sequence=entry.sequence,
        payload={
            "change": entry.change.value,
            "status_before": None if before is None else before.value,
            "status_after": entry.status_after.value,
            "facts": dict(entry.facts),
        },
    )
