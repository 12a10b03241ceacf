"""What a saga is: a table of steps, and the ways a step can end. Knows no business."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

from attrs import frozen

from oms_core.domain.saga_position import SagaPhase, SagaPosition
from oms_core.domain.scope import effect_key_for

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.failure import FailureReason
    from oms_core.domain.order import Order
    from oms_core.ports.clock import Randomness

Apply: TypeAlias = "Callable[[Order, datetime], Order]"
"""Writes a step's outcome into the order. May run again on a newer version of it."""


def unchanged(order: Order, at: datetime) -> Order:
    """Write nothing."""
    del at
    return order


@frozen
class Done:
    """The step has had its effect; *apply* records it.

    With a *flag* a person should look at the order, although nothing waits for it.
    """

    apply: Apply = unchanged
    flag: FailureReason | None = None


@frozen
class Refused:
    """Business says no: everything done so far is undone, this step included."""

    reason: FailureReason
    apply: Apply = unchanged


@frozen
class Waiting:
    """Somebody else must act: a customer, or an asynchronous provider.

    Looked at again every ``poll_s`` seconds, or as soon as somebody wakes the order. The
    first time sets the deadline, ``deadline_s`` seconds later; past it a running saga is
    refused with ``too_late``, a compensating one calls for attention and goes on waiting. So
    does a running one that never *gives_up*, because what it waits for may happen at any time.
    """

    reason: str
    poll_s: float
    deadline_s: float
    too_late: FailureReason
    apply: Apply = unchanged
    gives_up: bool = True


@frozen
class NewGeneration:
    """It is proven that the present key had no effect: store a new one, then try again."""


@frozen
class Stuck:
    """Only a person can decide: the order is parked.

    With *had_no_effect* it is proven that the present key had none, so that the retry after
    the person's deed uses a new one and does not just hear the old answer again.
    """

    code: str
    message: str
    had_no_effect: bool = False


StepOutcome: TypeAlias = Done | Refused | Waiting | NewGeneration | Stuck


class Retry(Protocol):
    """When to try again after technical trouble."""

    @property
    def attempts_max(self) -> int:
        """A running step gives up after so many attempts; an undo calls for attention."""
        ...

    def delay_s(self, attempts: int, randomness: Randomness) -> float:
        """How long to wait after the *attempts*-th attempt, in seconds."""
        ...


@frozen
class Backoff:
    """Exponential backoff with full jitter."""

    attempts_max: int = 10
    first_s: float = 0.5
    cap_s: float = 60.0

    def delay_s(self, attempts: int, randomness: Randomness) -> float:
        """Return up to ``first_s`` doubled with every attempt, but at most ``cap_s``."""
        ceiling = min(self.cap_s, self.first_s * 2.0 ** min(attempts - 1, 30))
        return randomness.uniform(0.0, ceiling)


@frozen
class Work:
    """One attempt: the order as it is, and the time."""

    order: Order
    now: datetime

    def key(self, operation: str) -> str:
        """Return the idempotency key of an external call of this step and generation.

        The generation is stored before the call, so a repeat after a crash uses the same key.
        """
        saga = self.order.saga
        return effect_key_for(self.order.scope, self.order.id, operation, saga.generation)


def always_calls(order: Order) -> bool:
    """Say that the step calls somebody outside."""
    del order
    return False


@frozen
class Step:
    """One step: what to do, how to undo it, and what to say when it cannot be done.

    ``undo`` uses only names known before ``run`` was called, never its answer: answers get
    lost. ``is_local`` tells that ``run`` would call nobody, so that it is recorded together
    with the step before it. ``by_hand`` and ``undone_by_hand`` record that a person did the
    step, or undid it, outside; without them it cannot be skipped.
    """

    name: str
    run: Callable[[Work], StepOutcome]
    undo: Callable[[Work], StepOutcome] | None = None
    exhausted: FailureReason | None = None
    """Why the order fails when ``run`` has used up its attempts; ``None``: park it."""
    retry: Retry = Backoff()
    is_local: Callable[[Order], bool] = always_calls
    by_hand: Apply | None = None
    undone_by_hand: Apply | None = None


def never(order: Order) -> FailureReason | None:
    """Say that nothing stops the saga on its way."""
    del order
    return None


@frozen
class Saga:
    """A table of steps, run in order and undone in reverse.

    Step names are stable and a changed table gets a new version, so that an order that
    began under an older one finishes under it. A saga that only undoes ``begins`` compensating,
    with its last step. ``abort`` is asked before every attempt at a running step whether the
    saga must turn back, and why.
    """

    name: str
    version: int
    steps: tuple[Step, ...]
    when_compensated: Apply
    begins: SagaPhase = SagaPhase.RUNNING
    prepare: Apply = unchanged
    """Writes down what it is about to do, in the write that begins it."""
    abort: Callable[[Order], FailureReason | None] = never

    @property
    def definition(self) -> str:
        """Name and version, as stores know it."""
        return f"{self.name}/{self.version}"

    def start(self, at: datetime, *, operation: UUID | None = None) -> SagaPosition:
        """Return the position of an order that is about to begin, due at once."""
        first = self.steps[0] if self.begins is SagaPhase.RUNNING else self.steps[-1]
        return SagaPosition(
            name=self.name,
            version=self.version,
            phase=self.begins,
            step=first.name,
            due_at=at,
            generation_since=at,
            operation=operation,
        )

    def step(self, name: str | None) -> Step:
        """Return the step of that name.

        Raises:
            LookupError: the stored position does not fit this table.
        """
        for step in self.steps:
            if step.name == name:
                return step
        message = f"saga {self.definition} has no step {name!r}"
        raise LookupError(message)

    def after(self, step: Step, phase: SagaPhase) -> Step | None:
        """Return the next step to run, or the next to undo; ``None`` at the end."""
        index = self.steps.index(step)
        if phase is SagaPhase.RUNNING:
            return self.steps[index + 1] if index + 1 < len(self.steps) else None
        return next((s for s in reversed(self.steps[:index]) if s.undo is not None), None)
