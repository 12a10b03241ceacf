"""Steering sagas by hand: pause, resume, retry, skip and compensate, at any moment.

Beside a running worker each is safe, for one of two reasons. Most are one conditional write
without a lease: what the worker then brings of its call is written into the newest version of
the order if the order still stands at the same place, and dropped if it was moved elsewhere, so
that whatever came of it is found when the step is looked at anew. Skipping takes the lease
first: two who do the same step, a person and a worker, would have its effect twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from oms_core.domain.appointing import appoint, bring_forward
from oms_core.domain.events import Change
from oms_core.domain.failure import FailureReason
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.order_status import TRANSITIONS
from oms_core.domain.rules import Text, check, require, ruled
from oms_core.domain.saga_position import SagaPhase
from oms_core.errors import LeaseLost, NothingToSteer, NotPossible, StaleVersion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.operation_queue import OperationQueue
    from oms_core.application.order_changes import OrderChanges
    from oms_core.application.saga import Step
    from oms_core.application.saga_moves import SagaMoves
    from oms_core.domain.events import Fact
    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.storage import Claim

STALE_RETRIES_MAX: Final = 20
SKIP_LEASE_S: Final = 5.0
"""Longer than the write that follows, and short for whoever waits if that fails."""
COMPENSATION_ORDERED: Final = FailureReason(
    "compensation_ordered", "An operator had everything that was done so far taken back."
)


@frozen
class Steer:
    """Why an operator steers a saga."""

    reason: str = ruled(
        Text(500, example="The provider says that the refund was made."),
        says="Why, on one line; stands in the order's timeline.",
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what says nothing."""
        require(check(self))


@frozen
class Operator:
    """Who steers, and why."""

    actor: str
    reason: str

    @property
    def facts(self) -> dict[str, Fact]:
        """What the timeline tells of it, beside the actor."""
        return {"reason": self.reason}


