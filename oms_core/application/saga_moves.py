"""What becomes of an order when its saga moves: pure, but for the steps' own calls.

The runner makes it durable, and a look ahead does not.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from attrs import evolve, frozen

from oms_core.application.saga import (
    Done,
    NewGeneration,
    Refused,
    Stuck,
    Waiting,
    Work,
)
from oms_core.domain.operation import OperationState
from oms_core.domain.order import SYSTEM
from oms_core.domain.saga_position import Attention, SagaPhase, Wait
from oms_core.errors import CredentialsRejected, OmsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from oms_core.application.operation_queue import OperationQueue
    from oms_core.application.saga import Saga, Step, StepOutcome
    from oms_core.domain.failure import FailureReason
    from oms_core.domain.order import Order
    from oms_core.domain.saga_position import SagaPosition
    from oms_core.ports.clock import Randomness

_log = logging.getLogger("oms_core.saga")

REFUSED_RETRY_FIRST_S: Final = 2.0
REFUSED_RETRY_CAP_S: Final = 300.0
"""How long an order waits at the least and at the most for a provider that refuses us."""
_THEN_RETRY: Final = "Correct the cause, then retry the order."
_GOES_ON_BY_ITSELF: Final = (
    "Correct the provider's credentials in the configuration; the order then goes on by itself."
)


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


@frozen
class NextOperation:
    """The saga is over, and the time of an operation has come."""


Outcome: TypeAlias = "StepOutcome | Trouble | NextOperation"


class SagaMoves:
    """Moves orders through the tables it knows. Thread-safe: holds no state of its own."""

    def __init__(
        self,
        sagas: Iterable[Saga],
        queue: OperationQueue,
        randomness: Randomness,
        *,
        bug_attempts_max: int,
    ) -> None:
        """Take the tables; those of the *queue* are among them."""
        known = (*sagas, *queue.sagas.values())
        self._sagas = {saga.definition: saga for saga in known}
        self._queue = queue
        self._randomness = randomness
        self._bug_attempts_max = bug_attempts_max

    @property
    def definitions(self) -> frozenset[str]:
        """The sagas it knows, as stores name them."""
        return frozenset(self._sagas)

    def saga_of(self, order: Order) -> Saga:
        """Return the table of the order's present saga."""
        return self._sagas[order.saga.definition]

    def attempt(self, order: Order, now: datetime) -> Outcome:
        """Do what the order's saga is to do next, once; every call of a port happens here."""
        if order.saga.phase.is_over:
            return NextOperation()
        saga = self.saga_of(order)
        work = Work(order, now)
        try:
            step = saga.step(order.saga.step)
            if order.saga.phase is SagaPhase.RUNNING:
                stop = saga.abort(order)
                return step.run(work) if stop is None else Refused(stop)
            return step.undo(work) if step.undo is not None else Done()
        except OmsError as error:
            return Trouble(error)
        except Exception as error:  # noqa: BLE001 - our bug or a stranger's: never guess
            _log.exception("step failed unexpectedly", extra={"order_id": str(order.id)})
            return Trouble(error)

    def apply(self, order: Order, outcome: Outcome, now: datetime) -> Order:
        """Return the order after *outcome*; what does not fit it parks it, for no guess is safe."""
        try:
            return self._moved(order, outcome, now)
        except Exception as error:  # noqa: BLE001 - parked for a person instead
            _log.exception("outcome does not fit", extra={"order_id": str(order.id)})
            trouble = Trouble(error)
            attention = Attention(trouble.code, _sentence(trouble, order), now)
            return _parked(order, attention, trouble.note)

    def done_by_hand(self, order: Order, now: datetime) -> Order:
        """Record that a person did the present step, or undid it, outside; the next one follows.

        Raises:
            LookupError: nobody can do that for it.
        """
        saga = self.saga_of(order)
        step = saga.step(order.saga.step)
        running = order.saga.phase is SagaPhase.RUNNING
        record = step.by_hand if running else step.undone_by_hand
        if record is None:
            message = f"step {step.name} of saga {saga.definition} is not for hands"
            raise LookupError(message)
        return self._done(saga, step, record(order, now), now, outcome="by_hand")

    def turned_back(self, order: Order, reason: FailureReason, now: datetime) -> Order:
        """Have everything undone, beginning with the present step: it may have had its effect."""
        return _turned_back(self.saga_of(order).step(order.saga.step), order, reason, now)

    def _moved(self, order: Order, outcome: Outcome, now: datetime) -> Order:
        if isinstance(outcome, Stuck):
            parked = _parked(order, Attention(outcome.code, outcome.message, now), None)
            return _with_new_key(parked, None, now) if outcome.had_no_effect else parked
        if isinstance(outcome, NextOperation):
            # The store says that its time has come, and the store's clock counts.
            return self._queue.go_on(order, max(now, order.saga.due_at or now))
        saga = self.saga_of(order)
        step = saga.step(order.saga.step)
        if not isinstance(outcome, Trouble):
            order = _known_again(order, now)
        match outcome:
            case Done():
                return self._done(saga, step, outcome.apply(order, now), now, flag=outcome.flag)
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

    def _done(
        self,
        saga: Saga,
        step: Step,
        order: Order,
        now: datetime,
        *,
        outcome: str = "done",
        flag: FailureReason | None = None,
    ) -> Order:
        phase = order.saga.phase
        position = order.saga.noting(step.name, _action(order), outcome, at=now)
        following = saga.after(step, phase)
        if following is not None:
            order = _going_on(order, _entering(position, following, now), now)
            if (
                phase is SagaPhase.RUNNING
                and not order.saga.paused
                and following.is_local(order)
                and saga.abort(order) is None
            ):
                at_once = following.run(Work(order, now))
                if isinstance(at_once, Done):
                    order = at_once.apply(order, now)
                    return self._done(saga, following, order, now, flag=at_once.flag)
            return order if flag is None else _flagged(order, flag, now)
        order = _going_on(order, evolve(position, wait=None), now)
        if phase is SagaPhase.COMPENSATING:
            order = saga.when_compensated(order, now)
            phase = SagaPhase.COMPENSATED
            ended = OperationState.REFUSED
        else:
            phase = SagaPhase.COMPLETED
            ended = OperationState.DONE
        order = order.end_operation(ended, at=now)
        order = evolve(order, saga=evolve(order.saga, phase=phase, step=None, due_at=None))
        if flag is not None:
            # Before the next operation begins, which may have to see to it again.
            order = _flagged(order, flag, now)
        return self._queue.go_on(order, now)

    def _refused_as_strangers(
        self, step: Step, trouble: Trouble, order: Order, now: datetime
    ) -> Order:
        """Let the order wait until the provider accepts our credentials; it did nothing wrong.

        Tried again for ever, without using up any attempt: after about as long as it has been
        refused so far, up to a few minutes.
        """
        position = order.saga.noting(
            step.name, _action(order), "retrying", at=now, error=trouble.note, is_excused=True
        )
        flag = Attention(trouble.code, _sentence(trouble, order, _GOES_ON_BY_ITSELF), now)
        order = evolve(order, saga=position).call_for_attention(flag)
        since = now if order.saga.attention is None else order.saga.attention.since
        so_far_s = (now - since).total_seconds()
        longest_s = min(max(so_far_s, REFUSED_RETRY_FIRST_S), REFUSED_RETRY_CAP_S)
        delay_s = self._randomness.uniform(longest_s / 2, longest_s)
        if trouble.retry_after_s > delay_s:
            # Not all at the same moment: one of them is to see whether it is accepted.
            delay_s = trouble.retry_after_s + self._randomness.uniform(0.0, longest_s)
        due_at = now + timedelta(seconds=delay_s)
        return evolve(order, saga=evolve(order.saga, due_at=due_at))

    def _troubled(self, step: Step, trouble: Trouble, order: Order, now: datetime) -> Order:
        if isinstance(trouble.error, CredentialsRejected):
            return self._refused_as_strangers(step, trouble, order, now)
        troubles = order.saga.troubles_at(step.name, _action(order)) + 1
        if isinstance(trouble.error, OmsError):
            hopeless = not trouble.error.retryable
        else:
            hopeless = troubles >= self._bug_attempts_max
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


