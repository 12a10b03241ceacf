"""The order's payment: what the provider holds, took and gave back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime

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
