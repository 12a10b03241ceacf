"""The order's history: what people read as its timeline, and what leaves as events."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import field, frozen

from oms_core.domain.scope import event_id_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.order_status import OrderStatus
    from oms_core.domain.scope import Scope

Fact: TypeAlias = "str | int | bool | None"


INVENTORY_ADJUSTED: Final = "inventory.adjusted"
EVENT_TYPES: Final = ("order.created", "order.updated", INVENTORY_ADJUSTED)


class Change(StrEnum):
    """What can happen to an order."""

    ORDER_PLACED = "order_placed"
    INVENTORY_RESERVED = "inventory_reserved"
    INVENTORY_REFUSED = "inventory_refused"
    INVENTORY_RELEASED = "inventory_released"
    CUSTOMER_ACTION_REQUIRED = "customer_action_required"
    PAYMENT_PENDING = "payment_pending"
    PAYMENT_AUTHORIZED = "payment_authorized"
    PAYMENT_REFUSED = "payment_refused"
    PAYMENT_RELEASED = "payment_released"
    PAYMENT_CAPTURED = "payment_captured"
    CAPTURE_REJECTED = "capture_rejected"
    PAYMENT_REFUNDED = "payment_refunded"
    REFUND_REQUESTED = "refund_requested"
    REFUND_PENDING = "refund_pending"
    REFUND_REJECTED = "refund_rejected"
    PAYMENT_CORRECTED = "payment_corrected"
    """The provider says something else than the order did: its word counts."""
    AUTHORIZATION_RENEWED = "authorization_renewed"
    AUTHORIZATION_LAPSED = "authorization_lapsed"
    ORDER_CONFIRMED = "order_confirmed"
    ORDER_FAILED = "order_failed"
    CANCELLATION_REQUESTED = "cancellation_requested"
    ORDER_CANCELLED = "order_cancelled"
    FULFILLMENT_REQUESTED = "fulfillment_requested"
    FULFILLMENT_REFUSED = "fulfillment_refused"
    GOODS_SHIPPED = "goods_shipped"
    GOODS_DELIVERED = "goods_delivered"
    ORDER_COMPLETED = "order_completed"
    RETURN_REQUESTED = "return_requested"
    RETURN_APPROVED = "return_approved"
    RETURN_REJECTED = "return_rejected"
    GOODS_RETURNED = "goods_returned"
    ATTENTION_NEEDED = "attention_needed"
    ATTENTION_RESOLVED = "attention_resolved"
    SAGA_PAUSED = "saga_paused"
    SAGA_RESUMED = "saga_resumed"
    STEP_SKIPPED = "step_skipped"
    COMPENSATION_ORDERED = "compensation_ordered"


@frozen
class HistoryEntry:
    """One thing that happened to an order. Numbered 1..n without gaps, never edited."""

    sequence: int
    change: Change
    at: datetime
    actor: str
    """``system`` for the saga, otherwise the subject of the caller's token."""
    status_before: OrderStatus | None
    status_after: OrderStatus
    facts: Mapping[str, Fact] = field(factory=dict)
    """Details for people and subscribers: codes and ids, never secrets or personal data."""


@frozen
class OrderEvent:
    """A history entry on its way out.

    ``event_id`` is the same on every redelivery. Per order, ``sequence`` runs 1..n without
    a gap and events leave in that order, at least once.
    """

    tenant_id: UUID
    org_id: UUID
    order_id: UUID
    entry: HistoryEntry

    @classmethod
    def of(cls, scope: Scope, order_id: UUID, entry: HistoryEntry) -> OrderEvent:
        """Wrap *entry* for sending."""
        return cls(scope.tenant_id, scope.org_id, order_id, entry)

    @property
    def event_id(self) -> UUID:
        """Derived from the order and the sequence number."""
        return event_id_for(self.order_id, self.entry.sequence)

    @property
    def event_type(self) -> str:
        """``order.created`` for the first entry, ``order.updated`` for all others."""
        return "order.created" if self.entry.change is Change.ORDER_PLACED else "order.updated"

    @property
    def sequence(self) -> int:
        """Position in the order's history, from 1."""
        return self.entry.sequence
