"""What clients see of the work on an order."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict

from oms_core.domain.saga_position import SagaPhase, SagaState
from oms_entrypoints.http.views.shown import Shown

if TYPE_CHECKING:
    from oms_core.domain.saga_position import SagaPosition


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


def saga_view(saga: SagaPosition) -> SagaView:
    """Show where the work on an order stands."""
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
