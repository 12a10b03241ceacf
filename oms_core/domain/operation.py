"""Operations: what is asked of an order after it was placed, one after the other.

Each is part of the order's document, so that asking for it is one write, and its idempotency
key names it for ever. What needs somebody outside (a provider, the inventory) runs as a saga of
its own; an order has at most one saga under way, so two of them never meet. An operation whose
time has not come is a durable timer.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.domain.failure import FailureReason


class OperationKind(StrEnum):
    """What can be asked of an order."""

    CANCEL = "cancel"
    CAPTURE = "capture"
    FULFILL = "fulfill"
    DELIVER = "deliver"
    COMPLETE = "complete"
    REQUEST_RETURN = "request_return"
    APPROVE_RETURN = "approve_return"
    REJECT_RETURN = "reject_return"
    RECEIVE_RETURN = "receive_return"
    REFUND = "refund"
    RENEW_AUTHORIZATION = "renew_authorization"
    """A hold is about to lapse; asked for by the system itself."""
    CHECK_PAYMENT = "check_payment"
    """Compare the order with what its provider says."""


class OperationState(StrEnum):
    """How far an operation is."""

    QUEUED = "queued"
    """Its turn or its time has not come."""
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    """It had no effect; ``refusal`` says why."""


@frozen
class Operation:
    """One thing that was asked of an order."""

    id: UUID
    kind: OperationKind
    state: OperationState
    requested_at: datetime
    actor: str
    fingerprint: str = ""
    """Of the request: the same key with another request is refused."""
    subject: UUID | None = None
    """The capture, fulfillment, return or refund it is about."""
    due_at: datetime | None = None
    """Not before; ``None``: as soon as its turn has come."""
    refusal: FailureReason | None = None
    ended_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """It has had its effect, or never will."""
        return self.state in {OperationState.DONE, OperationState.REFUSED}


def operation_id_for(order_id: UUID, idempotency_key: str) -> UUID:
    """Derive an operation's id from its idempotency key: a repeat computes the same."""
    return uuid5(order_id, f"operation/{idempotency_key}")


def system_operation_id_for(order_id: UUID, kind: OperationKind, number: int) -> UUID:
    """Derive the id of the *number*-th operation of a kind that the system asks for itself."""
    return uuid5(order_id, f"system/{kind}/{number}")