class Steering:
    """Lets operators stop, mend and turn what workers do.

    Every method returns the order as it was saved, and raises:

    * ``NotPossible``, ``NothingToSteer``: not as the order is; the sentence says what is possible.
    * ``OrderNotFound``: unknown in this tenant and organization.
    """

    def __init__(
        self, changes: OrderChanges, moves: SagaMoves, queue: OperationQueue, *, recheck_s: float
    ) -> None:
        """Take what changes orders, the tables, and what begins operations."""
        self._recheck_s = recheck_s
        self._changes = changes
        self._moves = moves
        self._queue = queue

    def pause(self, scope: Scope, order_id: UUID, operator: Operator) -> Order:
        """Let nothing of the order begin, timers too, until it is let go on.

        What a worker has under way is still recorded when it ends.
        """

        def stop(order: Order, at: datetime) -> Order:
            _require("pause", why_not_pause(order))
            return order.with_change(
                Change.SAGA_PAUSED,
                at=at,
                actor=operator.actor,
                facts=operator.facts,
                saga=evolve(order.saga, paused=True, due_at=None),
            )

        return self._changes.change(scope, order_id, stop)

    def resume(self, scope: Scope, order_id: UUID, operator: Operator) -> Order:
        """Let a paused order go on at once where it stands, with all its attempts."""

        def go_on(order: Order, at: datetime) -> Order:
            _require("resume", why_not_resume(order))
            if order.saga.phase.is_over:
                return self._queue.go_on(_unpaused(order, operator, at), at)
            return _let_go_on(order, operator, at)

        return self._changes.change(scope, order_id, go_on)

    def retry(self, scope: Scope, order_id: UUID, operator: Operator) -> Order:
        """Let an order that needs attention go on at once, after its cause was mended.

        The step it stopped at is tried again with its whole retry budget. If its saga is over,
        what was put off because nobody answered has its turn now, and not when its time comes.
        """

        def resolve(order: Order, at: datetime) -> Order:
            if order.saga.attention is None and not order.saga.paused:
                raise NothingToSteer(order.id)
            _require("retry", why_not_retry(order))
            order = _let_go_on(order, operator, at)
            if order.saga.phase.is_over:
                order = self._queue.go_on(bring_forward(order, at=at), at)
            return order

        return self._changes.change(scope, order_id, resolve)

    def compensate(self, scope: Scope, order_id: UUID, operator: Operator) -> Order:
        """Have everything undone that the present saga has done, its present step included.

        An order that was being placed fails; what was asked of an order later is refused.
        """

        def turn_back(order: Order, at: datetime) -> Order:
            _require("compensate", self.why_not_compensate(order))
            order = _let_go_on(order, operator, at).with_change(
                Change.COMPENSATION_ORDERED,
                at=at,
                actor=operator.actor,
                facts={"step": order.saga.step, **operator.facts},
            )
            order = self._asking_once_more(order, at)
            return self._moves.turned_back(order, COMPENSATION_ORDERED, at)

        return self._changes.change(scope, order_id, turn_back)

    def skip(self, scope: Scope, order_id: UUID, operator: Operator) -> Order:
        """Record that a person did the present step outside, or undid it; the next one follows.

        Raises:
            NotPossible: as for the others, or a worker is at this very step.
        """
        storage = self._changes.storage
        for _ in range(STALE_RETRIES_MAX):
            order = storage.get(scope, order_id)
            _require("skip", self.why_not_skip(order))
            claim = storage.claim(scope, order_id, operator.actor, lease_s=SKIP_LEASE_S)
            saved = None if claim is None else self._skip(claim, operator)
            if saved is not None:
                self._changes.on_saved(saved)
                return saved
            if claim is None:
                raise NotPossible("skip", _AT_WORK.format(step=order.saga.step))
        raise StaleVersion(order_id)

    def _skip(self, claim: Claim, operator: Operator) -> Order | None:
        """Write it down under the lease; ``None``: somebody saved first."""
        order, at = claim.order, self._changes.clock.now()
        storage = self._changes.storage
        try:
            _require("skip", self.why_not_skip(order))
            order = _let_go_on(order, operator, at).with_change(
                Change.STEP_SKIPPED,
                at=at,
                actor=operator.actor,
                facts={"step": order.saga.step, "phase": order.saga.phase, **operator.facts},
            )
            skipped = self._moves.done_by_hand(self._asking_once_more(order, at), at)
            return storage.checkpoint(skipped, claim.lease, extend_s=None).order
        except StaleVersion:
            storage.release(claim.lease)
            return None
        except LeaseLost:
            raise NotPossible("skip", _AT_WORK.format(step=order.saga.step)) from None
        except BaseException:
            storage.release(claim.lease)
            raise

    def _asking_once_more(self, order: Order, at: datetime) -> Order:
        """Compare the order with its provider in a while, if money was to move.

        Nobody can forbid money to move late: a call that is under way, or a zombie's, may arrive
        after nothing was found of it, or after a person did the same by hand.
        """
        if order.saga.operation is None:
            return order
        due_at = at + timedelta(seconds=self._recheck_s)
        return appoint(order, OperationKind.CHECK_PAYMENT, at=at, due_at=due_at)

    # -- what is possible ------------------------------------------------------------------

    def why_not(self, order: Order) -> Mapping[str, str | None]:
        """Tell of each way to steer why it is not possible now; ``None``: it is."""
        return {
            "retry": why_not_retry(order),
            "skip": self.why_not_skip(order),
            "compensate": self.why_not_compensate(order),
            "pause": why_not_pause(order),
            "resume": why_not_resume(order),
        }

    def why_not_skip(self, order: Order) -> str | None:
        """Say why the present step cannot be skipped; ``None``: it can."""
        position = order.saga
        if position.phase.is_over:
            return "The order's saga is finished: there is no step to skip."
        if position.attention is None and not position.paused:
            return (
                f"Step {position.step} moves by itself. Only a step that is stuck, or one of a "
                "paused order, can be skipped; pause the order first."
            )
        step = self._step_of(order)
        if step is None:
            return _OTHER_VERSION
        running = position.phase is SagaPhase.RUNNING
        if (step.by_hand if running else step.undone_by_hand) is not None:
            return None
        instead = "retry it" if position.attention is not None else "resume the order"
        if running and _can_turn_back(step):
            instead += ", or compensate what was done so far"
        return f"Step {step.name} is not for a person to do outside; {instead}."

    def why_not_compensate(self, order: Order) -> str | None:
        """Say why the present saga cannot be turned back; ``None``: it can."""
        position = order.saga
        if position.phase.is_over:
            return (
                "The order's saga is finished. Ask for what should follow it, such as a "
                "cancellation, a return or a refund."
            )
        if position.phase is SagaPhase.COMPENSATING:
            return "Everything is being taken back already; retry or skip the step it stands at."
        if position.attention is None and position.wait is None and not position.paused:
            return f"Step {position.step} moves by itself; pause the order first."
        step = self._step_of(order)
        if step is None:
            return _OTHER_VERSION
        if _can_turn_back(step):
            return None
        instead = "retry it" if position.attention is not None else "resume the order"
        if step.by_hand is not None:
            instead += ", or skip it if it was done outside"
        return f"Step {step.name} cannot be taken back; {instead}."

    def _step_of(self, order: Order) -> Step | None:
        if order.saga.definition not in self._moves.definitions:
            return None
        return self._moves.saga_of(order).step(order.saga.step)


