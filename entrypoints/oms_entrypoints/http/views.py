"""What clients see of an order and of stock: every field by name, never the stored document.

The types below are also what the OpenAPI document is generated from: an answer and its
description cannot drift apart.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Final,
    Literal,
    TypeAlias,
    TypedDict,
    assert_never,
    cast,
)
from uuid import UUID

from attrs import frozen

from oms_core.domain.events import Change
from oms_core.domain.inventory import AlreadyCommitted, AlreadyReleased, OutOfStock, Reserved
from oms_core.domain.line_item import AdjustmentKind
from oms_core.domain.money import Money
from oms_core.domain.order import FulfillmentStatus, ReservationState, ReturnStatus
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentStatus
from oms_core.domain.saga_position import SagaPhase, SagaState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.application.webhooks import NewSecret, NewSubscription
    from oms_core.domain.delivery import DeadLetter
    from oms_core.domain.events import HistoryEntry
    from oms_core.domain.failure import FailureReason
    from oms_core.domain.inventory import StockLevel, StockMovement
    from oms_core.domain.order import Order, ShippingAddress
    from oms_core.domain.payment import Payment
    from oms_core.domain.saga_position import SagaPosition
    from oms_core.ports.event_log import LoggedEvent
    from oms_core.ports.inventory import ReserveOutcome, StockPage
    from oms_core.ports.storage import OrderPage
    from oms_core.ports.subscriptions import Subscribed


@frozen
class Shown:
    """What the OpenAPI document says about a field beyond its type."""

    says: str
    pattern: str | None = None


AmountText: TypeAlias = Annotated[
    str,
    Shown("Decimal string in major units of the order's currency.", r"^-?[0-9]+(\.[0-9]+)?$"),
]
Cursor: TypeAlias = Annotated[
    str | None, Shown("Send it as `cursor` to get the next page; null on the last page.")
]
Fact: TypeAlias = str | int | bool | None


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


class FailureView(TypedDict):
    """Why an order failed."""

    code: Annotated[str, Shown("For programs, such as `payment_declined`.")]
    message: Annotated[str, Shown("For people.")]
    provider_code: Annotated[str | None, Shown("The payment provider's own code.")]


class PaymentView(TypedDict):
    """How an order is paid; the amounts equal the provider's own sums."""

    provider: str
    reference: str
    status: PaymentStatus
    authorized: AmountText
    captured: AmountText
    refunded: AmountText
    authorization_id: Annotated[str | None, Shown("The provider's own id of the authorization.")]
    authorization_expires_at: datetime | None


class WaitView(TypedDict):
    """Waiting for a customer or a provider."""

    reason: str
    deadline: datetime


class AttentionView(TypedDict):
    """Why a person should look at the order."""

    code: str
    message: str
    since: datetime


class StepView(TypedDict):
    """All attempts at one step of the saga, folded together."""

    step: str
    action: Annotated[str, Shown("`run` or `undo`.")]
    outcome: str
    attempts: int
    first_at: datetime
    last_at: datetime
    error: Annotated[str | None, Shown("The last technical trouble, if there was any.")]


class SagaView(TypedDict):
    """Where the work on an order stands."""

    name: str
    version: int
    state: SagaState
    phase: SagaPhase
    step: str | None
    due_at: Annotated[datetime | None, Shown("When it moves next by itself.")]
    wait: WaitView | None
    attention: AttentionView | None
    steps: list[StepView]


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

    saga: SagaView
    timeline: list[TimelineEntryView]


class OrderPageView(TypedDict):
    """Orders, newest first."""

    orders: list[OrderSummaryView]
    limit: int
    offset: int
    next_cursor: Cursor


class StockLevelView(TypedDict):
    """One sku at one location."""

    sku: str
    location: str
    on_hand: Annotated[int, Shown("What is there.")]
    reserved: Annotated[int, Shown("What is promised to orders.")]
    available: Annotated[int, Shown("What can still be promised.")]


class StockPageView(TypedDict):
    """Stock levels by sku and location."""

    levels: list[StockLevelView]
    limit: int
    next_cursor: Cursor


class ReservationOutcome(StrEnum):
    """What became of a reservation."""

    RESERVED = "reserved"
    OUT_OF_STOCK = "out_of_stock"
    ALREADY_RELEASED = "already_released"
    ALREADY_COMMITTED = "already_committed"


class ShortageView(TypedDict):
    """A stock item that cannot meet its demand."""

    sku: str
    location: str
    wanted: int
    available: int


class ReservationAnswerView(TypedDict):
    """What became of a reservation."""

    outcome: ReservationOutcome
    shortages: Annotated[
        list[ShortageView], Shown("Why it is `out_of_stock`, by sku and location; else empty.")
    ]


class BookingOutcome(StrEnum):
    """What became of a ledger entry."""

    BOOKED = "booked"
    INSUFFICIENT_STOCK = "insufficient_stock"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"


class BookingAnswerView(TypedDict):
    """What became of a ledger entry."""

    outcome: BookingOutcome
    level: Annotated[StockLevelView | None, Shown("The level after it, if it is `booked`.")]
    available: Annotated[
        int | None, Shown("How much could be taken away, if it is `insufficient_stock`.")
    ]


