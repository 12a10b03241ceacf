"""What clients see of an operation: something that was asked of an order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict
from uuid import UUID

from oms_core.domain.operation import OperationKind, OperationState
from oms_entrypoints.http.views.failures import FailureView, failure_view
from oms_entrypoints.http.views.shown import Shown

if TYPE_CHECKING:
    from oms_core.domain.operation import Operation


class OperationView(TypedDict):
    """Something that was asked of an order."""

    operation_id: Annotated[
        UUID, Shown("Also the id of the capture, fulfillment, return or refund that it made.")
    ]
    kind: OperationKind
    state: OperationState
    requested_at: datetime
    actor: Annotated[str, Shown("`system`, or who called.")]
    subject: Annotated[UUID | None, Shown("The fulfillment or return that it is about.")]
    due_at: Annotated[datetime | None, Shown("It does not begin before; null: when its turn came.")]
    ended_at: datetime | None
    refusal: Annotated[FailureView | None, Shown("Why it had no effect, if it is `refused`.")]


def operation_view(operation: Operation) -> OperationView:
    """Show an operation."""
    return {
        "operation_id": operation.id,
        "kind": operation.kind,
        "state": operation.state,
        "requested_at": operation.requested_at,
        "actor": operation.actor,
        "subject": operation.subject,
        "due_at": operation.due_at,
        "ended_at": operation.ended_at,
        "refusal": failure_view(operation.refusal),
    }