def goes_on(position: SagaPosition, now: datetime) -> bool:
    """Tell whether there is more to do at once."""
    return position.due_at is not None and position.due_at <= now


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


def _known_again(order: Order, now: datetime) -> Order:
    """Take the flag down of an order whose provider has answered it again."""
    flag = order.saga.attention
    if flag is None or flag.code != CredentialsRejected.code:
        return order
    return _going_on(order, order.saga, now)


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
    return _going_on(order, position, now).refuse(reason)


def _waiting(step: Step, waiting: Waiting, order: Order, now: datetime) -> Order:
    deadline = now + timedelta(seconds=waiting.deadline_s)
    # One deadline for the whole step, whatever it waits for in turn.
    since = order.saga.wait
    wait = Wait(waiting.reason, since.deadline if since is not None else deadline)
    late = wait.deadline <= now
    if late and waiting.gives_up and order.saga.phase is SagaPhase.RUNNING:
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


def _flagged(order: Order, reason: FailureReason, now: datetime) -> Order:
    return order.call_for_attention(Attention(reason.code, reason.message, now))


def _sentence(trouble: Trouble, order: Order, remedy: str = _THEN_RETRY) -> str:
    detail = (
        trouble.error.sentence
        if isinstance(trouble.error, OmsError)
        else f"An unexpected {type(trouble.error).__name__} was raised; the log has the details."
    )
    return f"Step {order.saga.step}: {detail} {remedy}"
