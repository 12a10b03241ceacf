"""What clients see of an order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict
from uuid import UUID

from oms_core.domain.events import Change
from oms_core.domain.line_item import AdjustmentKind
from oms_core.domain.money import Money
from oms_core.domain.order import FulfillmentStatus, ReservationState, ReturnStatus
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentStatus
from oms_core.domain.saga_position import SagaState
from oms_entrypoints.http.views.failures import FailureView, failure_view
from oms_entrypoints.http.views.goods import (
    FulfillmentView,
    LineQuantitiesView,
    ReturnView,
    fulfillment_view,
    quantities_view,
    return_view,
)
from oms_entrypoints.http.views.operations import OperationView, operation_view
from oms_entrypoints.http.views.payments import (
    CaptureView,
    PaymentView,
    RefundView,
    capture_view,
    payment_view,
    refund_view,
)
from oms_entrypoints.http.views.sagas import SagaView, saga_view
from oms_entrypoints.http.views.shown import AmountText, Cursor, Fact, Shown

if TYPE_CHECKING:
    from oms_core.domain.events import HistoryEntry
    from oms_core.domain.order import Order, ShippingAddress
    from oms_core.ports.storage import OrderPage


class PlacedView(TypedDict):
    """The answer to a placed order."""

    order_id: UUID
    status: Literal[OrderStatus.PENDING_PAYMENT]


class LineItemView(TypedDict):
    """One line of an order."""

    number: Annotated[int, Shown("Counts from 1 and never changes.")]
    sku: str
    name: str | None
    quantity: int
    unit_price: AmountText
    subtotal: AmountText
    location: str
    quantities: LineQuantitiesView


class AdjustmentView(TypedDict):
    """A signed amount added to the sum of the lines."""

    kind: AdjustmentKind
    amount: AmountText
    label: str | None


class AddressView(TypedDict):
    """Where the goods go."""

    name: str
    line1: str
    line2: str | None
    city: str
    region: str | None
    postal_code: str | None
    country: str
    phone: str | None


class TimelineEntryView(TypedDict):
    """One thing that happened to an order."""

    sequence: Annotated[int, Shown("Counts from 1 without gaps.")]
    change: Change
    at: datetime
    actor: Annotated[str, Shown("`system`, or who called.")]
    status_before: OrderStatus | None
    status_after: OrderStatus
    facts: dict[str, Fact]


class OrderSummaryView(TypedDict):
    """An order as it stands in a list."""

    order_id: UUID
    version: Annotated[int, Shown("Counts the saves; also the entity tag.")]
    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    return_status: ReturnStatus
    reservation: ReservationState
    saga_state: SagaState
    failure: FailureView | None
    idempotency_key: str
    customer_id: UUID | None
    channel: str
    platform: str | None
    currency: str
    subtotal: Annotated[AmountText, Shown("Sum of the lines.")]
    total: Annotated[AmountText, Shown("Sum of the lines and all adjustments.")]
    line_items: list[LineItemView]
    adjustments: list[AdjustmentView]
    shipping_address: AddressView | None
    metadata: dict[str, str]
    payment: PaymentView
    created_at: datetime
    updated_at: datetime


class OrderView(OrderSummaryView):
    """An order with everything that happened to it."""

    operations: Annotated[
        list[OperationView], Shown("All that was asked of the order after it was placed.")
    ]
    fulfillments: list[FulfillmentView]
    returns: list[ReturnView]
    captures: list[CaptureView]
    refunds: list[RefundView]
    saga: SagaView
    timeline: list[TimelineEntryView]


class OrderPageView(TypedDict):
    """Orders, newest first."""

    orders: list[OrderSummaryView]
    limit: int
    offset: int
    next_cursor: Cursor


def placed_view(order_id: UUID, status: Literal[OrderStatus.PENDING_PAYMENT]) -> PlacedView:
    """Show the answer to a placed order."""
    return {"order_id": order_id, "status": status}


def order_page_view(page: OrderPage, *, limit: int, offset: int) -> OrderPageView:
    """Show a page of orders."""
    return {
        "orders": [order_summary_view(order) for order in page.orders],
        "limit": limit,
        "offset": offset,
        "next_cursor": page.next_cursor,
    }


def order_view(order: Order) -> OrderView:
    """Show all of an order."""
    return {
        **order_summary_view(order),
        "operations": [operation_view(one) for one in order.operations],
        "fulfillments": [fulfillment_view(one) for one in order.fulfillments],
        "returns": [return_view(one) for one in order.returns],
        "captures": [capture_view(one) for one in order.payment.captures],
        "refunds": [refund_view(one) for one in order.payment.refunds],
        "saga": saga_view(order.saga),
        "timeline": [_timeline_entry_view(entry) for entry in order.history],
    }


def order_summary_view(order: Order) -> OrderSummaryView:
    """Show an order without its timeline."""
    quantities = order.quantities
    goods = Money(sum(line.subtotal.minor for line in order.lines), order.currency)
    return {
        "order_id": order.id,
        "version": order.version,
        "status": order.status,
        "payment_status": order.payment.status,
        "fulfillment_status": order.fulfillment_status,
        "return_status": order.return_status,
        "reservation": order.reservation,
        "saga_state": order.saga.state,
        "failure": failure_view(order.failure),
        "idempotency_key": order.idempotency_key,
        "customer_id": order.customer_id,
        "channel": order.channel,
        "platform": order.platform,
        "currency": order.currency,
        "subtotal": goods.amount,
        "total": order.total.amount,
        "line_items": [
            {
                "number": line.number,
                "sku": line.sku,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": line.unit_price.amount,
                "subtotal": line.subtotal.amount,
                "location": line.location,
                "quantities": quantities_view(quantities[line.number]),
            }
            for line in order.lines
        ],
        "adjustments": [
            {"kind": item.kind, "amount": item.amount.amount, "label": item.label}
            for item in order.adjustments
        ],
        "shipping_address": _address_view(order.shipping_address),
        "metadata": dict(order.metadata),
        "payment": payment_view(order.payment, order.currency),
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def _address_view(address: ShippingAddress | None) -> AddressView | None:
    if address is None:
        return None
    return {
        "name": address.name,
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "region": address.region,
        "postal_code": address.postal_code,
        "country": address.country,
        "phone": address.phone,
    }


def _timeline_entry_view(entry: HistoryEntry) -> TimelineEntryView:
    return {
        "sequence": entry.sequence,
        "change": entry.change,
        "at": entry.at,
        "actor": entry.actor,
        "status_before": entry.status_before,
        "status_after": entry.status_after,
        "facts": dict(entry.facts),
    }
