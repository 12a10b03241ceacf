"""The one axis of an order's life: 15 statuses and the legal moves between them."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    PENDING_PAYMENT = "pending_payment"
    PAYMENT_AUTHORIZED = "payment_authorized"
    CONFIRMED = "confirmed"
    PROCESSING = "processing"
    PARTIALLY_FULFILLED = "partially_fulfilled"
    FULFILLED = "fulfilled"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    RETURN_REQUESTED = "return_requested"
    PARTIALLY_RETURNED = "partially_returned"
    RETURNED = "returned"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Nothing leads out of this status."""
        return not TRANSITIONS[self]

    @property
    def is_dead(self) -> bool:
        """No goods and no money move any more; the payment reference is free again."""
        return self in {OrderStatus.CANCELLED, OrderStatus.FAILED}


_S = OrderStatus

TRANSITIONS: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = MappingProxyType(
    {
        _S.PENDING_PAYMENT: frozenset({_S.PAYMENT_AUTHORIZED, _S.CANCELLED, _S.FAILED}),
        _S.PAYMENT_AUTHORIZED: frozenset({_S.CONFIRMED, _S.CANCELLED, _S.FAILED}),
        _S.CONFIRMED: frozenset({_S.PROCESSING, _S.CANCELLED}),
        _S.PROCESSING: frozenset({_S.PARTIALLY_FULFILLED, _S.FULFILLED, _S.CANCELLED}),
        _S.PARTIALLY_FULFILLED: frozenset({_S.FULFILLED}),
        _S.FULFILLED: frozenset({_S.DELIVERED}),
        _S.DELIVERED: frozenset({_S.COMPLETED, _S.RETURN_REQUESTED}),
        _S.COMPLETED: frozenset({_S.RETURN_REQUESTED, _S.REFUNDED, _S.PARTIALLY_REFUNDED}),
        _S.RETURN_REQUESTED: frozenset({_S.PARTIALLY_RETURNED, _S.RETURNED, _S.COMPLETED}),
        _S.PARTIALLY_RETURNED: frozenset({_S.RETURNED, _S.PARTIALLY_REFUNDED, _S.REFUNDED}),
        _S.RETURNED: frozenset({_S.REFUNDED, _S.PARTIALLY_REFUNDED}),
        _S.PARTIALLY_REFUNDED: frozenset({_S.REFUNDED}),
        _S.CANCELLED: frozenset(),
        _S.FAILED: frozenset(),
        _S.REFUNDED: frozenset(),
    }
)
"""From each status to the statuses it may become; a move to itself is no move."""
