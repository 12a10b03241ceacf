"""Drives one claimed order through its saga, one durable step after the other.

Every external call is preceded by a durable record of what is about to be called under
which key, and followed by a durable record of what came of it; so after a crash anywhere
the next claim repeats at most one call, with the same key.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from attrs import evolve, frozen

from oms_core.application.saga import (
    Done,
    NewGeneration,
    Refused,
    Stuck,
    Waiting,
    Work,
)
from oms_core.domain.order import SYSTEM, FailureReason
from oms_core.domain.saga_position import Attention, SagaPhase, Wait
from oms_core.errors import LeaseLost, OmsError, StaleVersion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from oms_core.application.saga import Saga, Step, StepOutcome
    from oms_core.domain.order import Order
    from oms_core.domain.saga_position import SagaPosition
    from oms_core.ports.clock import Clock, Randomness
    from oms_core.ports.storage import Claim, Lease, OrderStorage

_log = logging.getLogger("oms_core.saga")

STALE_RETRIES_MAX: Final = 20
"""How often one outcome is written anew because somebody else saved first."""


@frozen
class RunnerSettings:
    """How the runner treats its claims."""

    lease_s: float = 30.0
    """A lease outlives the slowest external call; every checkpoint renews it."""
    deliveries_max: int = 5
    """An order that took down so many holders in a row is parked."""
    bug_attempts_max: int = 3
    """An order that met so many unexpected errors at one step is parked."""


@frozen
class Trouble:
    """The attempt ended in technical trouble; retried, or parked if that cannot help."""

    error: Exception

    @property
    def code(self) -> str:
        """Stable name of the trouble; for an unexpected error its class."""
        if isinstance(self.error, OmsError):
            return self.error.code
        return f"unexpected_{type(self.error).__name__}"

    @property
    def note(self) -> str:
        """Code and the provider's own word, for the journal; no message of a stranger."""
        reason = getattr(self.error, "reason", "") if isinstance(self.error, OmsError) else ""
        return f"{self.code} ({reason})" if reason else self.code

    @property
    def retry_after_s(self) -> float:
        """At least so many seconds until the next attempt."""
        return getattr(self.error, "retry_after_s", None) or 0.0


