"""Where an order's saga stands: the part of the order document that workers move.

Attempts fold into the journal (count, first, last, last error), so that a document stays
small however long a provider is down.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve, frozen

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class SagaPhase(StrEnum):
    """Which way the saga moves."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    COMPLETED = "completed"
    COMPENSATED = "compensated"

    @property
    def is_over(self) -> bool:
        """Every effect is done, or every effect is undone."""
        return self in {SagaPhase.COMPLETED, SagaPhase.COMPENSATED}


class SagaState(StrEnum):
    """What an operator filters by; derived from the position."""

    RUNNING = "running"
    WAITING = "waiting"
    STUCK = "stuck"
    PAUSED = "paused"
    """A person stopped it, whatever else it is: nothing begins until it is let go on."""
    FINISHED = "finished"


@frozen
class Attention:
    """Why a person should look at the order."""

    code: str
    message: str
    since: datetime


@frozen
class Wait:
    """Waiting for somebody else, until *deadline*."""

    reason: str
    deadline: datetime


@frozen
class StepJournal:
    """All attempts at one step in one direction, folded together."""

    step: str
    action: str
    """``run`` or ``undo``."""
    attempts: int
    first_at: datetime
    last_at: datetime
    outcome: str
    """``done``, ``refused``, ``waiting``, ``retrying``, ``new_generation``, ``stuck``, or
    ``by_hand`` if a person did it outside."""
    troubles: int = 0
    """Technical troubles in a row: what retry budgets count."""
    generations: int = 1
    """How many keys this step has used, one after the other."""
    error: str | None = None
    """Code and reason of the last technical trouble, if there was any."""


@frozen
class SagaPosition:
    """A saga's place in its table of steps.

    ``due_at`` says when a worker should move it next; ``None`` means that nothing will
    happen by itself: the saga is over, paused, or parked for a person (then ``attention`` is set).
    Where the saga is over, it says when the order's next operation begins.
    ``generation`` is part of the key of the present step's external call.
    """

    name: str
    version: int
    phase: SagaPhase
    step: str | None
    due_at: datetime | None
    generation: int = 1
    generation_since: datetime | None = None
    """When this generation's key was first used, for providers that forget keys."""
    wait: Wait | None = None
    attention: Attention | None = None
    journal: tuple[StepJournal, ...] = ()
    operation: UUID | None = None
    """What it does was asked for by this operation; ``None``: by placing the order."""
    paused: bool = False
    """A person stopped it: what is under way is recorded, and nothing begins."""

    @property
    def definition(self) -> str:
        """Name and version, as workers claim by: ``place_order/1``."""
        return f"{self.name}/{self.version}"

    @property
    def state(self) -> SagaState:
        """What an operator filters by."""
        if self.paused:
            return SagaState.PAUSED
        if self.attention is not None:
            return SagaState.STUCK
        if self.phase.is_over:
            return SagaState.FINISHED
        return SagaState.WAITING if self.wait is not None else SagaState.RUNNING

    @property
    def is_parked(self) -> bool:
        """A person must act before anything moves."""
        return self.due_at is None and not self.phase.is_over

    def journal_of(self, step: str, action: str) -> StepJournal | None:
        """Return what is known of *action* of *step*; ``None`` before its first attempt ended."""
        return next((j for j in self.journal if (j.step, j.action) == (step, action)), None)

    def troubles_at(self, step: str, action: str) -> int:
        """How often *action* of *step* met technical trouble in a row."""
        entry = self.journal_of(step, action)
        return 0 if entry is None else entry.troubles

    def forgiven(self) -> SagaPosition:
        """Give the present step its whole retry budget again."""
        journal = tuple(evolve(j, troubles=0) if j.step == self.step else j for j in self.journal)
        return evolve(self, journal=journal)

    def noting(
        self,
        step: str,
        action: str,
        outcome: str,
        *,
        at: datetime,
        error: str | None = None,
        is_excused: bool = False,
    ) -> SagaPosition:
        """Fold one more attempt into the journal; one that *is_excused* uses up no budget."""
        known = self.journal_of(step, action)
        if known is None:
            known = StepJournal(step, action, 0, at, at, outcome)
        troubles = known.troubles
        if is_excused:
            pass
        elif outcome in {"retrying", "stuck"}:
            troubles += 1
        elif outcome != "new_generation":
            troubles = 0
        folded = StepJournal(
            step=step,
            action=action,
            attempts=known.attempts + 1,
            first_at=known.first_at,
            last_at=at,
            outcome=outcome,
            troubles=troubles,
            generations=known.generations + (outcome == "new_generation"),
            error=error or known.error,
        )
        others = tuple(j for j in self.journal if (j.step, j.action) != (step, action))
        return evolve(self, journal=(*others, folded))
