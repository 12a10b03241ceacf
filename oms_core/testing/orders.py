"""Orders for tests, made of data that nobody mistakes for anything else."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from attrs import evolve

from oms_core.domain.events import Change, HistoryEntry
from oms_core.domain.failure import FailureReason
from oms_core.domain.fulfillment import Fulfillment, FulfillmentState, Tracking
from oms_core.domain.line_item import Adjustment, AdjustmentKind, LineItem, LineQuantity
from oms_core.domain.money import Money
from oms_core.domain.operation import Operation, OperationKind, OperationState
from oms_core.domain.order import Order, ReservationState, ShippingAddress
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import (
    Authorization,
    Capture,
    PaymentStatus,
    Refund,
    TransferState,
)
from oms_core.domain.returns import Condition, Receipt, ReceivedLine, Return, ReturnState
from oms_core.domain.saga_position import (
    Attention,
    SagaPhase,
    SagaPosition,
    StepJournal,
    Wait,
)
from oms_core.domain.scope import Scope, order_id_for
from oms_core.testing.clock import NOON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AWKWARD_STRINGS: Final = (
    "🪑 armchair 👩‍👩‍👧‍👦",
    "Robert'); DROP TABLE orders;--",
    '"double" \\ back\\slash \' and `backtick`',
    "כיסא נוח \u202eكرسي\u202c",
    "line\nbreak\tand\rreturn",
    "combining e\u0301 is not \u00e9",
    "%_*?[a-z]{}$ne",
    " leading and trailing ",
    "",
    "x" * 255,
    "🪑" * 255,
)
"""Text that a careless store cuts, trims, normalizes or executes."""


def a_scope(tenant: str = "acme", org: str = "acme-furniture") -> Scope:
    """Make a scope from two names; the same names make the same scope."""
    return Scope(
        uuid5(NAMESPACE_URL, f"https://tenant.example/{tenant}"),
        uuid5(NAMESPACE_URL, f"https://org.example/{org}"),
    )


def a_saga_position(
    *,
    due_at: datetime | None = NOON,
    definition: str = "place_order/1",
    phase: SagaPhase = SagaPhase.RUNNING,
    step: str | None = "reserve_inventory",
    wait: Wait | None = None,
    attention: Attention | None = None,
) -> SagaPosition:
    """Make a saga's position; *definition* is its name and version, as workers claim by."""
    name, _, version = definition.partition("/")
    return SagaPosition(
        name=name,
        version=int(version),
        phase=phase,
        step=step,
        due_at=due_at,
        wait=wait,
        attention=attention,
    )


