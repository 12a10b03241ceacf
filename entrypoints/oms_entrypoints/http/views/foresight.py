"""What clients see of what an operation would cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.order import FulfillmentStatus, ReturnStatus
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentStatus
from oms_entrypoints.http.views.shown import AmountText, Shown

if TYPE_CHECKING:
    from oms_core.application.foresight import Foresight
    from oms_core.domain.order import Order


class StockEffectView(TypedDict):
    """What would change of one stock item, in pieces."""

    sku: str
    location: str
    on_hand_delta: int
    reserved_delta: int


class StatusesView(TypedDict):
    """The statuses of an order at one moment."""

    status: OrderStatus
    payment_status: PaymentStatus
    fulfillment_status: FulfillmentStatus
    return_status: ReturnStatus


class ForesightView(TypedDict):
    """What an operation would cause; nothing was changed."""

    kind: OperationKind
    state: Annotated[
        OperationState,
        Shown("How it would end; `queued` or `running`: it would wait for a person."),
    ]
    why: Annotated[str | None, Shown("Why it would be refused, or wait.")]
    currency: str
    captured: Annotated[AmountText, Shown("What would be taken from the customer.")]
    refunded: Annotated[AmountText, Shown("What would be given back.")]
    released: Annotated[AmountText, Shown("What of the hold would be released.")]
    stock: Annotated[list[StockEffectView], Shown("What would change in stock; empty: nothing.")]
    before: Annotated[StatusesView, Shown("When it begins, after all that was asked before it.")]
    after: StatusesView


def foresight_view(foresight: Foresight) -> ForesightView:
    """Show what an operation would cause."""
    return {
        "kind": foresight.operation.kind,
        "state": foresight.operation.state,
        "why": foresight.why,
        "currency": foresight.before.currency,
        "captured": foresight.captured.amount,
        "refunded": foresight.refunded.amount,
        "released": foresight.released.amount,
        "stock": [
            {
                "sku": effect.item.sku,
                "location": effect.item.location,
                "on_hand_delta": effect.on_hand_delta,
                "reserved_delta": effect.reserved_delta,
            }
            for effect in foresight.stock
        ],
        "before": _statuses_view(foresight.before),
        "after": _statuses_view(foresight.after),
    }


def _statuses_view(order: Order) -> StatusesView:
    return {
        "status": order.status,
        "payment_status": order.payment.status,
        "fulfillment_status": order.fulfillment_status,
        "return_status": order.return_status,
    }
