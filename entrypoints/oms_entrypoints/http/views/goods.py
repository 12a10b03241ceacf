"""What clients see of goods on their way: fulfillments, returns, and how many pieces are where."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict
from uuid import UUID

from oms_core.domain.fulfillment import FulfillmentState
from oms_core.domain.returns import Condition, ReturnState
from oms_entrypoints.http.views.failures import FailureView, failure_view
from oms_entrypoints.http.views.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.fulfillment import Fulfillment, Tracking
    from oms_core.domain.line_item import LineQuantity
    from oms_core.domain.quantities import LineQuantities
    from oms_core.domain.returns import Receipt, Return


class LineQuantitiesView(TypedDict):
    """How many pieces of a line are where; the order's statuses follow from them."""

    ordered: int
    cancelled: int
    fulfilling: Annotated[int, Shown("In fulfillments that have not left yet.")]
    fulfilled: Annotated[int, Shown("Left, delivered or not.")]
    delivered: int
    returning: Annotated[int, Shown("In returns, and not back yet.")]
    returned: int
    refunded: Annotated[int, Shown("Given back piece by piece, or about to be.")]


class PiecesView(TypedDict):
    """Some pieces of one line."""

    line: Annotated[int, Shown("The line's number in the order.")]
    quantity: int


class TrackingView(TypedDict):
    """Where a parcel is."""

    carrier: str | None
    number: str | None
    url: str | None


class FulfillmentView(TypedDict):
    """Goods that leave together."""

    fulfillment_id: UUID
    state: FulfillmentState
    lines: list[PiecesView]
    tracking: TrackingView | None
    requested_at: datetime
    shipped_at: datetime | None
    delivered_at: datetime | None
    refusal: Annotated[FailureView | None, Shown("Why nothing left, if it is `refused`.")]


class ReceivedView(TypedDict):
    """Pieces of one line that came back together."""

    line: Annotated[int, Shown("The line's number in the order.")]
    quantity: int
    condition: Condition
    restock: Annotated[bool, Shown("They went back into the stock that they came from.")]


class ReceiptView(TypedDict):
    """Goods that came back in one parcel."""

    receipt_id: UUID
    at: datetime
    is_booked: Annotated[bool, Shown("Stock has been told; until then nothing counts as returned.")]
    lines: list[ReceivedView]


class ReturnView(TypedDict):
    """Goods on their way back."""

    return_id: UUID
    state: ReturnState
    lines: list[PiecesView]
    reason: str | None
    requested_at: datetime
    decided_at: datetime | None
    decision: Annotated[str | None, Shown("The note of whoever decided.")]
    receipts: list[ReceiptView]


def quantities_view(quantities: LineQuantities) -> LineQuantitiesView:
    """Show how many pieces of a line are where."""
    return {
        "ordered": quantities.ordered,
        "cancelled": quantities.cancelled,
        "fulfilling": quantities.fulfilling,
        "fulfilled": quantities.fulfilled,
        "delivered": quantities.delivered,
        "returning": quantities.returning,
        "returned": quantities.returned,
        "refunded": quantities.refunded,
    }


def fulfillment_view(fulfillment: Fulfillment) -> FulfillmentView:
    """Show a fulfillment."""
    return {
        "fulfillment_id": fulfillment.id,
        "state": fulfillment.state,
        "lines": pieces_view(fulfillment.lines),
        "tracking": _tracking_view(fulfillment.tracking),
        "requested_at": fulfillment.requested_at,
        "shipped_at": fulfillment.shipped_at,
        "delivered_at": fulfillment.delivered_at,
        "refusal": failure_view(fulfillment.refusal),
    }


def return_view(a_return: Return) -> ReturnView:
    """Show a return."""
    return {
        "return_id": a_return.id,
        "state": a_return.state,
        "lines": pieces_view(a_return.lines),
        "reason": a_return.reason,
        "requested_at": a_return.requested_at,
        "decided_at": a_return.decided_at,
        "decision": a_return.decision,
        "receipts": [_receipt_view(one) for one in a_return.receipts],
    }


def pieces_view(lines: Sequence[LineQuantity]) -> list[PiecesView]:
    """Show some pieces of some lines."""
    return [{"line": one.line, "quantity": one.quantity} for one in lines]


def _tracking_view(tracking: Tracking | None) -> TrackingView | None:
    if tracking is None:
        return None
    return {"carrier": tracking.carrier, "number": tracking.number, "url": tracking.url}


def _receipt_view(receipt: Receipt) -> ReceiptView:
    return {
        "receipt_id": receipt.id,
        "at": receipt.at,
        "is_booked": receipt.is_booked,
        "lines": [
            {
                "line": one.line,
                "quantity": one.quantity,
                "condition": one.condition,
                "restock": one.restock,
            }
            for one in receipt.lines
        ],
    }