def an_order(
    key: str = "CRUNCHY-ARMCHAIR-1",
    *,
    scope: Scope | None = None,
    at: datetime = NOON,
    saga: SagaPosition | None = None,
    provider: str = "simulated",
    payment_reference: str | None = None,
    fingerprint: str | None = None,
    currency: str = "USD",
    lines: Sequence[LineItem] | None = None,
    adjustments: Sequence[Adjustment] = (),
    customer_id: UUID | None = None,
    channel: str = "web",
    platform: str | None = None,
    shipping_address: ShippingAddress | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Order:
    """Make an order as it is first stored.

    The id follows from *scope* and *key*, as it does for real orders. Unless told otherwise,
    its saga is due from *at* on, and it has a payment reference of its own.
    """
    placed_in = scope or a_scope()
    return Order.place(
        order_id=order_id_for(placed_in, key),
        scope=placed_in,
        idempotency_key=key,
        fingerprint=fingerprint or sha256(key.encode()).hexdigest(),
        currency=currency,
        lines=lines or (LineItem(1, "CRUNCHY-ARMCHAIR", 2, Money(12_345, currency)),),
        provider=provider,
        payment_reference=payment_reference or f"pay-{key}",
        saga=saga or a_saga_position(due_at=at),
        at=at,
        actor="pat@example.com",
        adjustments=adjustments,
        customer_id=customer_id,
        channel=channel,
        platform=platform,
        shipping_address=shipping_address,
        metadata=metadata,
    )


def due(order: Order, at: datetime | None) -> Order:
    """Return *order* with its saga due at another moment; ``None``: nothing is to be done."""
    return evolve(order, saga=evolve(order.saga, due_at=at))


def finished(order: Order) -> Order:
    """Return *order* with its saga completed."""
    saga = evolve(order.saga, phase=SagaPhase.COMPLETED, step=None, due_at=None)
    return evolve(order, saga=saga)


def with_status(order: Order, status: OrderStatus, *, at: datetime = NOON) -> Order:
    """Return *order* in *status*, with one more history entry, whatever its path there.

    For tests of stores, which keep what they are given. The order's own methods permit legal
    moves only.
    """
    change = Change.ORDER_FAILED if status is OrderStatus.FAILED else Change.ORDER_CONFIRMED
    entry = HistoryEntry(
        len(order.history) + 1, change, at, "system", order.status, status, {"moved": True}
    )
    return evolve(order, status=status, updated_at=at, history=(*order.history, entry))


def a_very_full_order(key: str = "VERY-FULL-ORDER", *, scope: Scope | None = None) -> Order:
    """Make an order in which no field is empty and every kind of value occurs."""
    later = NOON + timedelta(days=3, microseconds=1)
    text = dict(enumerate(AWKWARD_STRINGS))
    lines = tuple(
        LineItem(
            number=number,
            sku=sku or "SKU-OF-NOTHING",
            quantity=1_000_000,
            unit_price=Money(19, "KWD"),
            name=sku,
            location=f"Lager {number} 🏭",
        )
        for number, sku in enumerate(AWKWARD_STRINGS, start=1)
    )
    placed = an_order(
        key,
        scope=scope,
        currency="KWD",
        lines=lines,
        adjustments=tuple(
            Adjustment(kind, Money(amount, "KWD"), label)
            for kind, amount, label in zip(
                AdjustmentKind, (4_999, 1_234, 1, -1_500), (*AWKWARD_STRINGS[:3], None), strict=True
            )
        ),
        customer_id=uuid5(NAMESPACE_URL, "https://customer.example/pat"),
        channel=text[0],
        platform=text[1],
        shipping_address=ShippingAddress(
            name=text[3],
            line1=text[2],
            line2="c/o Ümläut",
            city="Zürich",
            region="ZH",
            country="CH",
            postal_code="8001",
            phone="+41 44 555 01 23",
        ),
        metadata={f"key {number} {value}"[:255]: value for number, value in text.items()},
    )
    held = Authorization(placed.total, expires_at=later, provider_id="auth_🪑_1")
    saga = SagaPosition(
        name="place_order",
        version=7,
        phase=SagaPhase.COMPENSATING,
        step="authorize_payment",
        due_at=later,
        generation=3,
        generation_since=NOON,
        wait=Wait("customer_action", later),
        attention=Attention("retries_exhausted", "The provider is silent; ask it.", later),
        journal=(
            StepJournal("reserve_inventory", "run", 1, NOON, NOON, "done"),
            StepJournal(
                "authorize_payment",
                "run",
                attempts=99,
                first_at=NOON,
                last_at=later,
                outcome="stuck",
                troubles=12,
                generations=2,
                error="payment_outcome_unknown",
            ),
        ),
        operation=_id("refund"),
        paused=True,
    )
    refused = FailureReason("capture_rejected", "The bank said no. 🏦", "do_not_honor")
    pieces = (LineQuantity(1, 999_999), LineQuantity(2, 1))
    history = (
        *placed.history,
        HistoryEntry(
            2,
            Change.ATTENTION_NEEDED,
            later,
            'pat 🪑 "O\'Neil"',
            OrderStatus.PENDING_PAYMENT,
            OrderStatus.PENDING_PAYMENT,
            {"text": text[0], "count": 2**53, "flag": False, "nothing": None},
        ),
    )
    return evolve(
        placed,
        payment=evolve(
            placed.payment,
            status=PaymentStatus.CAPTURED,
            authorization=held,
            captured=placed.total,
            refunded=Money(1, "KWD"),
            captures=(
                Capture(
                    _id("capture"),
                    Money(7, "KWD"),
                    TransferState.REJECTED,
                    NOON,
                    final=False,
                    operation_ref="cap_🪑_1",
                    refusal=refused,
                ),
                Capture(_id("fulfillment"), placed.total, TransferState.DONE, later),
            ),
            refunds=(
                Refund(
                    _id("refund"),
                    Money(1, "KWD"),
                    TransferState.PENDING,
                    later,
                    lines=pieces,
                    reason=text[4],
                    operation_ref="ref_1",
                    refusal=refused,
                ),
            ),
        ),
        saga=saga,
        reservation=ReservationState.HELD,
        failure=FailureReason("payment_declined", "The bank said no. 🏦", "do_not_honor"),
        history=history,
        updated_at=later,
        fulfillments=(
            Fulfillment(
                _id("fulfillment"),
                pieces,
                FulfillmentState.DELIVERED,
                NOON,
                tracking=Tracking("DHL 📦", text[6], "https://carrier.example/4711"),
                shipped_at=later,
                delivered_at=later,
                refusal=refused,
            ),
        ),
        returns=(
            Return(
                _id("return"),
                pieces,
                ReturnState.PARTIALLY_RECEIVED,
                NOON,
                reason=text[0],
                decided_at=later,
                decision=text[3],
                receipts=(
                    Receipt(
                        _id("receipt"),
                        (ReceivedLine(1, 2, Condition.DAMAGED, restock=False),),
                        later,
                        is_booked=True,
                    ),
                ),
            ),
        ),
        operations=(
            Operation(
                _id("refund"),
                OperationKind.REFUND,
                OperationState.REFUSED,
                NOON,
                'pat 🪑 "O\'Neil"',
                fingerprint="f" * 64,
                subject=_id("return"),
                due_at=later,
                refusal=refused,
                ended_at=later,
            ),
        ),
        past_sagas=(evolve(saga, attention=None, wait=None, due_at=None),),
    )


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"https://order.example/{name}")
