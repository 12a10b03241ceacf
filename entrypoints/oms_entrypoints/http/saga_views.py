"""What operators see of sagas: every field by name, never the stored document."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict
from uuid import UUID

from oms_core.domain.order_status import OrderStatus
from oms_entrypoints.http.views import SagaView, Shown, order_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.order import Order


class SteeredOrderView(TypedDict):
    """An order as an operator looks at it: where its saga stands."""

    order_id: UUID
    version: Annotated[int, Shown("Counts the saves; also the entity tag of the order.")]
    status: OrderStatus
    created_at: datetime
    saga: SagaView


class SagaListView(TypedDict):
    """Orders whose sagas are unfinished or paused, oldest first."""

    sagas: list[SteeredOrderView]
    limit: int


def steered_order_view(order: Order) -> SteeredOrderView:
    """Show where an order's saga stands."""
    shown = order_view(order)
    return {
        "order_id": shown["order_id"],
        "version": shown["version"],
        "status": shown["status"],
        "created_at": shown["created_at"],
        "saga": shown["saga"],
    }


def saga_list_view(orders: Sequence[Order], *, limit: int) -> SagaListView:
    """Show a list of them."""
    return {"sagas": [steered_order_view(order) for order in orders], "limit": limit}