class SagaRunner:
    """Moves claimed orders. Thread-safe: holds no state of its own."""

    def __init__(
        self,
        sagas: Iterable[Saga],
        *,
        storage: OrderStorage,
        clock: Clock,
        randomness: Randomness,
        settings: RunnerSettings,
        on_saved: Callable[[Order], None],
    ) -> None:
        """Take the tables it can run; *on_saved* hears of every checkpoint."""
        self._sagas = {saga.definition: saga for saga in sagas}
        self._storage = storage
        self._clock = clock
        self._randomness = randomness
        self.settings = settings
        self._on_saved = on_saved

    @property
    def definitions(self) -> frozenset[str]:
        """The sagas it may claim."""
        return frozenset(self._sagas)

    def drive(self, claim: Claim) -> None:
        """Move the order as far as it goes now; the lease is given back at the end.

        Begin soon after the claim, while its lease is fresh. A lost lease ends the drive
        without further effects.

        Raises:
            StoreUnavailable: the last outcome may not be recorded; the next claim repeats
                the step with the same key.
        """
        order, lease = claim.order, claim.lease
        saga = self._sagas[order.saga.definition]
        try:
            if order.saga.due_at is None:
                self._storage.release(lease)
                return
            if claim.deliveries > self.settings.deliveries_max:
                self._record(saga, order, lease, _poisoned(claim.deliveries))
                return
            # Whether the order is due and the lease holds is the store's to say, by its clock:
            # ours may be behind or ahead of it. Every checkpoint renews the lease.
            while saved := self._record(saga, order, lease, self._attempt(saga, order)):
                order, lease = saved.order, saved.lease
        except LeaseLost:
            _log.info("lease lost", extra={"order_id": str(order.id)})

    # -- attempting ----------------------------------------------------------------------

    def _attempt(self, saga: Saga, order: Order) -> StepOutcome | Trouble:
        work = Work(order, self._clock.now())
        try:
            step = saga.step(order.saga.step)
            if order.saga.phase is SagaPhase.RUNNING:
                return step.run(work)
            return step.undo(work) if step.undo is not None else Done()
        except OmsError as error:
            return Trouble(error)
        except Exception as error:  # noqa: BLE001 - our bug or a stranger's: never guess
            _log.exception("step failed unexpectedly", extra={"order_id": str(order.id)})
            return Trouble(error)

    # -- recording -----------------------------------------------------------------------

    def _record(
        self, saga: Saga, order: Order, lease: Lease, outcome: StepOutcome | Trouble
    ) -> Claim | None:
        """Write the outcome into the newest version of the order.

        Returns the claim to go on with, or ``None`` if there is nothing more to do now: the
        saga is over, waits, or was steered elsewhere meanwhile.
        """
        position = order.saga
        for _ in range(STALE_RETRIES_MAX):
            now = self._clock.now()
            moved = self._apply(saga, order, outcome, now)
            stays = _goes_on(moved.saga, now)
            try:
                saved = self._storage.checkpoint(
                    moved, lease, extend_s=self.settings.lease_s if stays else None
                )
            except StaleVersion:
                order = self._storage.get(order.scope, order.id)
                # Whoever woke it knows more than what was seen before: it is looked at again.
                if isinstance(outcome, Waiting) or not _same_place(order.saga, position):
                    self._storage.release(lease)
                    return None
                continue
            self._on_saved(saved.order)
            return saved if stays else None
        raise StaleVersion(order.id)

    def _apply(
        self, saga: Saga, order: Order, outcome: StepOutcome | Trouble, now: datetime
    ) -> Order:
        """Return the order after *outcome*; what does not fit it parks it, for no guess is safe."""
        try:
            return self._moved(saga, order, outcome, now)
        except Exception as error:  # noqa: BLE001 - parked for a person instead
            _log.exception("outcome does not fit", extra={"order_id": str(order.id)})
            trouble = Trouble(error)
            attention = Attention(trouble.code, _sentence(trouble, order), now)
            return _parked(order, attention, trouble.note)

    def _moved(
        self, saga: Saga, order: Order, outcome: StepOutcome | Trouble, now: datetime
    ) -> Order:
        if isinstance(outcome, Stuck):
            parked = _parked(order, Attention(outcome.code, outcome.message, now), None)
            return _with_new_key(parked, None, now) if outcome.had_no_effect else parked
        step = saga.step(order.saga.step)
        match outcome:
            case Done():
                return self._done(saga, step, outcome.apply(order, now), now)
            case Refused():
                return _refused(step, outcome, order, now)
            case Waiting():
                return _waiting(step, outcome, order, now)
            case NewGeneration():
                return _with_new_key(order, now, now)
            case Trouble():
                return self._troubled(step, outcome, order, now)
            case _:
                assert_never(outcome)

    def _done(self, saga: Saga, step: Step, order: Order, now: datetime) -> Order:
        phase = order.saga.phase
        position = order.saga.noting(step.name, _action(order), "done", at=now)
        following = saga.after(step, phase)
        if following is not None:
            order = _going_on(order, _entering(position, following, now), now)
            if phase is SagaPhase.RUNNING and following.is_local(order):
                outcome = following.run(Work(order, now))
                if isinstance(outcome, Done):
                    return self._done(saga, following, outcome.apply(order, now), now)
            return order
        order = _going_on(order, evolve(position, wait=None), now)
        if phase is SagaPhase.COMPENSATING:
            order = saga.when_compensated(order, now)
            phase = SagaPhase.COMPENSATED
        else:
            phase = SagaPhase.COMPLETED
        return evolve(order, saga=evolve(order.saga, phase=phase, step=None, due_at=None))

    def _troubled(self, step: Step, trouble: Trouble, order: Order, now: datetime) -> Order:
        troubles = order.saga.troubles_at(step.name, _action(order)) + 1
        if isinstance(trouble.error, OmsError):
            hopeless = not trouble.error.retryable
        else:
            hopeless = troubles >= self.settings.bug_attempts_max
        exhausted = troubles >= step.retry.attempts_max
        gives_up = exhausted and order.saga.phase is SagaPhase.RUNNING
        if hopeless or (gives_up and step.exhausted is None):
            attention = Attention(trouble.code, _sentence(trouble, order), now)
            return _parked(order, attention, trouble.note)
        if gives_up and step.exhausted is not None:
            order = _noted(step, order, "refused", now, trouble.note)
            return _turned_back(step, order, step.exhausted, now)
        order = _noted(step, order, "retrying", now, trouble.note)
        if exhausted:
            # What must be undone is tried for ever: flagged for a person, but never dropped.
            order = order.call_for_attention(
                Attention("retrying_for_long", _sentence(trouble, order), now)
            )
        delay = max(step.retry.delay_s(troubles, self._randomness), trouble.retry_after_s)
        position = evolve(order.saga, due_at=now + timedelta(seconds=delay))
        return evolve(order, saga=position)


