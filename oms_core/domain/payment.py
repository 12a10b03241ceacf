"""The order's payment: what the provider holds, took and gave back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.failure import FailureReason
    from oms_core.domain.line_item import LineQuantity
    from oms_core.domain.money import Money


class PaymentState(StrEnum):
    """Where a payment stands, in one vocabulary for all providers."""

    REQUIRES_ACTION = "requires_action"
    """The customer must act first, e.g. 3-D Secure."""
    CONFIRMABLE = "confirmable"
    """Nothing is held yet; ``authorize`` may act."""
    PENDING = "pending"
    """The provider has not decided, or says something we do not know."""
    AUTHORIZED = "authorized"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class PaymentStatus(StrEnum):
    """What the API shows beside the order's status."""

    PENDING = "pending"
    ACTION_REQUIRED = "action_required"
    NOT_REQUIRED = "not_required"
    AUTHORIZED = "authorized"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    DECLINED = "declined"
    VOIDED = "voided"


@frozen
class Authorization:
    """Money the provider holds for the order."""

    amount: Money
    expires_at: datetime | None = None
    """When the hold lapses by itself, if the provider says so."""
    provider_id: str | None = None
    """The provider's own id of the authorization."""


class TransferState(StrEnum):
    """How far a capture or a refund is."""

    REQUESTED = "requested"
    """Written down before the provider is asked."""
    PENDING = "pending"
    """The provider accepted it and has not told its end."""
    DONE = "done"
    REJECTED = "rejected"

    @property
    def is_open(self) -> bool:
        """Its end is not known."""
        return self in {TransferState.REQUESTED, TransferState.PENDING}


@frozen
class Capture:
    """Held money that was, or is to be, taken."""

    id: UUID
    amount: Money
    state: TransferState
    requested_at: datetime
    final: bool = True
    """What is left of the hold is released with it."""
    operation_ref: str | None = None
    """The provider's own id of it."""
    refusal: FailureReason | None = None


@frozen
class Refund:
    """Captured money that was, or is to be, given back."""

    id: UUID
    amount: Money
    state: TransferState
    requested_at: datetime
    lines: tuple[LineQuantity, ...] = ()
    """For which pieces; none: an amount that somebody named."""
    reason: str | None = None
    operation_ref: str | None = None
    """The provider's own id of it."""
    refusal: FailureReason | None = None


@frozen
class Payment:
    """How the order is paid. The amounts equal the provider's own sums."""

    provider: str
    """The configured name; an order keeps the provider it began with."""
    reference: str
    status: PaymentStatus
    captured: Money
    refunded: Money
    authorization: Authorization | None = None
    """What is held or was captured from; ``None`` before, and after it was released."""
    captures: tuple[Capture, ...] = ()
    refunds: tuple[Refund, ...] = ()

    def capture(self, capture_id: UUID) -> Capture | None:
        """Return the capture with this id."""
        return next((one for one in self.captures if one.id == capture_id), None)

    def refund(self, refund_id: UUID) -> Refund | None:
        """Return the refund with this id."""
        return next((one for one in self.refunds if one.id == refund_id), None)