def why_not_pause(order: Order) -> str | None:
    """Say why the order cannot be paused; ``None``: it can."""
    if order.saga.paused:
        return "The order is paused already; resume it to let it go on."
    queued = any(one.state is OperationState.QUEUED for one in order.operations)
    if order.saga.phase.is_over and not TRANSITIONS[order.status] and not queued:
        return f"The order is {order.status} and nothing of it moves any more."
    return None


def why_not_resume(order: Order) -> str | None:
    """Say why the order cannot be resumed; ``None``: it can."""
    if order.saga.paused:
        return None
    if order.saga.attention is not None:
        return "The order is not paused, but needs a person; correct the cause, then retry it."
    return "The order is not paused: it moves by itself, or its saga is finished."


def why_not_retry(order: Order) -> str | None:
    """Say why there is nothing to retry; ``None``: there is."""
    if order.saga.attention is not None:
        return None
    if order.saga.paused:
        return "The order is paused, and nothing of it needs mending; resume it."
    return NothingToSteer(order.id).sentence


_AT_WORK: Final = (
    "A worker is at step {step} just now, and may be about to have its effect. Try again when it "
    "has ended; pause the order to keep it from beginning anew."
)
_OTHER_VERSION: Final = (
    "The order's saga was begun by another version of the program; steer it with that one."
)


def _require(action: str, why_not: str | None) -> None:
    if why_not is not None:
        raise NotPossible(action, why_not)


def _can_turn_back(step: Step) -> bool:
    """Tell whether the table has a way back from the step, even if it had its effect."""
    return step.undo is not None or step.exhausted is not None


def _unpaused(order: Order, operator: Operator, at: datetime) -> Order:
    return order.with_change(
        Change.SAGA_RESUMED,
        at=at,
        actor=operator.actor,
        facts=operator.facts,
        saga=evolve(order.saga.forgiven(), paused=False, due_at=at),
    )


def _let_go_on(order: Order, operator: Operator, at: datetime) -> Order:
    """End the pause and take the flag down, each with its fact; the saga is due at once."""
    if order.saga.paused:
        order = _unpaused(order, operator, at)
    if order.saga.attention is not None:
        order = order.resolve_attention(reason=operator.reason, actor=operator.actor, at=at)
    return order