def _goes_on(position: SagaPosition, now: datetime) -> bool:
    """Tell whether there is more to do at once."""
    return position.due_at is not None and position.due_at <= now


def _same_place(one: SagaPosition, other: SagaPosition) -> bool:
    return (one.phase, one.step, one.generation) == (other.phase, other.step, other.generation)


def _action(order: Order) -> str:
    return "run" if order.saga.phase is SagaPhase.RUNNING else "undo"


def _noted(
    step: Step, order: Order, outcome: str, now: datetime, error: str | None = None
) -> Order:
    position = order.saga.noting(step.name, _action(order), outcome, at=now, error=error)
    return evolve(order, saga=position)


def _with_new_key(order: Order, due_at: datetime | None, now: datetime) -> Order:
    """Store the next generation before any call uses its key."""
    step = order.saga.step or "?"
    position = order.saga.noting(step, _action(order), "new_generation", at=now)
    position = evolve(
        position, generation=position.generation + 1, generation_since=now, due_at=due_at
    )
    return evolve(order, saga=position)


def _going_on(order: Order, position: SagaPosition, now: datetime) -> Order:
    """Move to *position*, and take down a flag that was raised while it was being retried."""
    if order.saga.attention is None:
        return evolve(order, saga=position)
    order = order.resolve_attention(reason="went on by itself", actor=SYSTEM, at=now)
    return evolve(order, saga=evolve(position, attention=None))


def _entering(position: SagaPosition, step: Step, now: datetime) -> SagaPosition:
    """Record the intent to call: from now on a repeat uses this generation's key."""
    return evolve(
        position, step=step.name, generation=1, generation_since=now, due_at=now, wait=None
    )


def _refused(step: Step, refused: Refused, order: Order, now: datetime) -> Order:
    order = _noted(step, refused.apply(order, now), "refused", now)
    if order.saga.phase is SagaPhase.COMPENSATING:
        attention = Attention(refused.reason.code, refused.reason.message, now)
        return _parked(order, attention, None)
    return _turned_back(step, order, refused.reason, now)


def _turned_back(step: Step, order: Order, reason: FailureReason, now: datetime) -> Order:
    """Turn to compensation, beginning with this step: it may have had its effect."""
    position = evolve(_entering(order.saga, step, now), phase=SagaPhase.COMPENSATING)
    return evolve(_going_on(order, position, now), failure=order.failure or reason)


def _waiting(step: Step, waiting: Waiting, order: Order, now: datetime) -> Order:
    deadline = now + timedelta(seconds=waiting.deadline_s)
    # One deadline for the whole step, whatever it waits for in turn.
    since = order.saga.wait
    wait = Wait(waiting.reason, since.deadline if since is not None else deadline)
    late = wait.deadline <= now
    if late and order.saga.phase is SagaPhase.RUNNING:
        order = _noted(step, order, "refused", now)
        return _turned_back(step, order, waiting.too_late, now)
    order = _noted(step, waiting.apply(order, now), "waiting", now)
    if late:
        reason = waiting.too_late
        order = order.call_for_attention(Attention(reason.code, reason.message, now))
    due_at = now + timedelta(seconds=waiting.poll_s)
    if wait.deadline > now:
        due_at = min(due_at, wait.deadline)
    return evolve(order, saga=evolve(order.saga, wait=wait, due_at=due_at))


def _parked(order: Order, attention: Attention, error: str | None) -> Order:
    position = order.saga.noting(
        order.saga.step or "?", _action(order), "stuck", at=attention.since, error=error
    )
    order = evolve(order, saga=position).call_for_attention(attention)
    return evolve(order, saga=evolve(order.saga, due_at=None))


def _poisoned(deliveries: int) -> Stuck:
    return Stuck(
        "worker_lost",
        f"{deliveries - 1} workers in a row stopped while they worked on this order. Find out "
        "why (memory, a hanging provider), then retry the order.",
    )


def _sentence(trouble: Trouble, order: Order) -> str:
    detail = (
        trouble.error.sentence
        if isinstance(trouble.error, OmsError)
        else f"An unexpected {type(trouble.error).__name__} was raised; the log has the details."
    )
    return f"Step {order.saga.step}: {detail} Correct the cause, then retry the order."