class MovementView(TypedDict):
    """An entry of the ledger."""

    movement_id: str
    sku: str
    location: str
    quantity_delta: int
    reason: str
    at: datetime
    actor: str


class LedgerView(TypedDict):
    """A part of the ledger of one stock item, oldest entries first."""

    movements: list[MovementView]


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


class SubscriptionView(TypedDict):
    """A subscription to webhooks, and how its deliveries are."""

    subscription_id: UUID
    url: str
    event_types: Annotated[list[str], Shown("Only these; empty: all.")]
    enabled: bool
    stopped: Annotated[
        str | None, Shown("Why nothing is sent until somebody sets `enabled` to true.")
    ]
    position: Annotated[
        int, Shown("Everything in the feed up to here was taken, is held, or is a dead letter.")
    ]
    held_orders: Annotated[int, Shown("Orders and stock items whose next event was not taken yet.")]
    failures_in_a_row: int
    next_attempt_at: Annotated[
        datetime | None, Shown("When it is tried again what was not taken; null: at once.")
    ]
    last_error: Annotated[str | None, Shown("Why the last of the held events was not taken.")]
    dead_letters: int
    created_at: datetime


class NewSecretView(SubscriptionView):
    """A subscription with its new secret, which is never shown again."""

    secret: Annotated[str, Shown("Verifies `webhook-signature` (Standard Webhooks).")]


class NewSubscriptionView(SubscriptionView):
    """A new subscription with its secret, which is never shown again."""

    secret: Annotated[
        str | None,
        Shown(
            "Verifies `webhook-signature` (Standard Webhooks). null: a repeat under the same "
            "Idempotency-Key; it was shown the first time."
        ),
    ]


class SubscriptionListView(TypedDict):
    """All subscriptions, the oldest first."""

    subscriptions: list[SubscriptionView]


class DeadLetterView(TypedDict):
    """An event that was given up."""

    position: Annotated[int, Shown("In the feed.")]
    event_id: UUID
    event_type: str
    order_id: UUID | None
    sequence: int
    attempts: int
    first_tried_at: datetime
    given_up_at: datetime
    error: Annotated[str, Shown("Why it was not taken the last time.")]


class DeadLetterListView(TypedDict):
    """All dead letters of a subscription, the oldest first."""

    dead_letters: list[DeadLetterView]


class ReplayedView(TypedDict):
    """How many dead letters are sent again."""

    replayed: int


class HealthView(TypedDict):
    """All is well."""

    status: Literal["ok"]


class MistakeView(TypedDict):
    """One thing wrong with a request."""

    pointer: Annotated[
        str, Shown("JSON pointer (RFC 6901) into the body, or `/` and a parameter's name.")
    ]
    message: str


class ProblemView(TypedDict):
    """Why a request was refused (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    code: Annotated[str, Shown("Stable: for programs to branch on.")]
    detail: Annotated[str, Shown("What is wrong and what to do next.")]
    error: Annotated[str, Shown("The same sentence as `detail`.")]
    request_id: Annotated[str, Shown("Names this request in the server's log.")]


class InvalidInputView(ProblemView):
    """All that is wrong with a request, at once."""

    errors: list[MistakeView]


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
        "saga": _saga_view(order.saga),
        "timeline": [_timeline_entry_view(entry) for entry in order.history],
    }


def order_summary_view(order: Order) -> OrderSummaryView:
    """Show an order without its timeline."""
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
        "failure": _failure_view(order.failure),
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
            }
            for line in order.lines
        ],
        "adjustments": [
            {"kind": item.kind, "amount": item.amount.amount, "label": item.label}
            for item in order.adjustments
        ],
        "shipping_address": _address_view(order.shipping_address),
        "metadata": dict(order.metadata),
        "payment": _payment_view(order.payment, order.currency),
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def stock_level_view(level: StockLevel) -> StockLevelView:
    """Show a stock level."""
    return {
        "sku": level.item.sku,
        "location": level.item.location,
        "on_hand": level.on_hand,
        "reserved": level.reserved,
        "available": level.available,
    }


def stock_page_view(page: StockPage, *, limit: int) -> StockPageView:
    """Show a page of stock levels."""
    return {
        "levels": [stock_level_view(level) for level in page.levels],
        "limit": limit,
        "next_cursor": page.next_cursor,
    }


def reservation_answer_view(outcome: ReserveOutcome) -> ReservationAnswerView:
    """Show what became of a reservation."""
    match outcome:
        case Reserved():
            return {"outcome": ReservationOutcome.RESERVED, "shortages": []}
        case AlreadyReleased():
            return {"outcome": ReservationOutcome.ALREADY_RELEASED, "shortages": []}
        case AlreadyCommitted():
            return {"outcome": ReservationOutcome.ALREADY_COMMITTED, "shortages": []}
        case OutOfStock(shortages):
            return {
                "outcome": ReservationOutcome.OUT_OF_STOCK,
                "shortages": [
                    {
                        "sku": shortage.item.sku,
                        "location": shortage.item.location,
                        "wanted": shortage.wanted,
                        "available": shortage.available,
                    }
                    for shortage in shortages
                ],
            }
        case _:
            assert_never(outcome)


def booked_view(level: StockLevel) -> BookingAnswerView:
    """Show that an entry is in the ledger."""
    return {
        "outcome": BookingOutcome.BOOKED,
        "level": stock_level_view(level),
        "available": None,
    }


def too_little_view(available: int) -> BookingAnswerView:
    """Show that an entry would take away more than is available."""
    return {
        "outcome": BookingOutcome.INSUFFICIENT_STOCK,
        "level": None,
        "available": available,
    }


def key_reused_view() -> BookingAnswerView:
    """Show that an entry's name belongs to another one."""
    return {"outcome": BookingOutcome.IDEMPOTENCY_KEY_REUSED, "level": None, "available": None}


