"""An entry of the stock ledger on its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from attrs import frozen

from oms_core.domain.event_envelope import EventEnvelope
from oms_core.domain.events import INVENTORY_ADJUSTED

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.domain.inventory import StockMovement
    from oms_core.domain.scope import Scope

STOCK_EVENT_NAMESPACE: Final = UUID("6d4a1f0e-8b57-5a3d-9c21-70e5f2b84d19")
"""Fixed for ever: changing it would let every entry leave once more, under another id."""


@frozen
class StockEvent:
    """A ledger entry as an event.

    ``event_id`` is the same on every redelivery. Per stock item, ``sequence`` runs 1..n without
    a gap and events leave in that order, at least once.
    """

    scope: Scope
    movement: StockMovement
    sequence: int
    """The number of the entry in the ledger of its item."""

    @property
    def event_id(self) -> UUID:
        """Derived from the item and the number of the entry."""
        return uuid5(self._subject, f"event/{self.sequence}")

    @property
    def event_type(self) -> str:
        """Always ``inventory.adjusted``."""
        return INVENTORY_ADJUSTED

    @property
    def timestamp(self) -> datetime:
        """When it was booked."""
        return self.movement.at

    @property
    def _subject(self) -> UUID:
        item, scope = self.movement.item, self.scope
        # The sku's length keeps sku and location apart.
        name = f"{scope.tenant_id.hex}{scope.org_id.hex}{len(item.sku)}/{item.sku}/{item.location}"
        return uuid5(STOCK_EVENT_NAMESPACE, name)


def stock_envelope_of(event: StockEvent) -> EventEnvelope:
    """Choose what of *event* leaves: field by field, so that a new one never leaves unseen.

    No order is named: what goods left or came back with is told by the order's own events.
    """
    movement, scope = event.movement, event.scope
    return EventEnvelope(
        event_id=event.event_id,
        event_type=event.event_type,
        timestamp=event.timestamp,
        tenant_id=scope.tenant_id,
        org_id=scope.org_id,
        user_id=movement.actor,
        order_id=None,
        sequence=event.sequence,
        payload={
            "movement_id": movement.movement_id,
            "sku": movement.item.sku,
            "location": movement.item.location,
            "quantity_delta": movement.quantity_delta,
            "reason": movement.reason,
        },
    )
