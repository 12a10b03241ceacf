"""A saga of scripted steps over the real memory store, driven by the real runner."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from oms_adapters.storage.memory import MemoryStorage
from oms_core import Order, RunnerSettings, Scope
from oms_core.application.operation_queue import OperationQueue
from oms_core.application.saga import Done, Refused, Saga, Step, StepOutcome, Stuck, Waiting, Work
from oms_core.application.saga_moves import SagaMoves
from oms_core.application.saga_runner import SagaRunner
from oms_core.domain.failure import FailureReason
from oms_core.errors import NothingToSteer, OutcomeUnknown
from oms_core.ports.storage import Claim
from oms_core.testing import SimulatedClock, a_scope, an_order
from oms_core.testing.faults import FaultPlan, faulty_storage

End = StepOutcome | BaseException | Callable[[Work], StepOutcome]
GAVE_UP = FailureReason("gave_up", "It took too long.")
SOLD_OUT = FailureReason("sold_out", "Somebody else was quicker.")
TOO_LATE = FailureReason("too_late", "Nobody acted in time.")
SILENT = OutcomeUnknown("http_500")
WAIT = Waiting("somebody", poll_s=10.0, deadline_s=25.0, too_late=TOO_LATE)
STUCK = Stuck("only_a_person_knows", "Look at it.")
BUG = ZeroDivisionError("the customer's card is 4242 4242 4242 4242")


class Script:
    """Ends its attempts one way after the other, the last one for ever."""

    def __init__(self, *ends: End) -> None:
        self.ends = ends
        self.works: list[Work] = []

    def __call__(self, work: Work) -> StepOutcome:
        self.works.append(work)
        end = self.ends[min(len(self.works), len(self.ends)) - 1]
        if isinstance(end, BaseException):
            raise end
        return end(work) if callable(end) else end

    @property
    def keys(self) -> list[str]:
        """The idempotency key of every attempt."""
        return [work.key("effect") for work in self.works]

    @property
    def moments(self) -> list[float]:
        """Seconds from the first attempt to each."""
        return [(work.now - self.works[0].now).total_seconds() for work in self.works]


class AlwaysLongest:
    """Randomness that always answers the upper end, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    def uniform(self, a: float, b: float) -> float:
        self.asked.append((a, b))
        return b


class Skewed:
    """A clock that is always *by_s* seconds ahead of another."""

    def __init__(self, clock: SimulatedClock, by_s: float) -> None:
        self.clock = clock
        self.by_s = by_s

    def now(self) -> datetime:
        return self.clock.now() + timedelta(seconds=self.by_s)


class Stage:
    """One order in a saga called ``exam/1``."""

    def __init__(
        self,
        *steps: Step,
        settings: RunnerSettings | None = None,
        plan: FaultPlan | None = None,
        skew_s: float = 0.0,
    ) -> None:
        """Put up *steps*; the worker's clock is *skew_s* seconds ahead of the store's."""
        self.clock = SimulatedClock()
        self.storage = MemoryStorage(self.clock)
        self.plan = plan or FaultPlan()
        self.randomness = AlwaysLongest()
        self.saved: list[Order] = []
        self.listener: Callable[[Order], object] = lambda _: None
        self.settings = settings or RunnerSettings()
        self.saga = Saga("exam", 1, steps, when_compensated=lambda order, at: order.fail(at=at))
        moves = SagaMoves(
            [self.saga],
            OperationQueue({}),
            self.randomness,
            bug_attempts_max=self.settings.bug_attempts_max,
        )
        self.runner = SagaRunner(
            moves,
            storage=faulty_storage(self.storage, self.plan),
            clock=Skewed(self.clock, skew_s),
            settings=self.settings,
            on_saved=self._hear,
        )
        self.scope: Scope = a_scope()
        self.id = an_order().id
        self.storage.add(an_order(saga=self.saga.start(self.clock.now())))

    def _hear(self, order: Order) -> None:
        self.saved.append(order)
        self.listener(order)

    @property
    def order(self) -> Order:
        """The order as it is stored."""
        return self.storage.get(self.scope, self.id)

    def claim(self, holder: str = "worker-1", *, lease_s: float = 30.0) -> Claim | None:
        """Claim the order if it is due."""
        claims = self.storage.claim_due(
            holder, limit=1, lease_s=lease_s, definitions=self.runner.definitions
        )
        return claims[0] if claims else None

    def drive(self) -> Order:
        """Do all that is due now."""
        while claim := self.claim():
            self.runner.drive(claim)
        return self.order

    def drive_for(self, rounds: int) -> Order:
        """Do all that is due, and let time pass until something is due again, so often."""
        for _ in range(rounds):
            self.drive()
            due_at = self.storage.earliest_due()
            if due_at is None:
                break
            self.clock.advance_to(due_at)
        return self.order

    def retry(self) -> None:
        """Be the operator who mended the cause."""
        order = self.order
        if order.saga.attention is None:
            raise NothingToSteer(order.id)
        self.storage.save(
            order.resolve_attention(reason="mended", actor="pat", at=self.clock.now())
        )

    def note(self, text: str) -> None:
        """Be somebody without a lease who saves the order."""
        order = self.order
        self.storage.save(evolve(order, metadata={**order.metadata, text: text}))

    def seconds_from_now(self, moment: datetime | None) -> float | None:
        """Tell how far away *moment* is."""
        return None if moment is None else (moment - self.clock.now()).total_seconds()

    def journal(self) -> list[tuple[str, str, str, int]]:
        """Tell how each step went: its name, direction, last outcome, attempts."""
        journal = sorted(self.order.saga.journal, key=lambda j: (j.first_at, j.step, j.action))
        return [(j.step, j.action, j.outcome, j.attempts) for j in journal]


def noting(text: str) -> Callable[[Order, datetime], Order]:
    """Write something into the order that a test can look for."""
    return lambda order, at: evolve(order, metadata={**order.metadata, text: at.isoformat()})


def done(text: str = "done") -> Done:
    return Done(noting(text))


def a_step(name: str, run: Script, undo: Script | None = None, **more: Any) -> Step:
    fields: dict[str, Any] = {"exhausted": GAVE_UP, **more}
    return Step(name, run=run, undo=undo, **fields)


def compensating(undo: Script, **more: Any) -> Stage:
    return Stage(a_step("one", Script(Refused(SOLD_OUT)), undo, **more))
