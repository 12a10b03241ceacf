"""What clients see of the feed of events."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict, cast
from uuid import UUID

from oms_core.domain.order_status import OrderStatus
from oms_entrypoints.http.views.shown import Fact, Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.ports.event_log import LoggedEvent


class StockPayloadView(TypedDict):
    """What was booked: an entry of the ledger of a stock item."""

    movement_id: Annotated[str, Shown("The entry's name, such as the key of an adjustment.")]
    sku: str
    location: str
    quantity_delta: Annotated[int, Shown("Pieces that came (+) or left (-).")]
    reason: str


class EventPayloadView(TypedDict):
    """What happened, as the order's timeline shows it."""

    change: Annotated[str, Shown("The change by name; new names may be added at any time.")]
    status_before: OrderStatus | None
    status_after: OrderStatus
    facts: dict[str, Fact]


class EventView(TypedDict):
    """One thing that happened to an order or a stock item: the same in feed and webhook."""

    event_id: Annotated[UUID, Shown("The same on every redelivery: handle it once.")]
    event_type: Annotated[
        str,
        Shown(
            "`order.created` for an order's first event, `order.updated` for its others, "
            "`inventory.adjusted` for an entry of the stock ledger."
        ),
    ]
    timestamp: Annotated[datetime, Shown("When it happened.")]
    tenant_id: UUID
    org_id: UUID
    user_id: Annotated[str, Shown("`system`, or who called.")]
    order_id: Annotated[UUID | None, Shown("null: of a stock item, see `payload`.")]
    sequence: Annotated[int, Shown("Per order or stock item 1, 2, 3 … without a gap.")]
    payload: EventPayloadView | StockPayloadView


class FedEventView(EventView):
    """An event in the feed."""

    position: Annotated[int, Shown("In the feed 1, 2, 3 … without a gap.")]


class EventPageView(TypedDict):
    """Events in the order in which they left."""

    events: list[FedEventView]
    next_after: Annotated[int, Shown("Send it as `after` to read on; it never goes back.")]


def event_page_view(events: Sequence[LoggedEvent], *, after: int) -> EventPageView:
    """Show a page of the feed."""
    return {
        "events": [
            cast("FedEventView", {**logged.event.to_document(), "position": logged.position})
            for logged in events
        ],
        "next_after": events[-1].position if events else after,
    }
