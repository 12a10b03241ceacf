"""Fulfillments: goods of an order on their way to the customer."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.failure import FailureReason
    from oms_core.domain.line_item import LineQuantity


class FulfillmentState(StrEnum):
    """How far a fulfillment is."""

    REQUESTED = "requested"
    """Payment is being captured and stock taken; nothing has left yet."""
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    REFUSED = "refused"
    """Nothing left; its pieces can be fulfilled again."""


@frozen
class Tracking:
    """Where a parcel is."""

    carrier: str | None = None
    number: str | None = None
    url: str | None = None


@frozen
class Fulfillment:
    """Some pieces of some lines that leave together."""

    id: UUID
    lines: tuple[LineQuantity, ...]
    state: FulfillmentState
    requested_at: datetime
    tracking: Tracking | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    refusal: FailureReason | None = None

    @property
    def has_left(self) -> bool:
        """Its pieces are no longer in stock."""
        return self.state in {FulfillmentState.SHIPPED, FulfillmentState.DELIVERED}
