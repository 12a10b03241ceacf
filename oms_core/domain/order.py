"""The order aggregate: one frozen document, moved only by the methods below.

Every transition follows one shape: a replay returns ``self``, a refusal comes before any
change, and one fact is appended to the history.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from oms_core.domain.events import Change, Fact, HistoryEntry, OrderEvent
from oms_core.domain.line_item import Adjustment, LineItem, order_total
from oms_core.domain.money import Money
from oms_core.domain.operation import Operation, OperationState
from oms_core.domain.order_status import TRANSITIONS, OrderStatus
from oms_core.domain.payment import Authorization, Payment, PaymentStatus
from oms_core.domain.quantities import LineQuantities, count_pieces
from oms_core.errors import AmountMismatch, IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.failure import FailureReason
    from oms_core.domain.fulfillment import Fulfillment
    from oms_core.domain.returns import Return
    from oms_core.domain.saga_position import Attention, SagaPosition
    from oms_core.domain.scope import Scope

SYSTEM = "system"
"""The actor of everything the saga does by itself."""


@frozen
class ShippingAddress:
    """Where the goods go."""

    name: str
    line1: str
    city: str
    country: str
    """ISO 3166-1 alpha-2, e.g. ``DE``."""
    line2: str | None = None
    region: str | None = None
    postal_code: str | None = None
    phone: str | None = None


class ReservationState(StrEnum):
    """What the order knows of its stock."""

    NONE = "none"
    EARMARKED = "earmarked"
    """Held for a limited time (SOFT allocation); made firm when the order is confirmed."""
    HELD = "held"
    REFUSED = "refused"
    RELEASED = "released"


class FulfillmentStatus(StrEnum):
    """How much of the goods has left; derived from the quantities of the lines."""

    UNFULFILLED = "unfulfilled"
    PARTIALLY_FULFILLED = "partially_fulfilled"
    FULFILLED = "fulfilled"
    DELIVERED = "delivered"


class ReturnStatus(StrEnum):
    """How much of the goods has come back; derived from the quantities of the lines."""

    NONE = "none"
    REQUESTED = "requested"
    PARTIALLY_RETURNED = "partially_returned"
    RETURNED = "returned"


@frozen
class Order:
    """One order: header, lines, payment, reservation, saga position and history.

    ``version`` counts the saves; a save is accepted only on the version that was read.
    """

    id: UUID
    scope: Scope
    idempotency_key: str = field(repr=False)
    fingerprint: str = field(repr=False)
    customer_id: UUID | None = field(repr=False)
    channel: str
    platform: str | None
    lines: tuple[LineItem, ...] = field(repr=False)
    adjustments: tuple[Adjustment, ...] = field(repr=False)
    shipping_address: ShippingAddress | None = field(repr=False)
    metadata: Mapping[str, str] = field(repr=False)
    total: Money
    payment: Payment = field(repr=False)
    saga: SagaPosition = field(repr=False)
    created_at: datetime
    updated_at: datetime
    status: OrderStatus = OrderStatus.PENDING_PAYMENT
    reservation: ReservationState = ReservationState.NONE
    failure: FailureReason | None = None
    history: tuple[HistoryEntry, ...] = field(default=(), repr=False)
    version: int = 1
    fulfillments: tuple[Fulfillment, ...] = field(default=(), repr=False)
    returns: tuple[Return, ...] = field(default=(), repr=False)
    operations: tuple[Operation, ...] = field(default=(), repr=False)
    """All that was ever asked of the order, oldest first."""
    past_sagas: tuple[SagaPosition, ...] = field(default=(), repr=False)
    """Sagas that are over, oldest first; ``saga`` is the present or the last one."""

    @classmethod
    def place(
        cls,
        *,
        order_id: UUID,
        scope: Scope,
        idempotency_key: str,
        fingerprint: str,
        currency: str,
        lines: Sequence[LineItem],
        provider: str,
        payment_reference: str,
        saga: SagaPosition,
        at: datetime,
        actor: str = SYSTEM,
        adjustments: Sequence[Adjustment] = (),
        customer_id: UUID | None = None,
        channel: str = "",
        platform: str | None = None,
        shipping_address: ShippingAddress | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Order:
        """Make the order as it is first stored: accepted, nothing reserved, nothing held."""
        amount = order_total(lines, adjustments, currency)
        facts: dict[str, Fact] = {
            "total": amount.amount,
            "currency": currency,
            "lines": len(lines),
        }
        placed = HistoryEntry(
            1, Change.ORDER_PLACED, at, actor, None, OrderStatus.PENDING_PAYMENT, facts
        )
        return cls(
            id=order_id,
            scope=scope,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            customer_id=customer_id,
            channel=channel,
            platform=platform,
            lines=tuple(lines),
            adjustments=tuple(adjustments),
            shipping_address=shipping_address,
            metadata=dict(metadata or {}),
            total=amount,
            payment=Payment(
                provider=provider,
                reference=payment_reference,
                status=PaymentStatus.PENDING,
                captured=Money.zero(currency),
                refunded=Money.zero(currency),
            ),
            saga=saga,
            created_at=at,
            updated_at=at,
            history=(placed,),
        )

    @property
    def currency(self) -> str:
        """ISO 4217 code of every amount of this order."""
        return self.total.currency

    @property
    def quantities(self) -> dict[int, LineQuantities]:
        """How many pieces of each line are where, by the line's number."""
        return count_pieces(
            self.lines,
            self.fulfillments,
            self.returns,
            self.payment.refunds,
            cancelled=self.status is OrderStatus.CANCELLED,
        )

    @property
    def fulfillment_status(self) -> FulfillmentStatus:
        """How much of the goods has left."""
        pieces = self.quantities.values()
        if all(one.delivered == one.ordered for one in pieces):
            return FulfillmentStatus.DELIVERED
        if all(one.fulfilled == one.ordered for one in pieces):
            return FulfillmentStatus.FULFILLED
        if any(one.fulfilled for one in pieces):
            return FulfillmentStatus.PARTIALLY_FULFILLED
        return FulfillmentStatus.UNFULFILLED

    @property
    def return_status(self) -> ReturnStatus:
        """How much of the goods has come back."""
        pieces = self.quantities.values()
        if all(one.returned == one.ordered for one in pieces):
            return ReturnStatus.RETURNED
        if any(one.returned for one in pieces):
            return ReturnStatus.PARTIALLY_RETURNED
        if any(one.returning for one in pieces):
            return ReturnStatus.REQUESTED
        return ReturnStatus.NONE

    @property
    def is_settled(self) -> bool:
        """Nothing will happen until somebody outside acts: a customer, a provider, a person."""
        return (
            self.saga.phase.is_over
            or self.saga.paused
            or self.saga.wait is not None
            or self.saga.attention is not None
        )

    @property
    def payment_is_free_again(self) -> bool:
        """The payment reference may back another order."""
        return self.status.is_dead

    def events(self, after: int = 0) -> tuple[OrderEvent, ...]:
        """Events for the history entries numbered above *after*, in order."""
        return tuple(OrderEvent.of(self.scope, self.id, entry) for entry in self.history[after:])

    # -- stock ---------------------------------------------------------------------------

    def record_reservation(self, *, at: datetime, soft: bool = False) -> Order:
        """Record that the inventory holds every line; *soft*: for a limited time.

        An earmark that is made firm is the same reservation, so no second fact.
        """
        held = ReservationState.EARMARKED if soft else ReservationState.HELD
        if self.reservation is held:
            return self
        if self.reservation is ReservationState.EARMARKED:
            return evolve(self, reservation=held)
        return self.with_change(Change.INVENTORY_RESERVED, at=at, reservation=held)

    def record_shortage(self, missing: Mapping[str, int], *, at: datetime) -> Order:
        """Record that the inventory refused; *missing* is how many pieces lack, per sku."""
        if self.reservation is ReservationState.REFUSED:
            return self
        return self.with_change(
            Change.INVENTORY_REFUSED,
            at=at,
            facts=dict(missing),
            reservation=ReservationState.REFUSED,
        )

    def record_release(self, *, at: datetime) -> Order:
        """Record that whatever was reserved is available again."""
        if self.reservation not in {ReservationState.HELD, ReservationState.EARMARKED}:
            return self
        return self.with_change(
            Change.INVENTORY_RELEASED, at=at, reservation=ReservationState.RELEASED
        )

    # -- payment -------------------------------------------------------------------------

    def authorize_payment(
        self, held: Authorization, *, at: datetime, captured: Money | None = None
    ) -> Order:
        """Record that the provider holds (or, with *captured*, already took) the money.

        Recording the same authorization again returns ``self``: the saga may replay this
        step after a crash between our commit and its checkpoint.

        Raises:
            AmountMismatch: *held* is not exactly the order's total; release it.
            IllegalTransition: the order no longer awaits payment.
        """
        if held == self.payment.authorization:
            return self
        if held.amount != self.total:
            raise AmountMismatch(self.id, str(self.total), str(held.amount))
        status = PaymentStatus.CAPTURED if captured else PaymentStatus.AUTHORIZED
        payment = evolve(
            self.payment,
            status=status,
            authorization=held,
            captured=captured or self.payment.captured,
        )
        facts: dict[str, Fact] = {"amount": held.amount.amount, "currency": self.currency}
        if captured:
            facts["captured"] = captured.amount
        if held.provider_id:
            facts["provider_id"] = held.provider_id
        return self.moved_to(
            OrderStatus.PAYMENT_AUTHORIZED,
            Change.PAYMENT_AUTHORIZED,
            at=at,
            facts=facts,
            payment=payment,
        )

    def need_no_payment(self, *, at: datetime) -> Order:
        """Record that a total of zero needs no authorization.

        Raises:
            IllegalTransition: the order no longer awaits payment.
        """
        if self.payment.status is PaymentStatus.NOT_REQUIRED:
            return self
        payment = evolve(self.payment, status=PaymentStatus.NOT_REQUIRED)
        return self.moved_to(
            OrderStatus.PAYMENT_AUTHORIZED,
            Change.PAYMENT_AUTHORIZED,
            at=at,
            facts={"amount": self.total.amount, "currency": self.currency, "required": False},
            payment=payment,
        )

    def await_customer(self, *, next_action: str | None, at: datetime) -> Order:
        """Record that the customer must act before the provider authorizes."""
        if self.payment.status is PaymentStatus.ACTION_REQUIRED:
            return self
        payment = evolve(self.payment, status=PaymentStatus.ACTION_REQUIRED)
        facts: dict[str, Fact] = {"next_action": next_action} if next_action else {}
        return self.with_change(
            Change.CUSTOMER_ACTION_REQUIRED, at=at, facts=facts, payment=payment
        )

    def await_provider(self, *, at: datetime) -> Order:
        """Record that the provider has not decided yet. Only the first time is a fact."""
        if any(entry.change is Change.PAYMENT_PENDING for entry in self.history):
            return self
        payment = evolve(self.payment, status=PaymentStatus.PENDING)
        return self.with_change(Change.PAYMENT_PENDING, at=at, payment=payment)

    def record_refusal(self, reason: FailureReason, *, at: datetime) -> Order:
        """Record that there will be no authorization, and why."""
        if any(entry.change is Change.PAYMENT_REFUSED for entry in self.history):
            return self
        payment = evolve(self.payment, status=PaymentStatus.DECLINED)
        facts: dict[str, Fact] = {"code": reason.code}
        if reason.provider_code:
            facts["provider_code"] = reason.provider_code
        return self.with_change(Change.PAYMENT_REFUSED, at=at, facts=facts, payment=payment)

    def record_payment_released(self, refunded: Money | None = None, *, at: datetime) -> Order:
        """Record that nothing is held any more: voided, or refunded if it was captured."""
        if any(entry.change is Change.PAYMENT_RELEASED for entry in self.history):
            return self
        zero = Money.zero(self.currency)
        payment = evolve(
            self.payment,
            status=PaymentStatus.REFUNDED if refunded else PaymentStatus.VOIDED,
            authorization=None,
            captured=refunded or zero,
            refunded=refunded or zero,
        )
        facts: dict[str, Fact] = {"refunded": refunded.amount} if refunded else {"voided": True}
        return self.with_change(Change.PAYMENT_RELEASED, at=at, facts=facts, payment=payment)

    # -- ends ----------------------------------------------------------------------------

    def confirm(self, *, at: datetime) -> Order:
        """Promise the goods to the customer: stock is held and payment is authorized.

        Raises:
            IllegalTransition: the payment is not authorized.
        """
        if self.status is OrderStatus.CONFIRMED:
            return self
        return self.moved_to(OrderStatus.CONFIRMED, Change.ORDER_CONFIRMED, at=at)

    def fail(self, *, at: datetime) -> Order:
        """End the order after its compensation is complete; ``failure`` says why.

        Raises:
            IllegalTransition: the order was confirmed already.
        """
        if self.status is OrderStatus.FAILED:
            return self
        facts: dict[str, Fact] = {"code": self.failure.code} if self.failure else {}
        return self.moved_to(OrderStatus.FAILED, Change.ORDER_FAILED, at=at, facts=facts)

    # -- people --------------------------------------------------------------------------

    def call_for_attention(self, attention: Attention) -> Order:
        """Flag the order for a person; the same flag again changes nothing."""
        if self.saga.attention is not None and self.saga.attention.code == attention.code:
            return self
        return self.with_change(
            Change.ATTENTION_NEEDED,
            at=attention.since,
            facts={"code": attention.code, "message": attention.message},
            saga=evolve(self.saga, attention=attention),
        )

    def resolve_attention(self, *, reason: str, actor: str, at: datetime) -> Order:
        """Take the flag down and let the saga go on at once, with a new retry budget."""
        saga = evolve(self.saga.forgiven(), attention=None, due_at=at)
        return self.with_change(
            Change.ATTENTION_RESOLVED, at=at, actor=actor, facts={"reason": reason}, saga=saga
        )

    # -- operations ----------------------------------------------------------------------

    def operation(self, operation_id: UUID | None) -> Operation | None:
        """Return the operation with this id."""
        return next((one for one in self.operations if one.id == operation_id), None)

    @property
    def present_operation(self) -> Operation | None:
        """What the present saga was asked for by; ``None``: by placing the order."""
        return self.operation(self.saga.operation)

    @property
    def operation_id(self) -> UUID:
        """The id of the present operation, and of the capture, refund or parcel it is about.

        Raises:
            LookupError: the present saga was begun by placing the order.
        """
        if self.saga.operation is None:
            message = f"saga {self.saga.definition} was begun by no operation"
            raise LookupError(message)
        return self.saga.operation

    @property
    def refusal(self) -> FailureReason | None:
        """Why the present operation is refused, if it is."""
        asked = self.present_operation
        return None if asked is None else asked.refusal

    def with_operation(self, operation: Operation) -> Order:
        """Put *operation* in the place of its earlier form, or at the end."""
        if self.operation(operation.id) is None:
            return evolve(self, operations=(*self.operations, operation))
        return evolve(
            self,
            operations=tuple(
                operation if one.id == operation.id else one for one in self.operations
            ),
        )

    def refuse(self, reason: FailureReason) -> Order:
        """Record why the present saga turns back; the first reason stays."""
        asked = self.present_operation
        if asked is None:
            return evolve(self, failure=self.failure or reason)
        return self.with_operation(evolve(asked, refusal=asked.refusal or reason))

    def end_operation(self, state: OperationState, *, at: datetime) -> Order:
        """Record that the present operation is over, unless it was recorded already."""
        asked = self.present_operation
        if asked is None or asked.is_over:
            return self
        return self.with_operation(evolve(asked, state=state, ended_at=at))

    # -- one fact at a time --------------------------------------------------------------

    def moved_to(
        self,
        status: OrderStatus,
        change: Change,
        *,
        at: datetime,
        facts: Mapping[str, Fact] | None = None,
        actor: str = SYSTEM,
        **fields: Any,
    ) -> Order:
        """Move to *status* and append one fact, together with the *fields* that it changes.

        Raises:
            IllegalTransition: the table of statuses knows no such move.
        """
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(self.id, self.status, status)
        return self.with_change(change, at=at, actor=actor, facts=facts, status=status, **fields)

    def brought_to(
        self,
        status: OrderStatus,
        change: Change,
        *,
        at: datetime,
        facts: Mapping[str, Fact] | None = None,
        actor: str = SYSTEM,
        **fields: Any,
    ) -> Order:
        """Like ``moved_to``, but an order that is in *status* already stays there."""
        if status is self.status:
            return self.with_change(change, at=at, actor=actor, facts=facts, **fields)
        return self.moved_to(status, change, at=at, actor=actor, facts=facts, **fields)

    def with_change(
        self,
        change: Change,
        *,
        at: datetime,
        actor: str = SYSTEM,
        facts: Mapping[str, Fact] | None = None,
        status: OrderStatus | None = None,
        **fields: Any,
    ) -> Order:
        """Append one fact, together with the *fields* that it changes."""
        after = status or self.status
        entry = HistoryEntry(
            sequence=len(self.history) + 1,
            change=change,
            at=at,
            actor=actor,
            status_before=self.status,
            status_after=after,
            facts=dict(facts or {}),
        )
        history = (*self.history, entry)
        return evolve(self, status=after, history=history, updated_at=at, **fields)