def ledger_view(movements: Sequence[StockMovement]) -> LedgerView:
    """Show a part of a ledger."""
    return {
        "movements": [
            {
                "movement_id": movement.movement_id,
                "sku": movement.item.sku,
                "location": movement.item.location,
                "quantity_delta": movement.quantity_delta,
                "reason": movement.reason,
                "at": movement.at,
                "actor": movement.actor,
            }
            for movement in movements
        ]
    }


def event_page_view(events: Sequence[LoggedEvent], *, after: int) -> EventPageView:
    """Show a page of the feed."""
    return {
        "events": [
            cast("FedEventView", {**logged.event.to_document(), "position": logged.position})
            for logged in events
        ],
        "next_after": events[-1].position if events else after,
    }


def subscription_view(subscribed: Subscribed) -> SubscriptionView:
    """Show a subscription; its secrets are never shown again."""
    subscription, progress = subscribed.subscription, subscribed.progress
    last = max(progress.held, key=lambda held: held.due_at, default=None)
    return {
        "subscription_id": subscription.id,
        "url": subscription.url,
        "event_types": list(subscription.event_types),
        "enabled": subscription.is_enabled,
        "stopped": progress.stopped,
        "position": progress.position,
        "held_orders": len(progress.held),
        "failures_in_a_row": progress.failures,
        "next_attempt_at": progress.next_held_at,
        "last_error": None if last is None else last.error,
        "dead_letters": len(progress.dead),
        "created_at": subscription.created_at,
    }


def new_subscription_view(new: NewSubscription) -> NewSubscriptionView:
    """Show a new subscription with its secret, this once."""
    return {**subscription_view(new.subscribed), "secret": new.secret}


def new_secret_view(new: NewSecret) -> NewSecretView:
    """Show a subscription with its secret, this once."""
    return {**subscription_view(new.subscribed), "secret": new.secret}


def subscription_list_view(subscriptions: Sequence[Subscribed]) -> SubscriptionListView:
    """Show all subscriptions."""
    return {"subscriptions": [subscription_view(each) for each in subscriptions]}


def dead_letter_list_view(dead: Sequence[DeadLetter]) -> DeadLetterListView:
    """Show all dead letters."""
    return {
        "dead_letters": [
            {
                "position": letter.position,
                "event_id": letter.event_id,
                "event_type": letter.event_type,
                "order_id": letter.order_id,
                "sequence": letter.sequence,
                "attempts": letter.attempts,
                "first_tried_at": letter.since,
                "given_up_at": letter.at,
                "error": letter.error,
            }
            for letter in dead
        ]
    }


def replayed_view(replayed: int) -> ReplayedView:
    """Show how many are sent again."""
    return {"replayed": replayed}


def health_view() -> HealthView:
    """Show that all is well."""
    return _ALL_IS_WELL


_ALL_IS_WELL: Final[HealthView] = {"status": "ok"}


def _failure_view(failure: FailureReason | None) -> FailureView | None:
    if failure is None:
        return None
    return {
        "code": failure.code,
        "message": failure.message,
        "provider_code": failure.provider_code,
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


def _payment_view(payment: Payment, currency: str) -> PaymentView:
    held = payment.authorization
    return {
        "provider": payment.provider,
        "reference": payment.reference,
        "status": payment.status,
        "authorized": (Money.zero(currency) if held is None else held.amount).amount,
        "captured": payment.captured.amount,
        "refunded": payment.refunded.amount,
        "authorization_id": None if held is None else held.provider_id,
        "authorization_expires_at": None if held is None else held.expires_at,
    }


def _saga_view(saga: SagaPosition) -> SagaView:
    wait, attention = saga.wait, saga.attention
    return {
        "name": saga.name,
        "version": saga.version,
        "state": saga.state,
        "phase": saga.phase,
        "step": saga.step,
        "due_at": saga.due_at,
        "wait": None if wait is None else {"reason": wait.reason, "deadline": wait.deadline},
        "attention": None
        if attention is None
        else {
            "code": attention.code,
            "message": attention.message,
            "since": attention.since,
        },
        "steps": [
            {
                "step": entry.step,
                "action": entry.action,
                "outcome": entry.outcome,
                "attempts": entry.attempts,
                "first_at": entry.first_at,
                "last_at": entry.last_at,
                "error": entry.error,
            }
            for entry in saga.journal
        ],
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
