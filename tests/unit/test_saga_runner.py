"""Each way a step can end, in both directions; retries, waits, attention, stale versions."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from oms_core import Backoff, Change, Order, OrderStatus, RunnerSettings
from oms_core.application.saga import (
    Done,
    NewGeneration,
    Refused,
    Step,
    Stuck,
    Waiting,
    Work,
)
from oms_core.application.saga_moves import Trouble
from oms_core.application.saga_runner import STALE_RETRIES_MAX
from oms_core.domain.failure import FailureReason
from oms_core.domain.saga_position import SagaPhase, SagaState
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InventoryUnavailable,
    OutcomeUnknown,
    RetryableNotExecuted,
    StaleVersion,
    StoreUnavailable,
)
from oms_core.testing.faults import Fault, FaultPlan, SimulatedCrash
from tests.support.stage import GAVE_UP, Script, Stage

SOLD_OUT = FailureReason("sold_out", "Somebody else was quicker.")
TOO_LATE = FailureReason("too_late", "Nobody acted in time.")
SILENT = OutcomeUnknown("http_500")
WAIT = Waiting("somebody", poll_s=10.0, deadline_s=25.0, too_late=TOO_LATE)
STUCK = Stuck("only_a_person_knows", "Look at it.")
BUG = ZeroDivisionError("the customer's card is 4242 4242 4242 4242")


def noting(text: str) -> Callable[[Order, datetime], Order]:
    """Write something into the order that a test can look for."""
    return lambda order, at: evolve(order, metadata={**order.metadata, text: at.isoformat()})


def done(text: str = "done") -> Done:
    return Done(noting(text))


def a_step(name: str, run: Script, undo: Script | None = None, **more: Any) -> Step:
    fields: dict[str, Any] = {"exhausted": GAVE_UP, **more}
    return Step(name, run=run, undo=undo, **fields)


# -- running: how a step can end -----------------------------------------------------------------


def test_steps_are_done_in_order_and_each_outcome_is_written() -> None:
    first, second = Script(done("first")), Script(done("second"))
    stage = Stage(a_step("one", first), a_step("two", second))

    order = stage.drive()

    assert set(order.metadata) == {"first", "second"}
    assert stage.journal() == [("one", "run", "done", 1), ("two", "run", "done", 1)]
    assert (order.saga.phase, order.saga.step) == (SagaPhase.COMPLETED, None)
    assert (order.saga.state, order.saga.due_at) == (SagaState.FINISHED, None)
    assert stage.storage.earliest_due() is None


def test_each_outcome_is_stored_before_the_next_step_is_called() -> None:
    stage: Stage
    seen: list[tuple[str | None, list[str]]] = []

    def look(_: Work) -> Done:
        seen.append((stage.order.saga.step, sorted(stage.order.metadata)))
        return done(f"note {len(seen)}")

    stage = Stage(a_step("one", Script(look)), a_step("two", Script(look)))
    stage.drive()

    assert seen == [("one", []), ("two", ["note 1"])]


def test_a_refusal_undoes_everything_in_reverse_this_step_included() -> None:
    calls: list[str] = []

    def call(name: str, _: Work) -> Done:
        calls.append(name)
        return Done()

    undo = {name: Script(partial(call, f"undo {name}")) for name in ("one", "two", "three")}
    stage = Stage(
        a_step("one", Script(partial(call, "one")), undo["one"]),
        a_step("without undo", Script(partial(call, "without undo"))),
        a_step("two", Script(partial(call, "two")), undo["two"]),
        a_step("three", Script(Refused(SOLD_OUT, noting("why"))), undo["three"]),
        a_step("never reached", Script(Done()), Script(Done())),
    )

    order = stage.drive()

    assert calls == ["one", "without undo", "two", "undo three", "undo two", "undo one"]
    assert (order.status, order.failure) == (OrderStatus.FAILED, SOLD_OUT)
    assert "why" in order.metadata
    assert (order.saga.phase, order.saga.step) == (SagaPhase.COMPENSATED, None)
    assert order.saga.due_at is None


def test_the_intent_to_undo_is_stored_before_anything_is_undone() -> None:
    stage: Stage
    seen: list[tuple[SagaPhase, FailureReason | None]] = []

    def look(_: Work) -> Done:
        seen.append((stage.order.saga.phase, stage.order.failure))
        return Done()

    stage = Stage(a_step("one", Script(Refused(SOLD_OUT)), Script(look)))
    stage.drive()

    assert seen == [(SagaPhase.COMPENSATING, SOLD_OUT)]


def test_a_refused_step_without_undo_is_passed_over() -> None:
    stage = Stage(
        a_step("one", Script(Done()), one := Script(Done())),
        a_step("two", Script(Refused(SOLD_OUT))),
    )

    assert stage.drive().status is OrderStatus.FAILED
    assert len(one.works) == 1


def test_an_order_fails_only_when_its_compensation_is_complete() -> None:
    undo = Script(SILENT, SILENT, Done())
    stage = Stage(a_step("one", Script(Refused(SOLD_OUT)), undo))

    statuses = [stage.drive_for(1).status for _ in range(3)]

    assert statuses == [OrderStatus.PENDING_PAYMENT] * 2 + [OrderStatus.FAILED]


def test_the_first_reason_stays_the_reason() -> None:
    stage = Stage(a_step("one", Script(Refused(SOLD_OUT)), Script(Done())))
    stage.storage.save(evolve(stage.order, failure=TOO_LATE))

    assert stage.drive().failure == TOO_LATE


def test_who_waits_is_looked_at_again_with_the_same_key_and_not_before() -> None:
    step = Script(WAIT, WAIT, Done())
    stage = Stage(a_step("one", step))

    order = stage.drive()

    assert order.saga.state is SagaState.WAITING
    assert order.is_settled
    assert order.saga.wait is not None
    assert order.saga.wait.reason == "somebody"
    assert stage.seconds_from_now(order.saga.due_at) == 10
    assert stage.seconds_from_now(order.saga.wait.deadline) == 25
    assert stage.claim() is None
    assert stage.drive_for(5).saga.phase is SagaPhase.COMPLETED
    assert step.moments == [0, 10, 20]
    assert len(set(step.keys)) == 1
    assert stage.order.saga.wait is None


def test_a_wait_ends_at_its_first_deadline_and_the_order_is_refused() -> None:
    step = Script(WAIT)
    stage = Stage(a_step("one", step, undo := Script(Done())))

    order = stage.drive_for(9)

    assert step.moments == [0, 10, 20, 25]
    assert (order.status, order.failure) == (OrderStatus.FAILED, TOO_LATE)
    assert len(undo.works) == 1
    assert stage.journal() == [("one", "run", "refused", 4), ("one", "undo", "done", 1)]


def test_a_wait_tells_what_is_waited_for_now_and_keeps_its_deadline() -> None:
    """A customer who acts and an asynchronous provider share the time there is."""
    bank = evolve(WAIT, reason="the bank", deadline_s=9_000.0)
    stage = Stage(a_step("one", step := Script(WAIT, bank), Script(Done())))

    stage.drive_for(1)
    order = stage.drive()

    assert order.saga.wait is not None
    assert order.saga.wait.reason == "the bank"
    assert stage.drive_for(9).failure == TOO_LATE
    assert step.moments[-1] == 25


def test_an_answer_at_the_last_moment_still_counts() -> None:
    stage = Stage(a_step("one", Script(WAIT, WAIT, WAIT, Done())))

    assert stage.drive_for(9).saga.phase is SagaPhase.COMPLETED


def test_what_a_wait_writes_is_written_each_time() -> None:
    waiting = evolve(WAIT, apply=noting("waits"))
    stage = Stage(a_step("one", Script(waiting, waiting, Done())))

    assert "waits" in stage.drive().metadata


def test_a_woken_order_is_looked_at_at_once() -> None:
    step = Script(WAIT, Done())
    stage = Stage(a_step("one", step))
    stage.drive()
    stage.clock.advance(3)

    woken = evolve(stage.order.saga, due_at=stage.clock.now())
    stage.storage.save(evolve(stage.order, saga=woken))

    assert stage.drive().saga.phase is SagaPhase.COMPLETED
    assert step.moments == [0, 3]


def test_the_wait_of_a_later_step_has_its_own_deadline() -> None:
    stage = Stage(
        a_step("one", Script(WAIT, WAIT, Done())), a_step("two", two := Script(WAIT, WAIT, Done()))
    )

    assert stage.drive_for(9).saga.phase is SagaPhase.COMPLETED
    assert two.moments == [0, 10, 20]


def test_a_new_generation_is_stored_before_its_key_is_used() -> None:
    stage: Stage
    stored: list[int] = []

    def look(_: Work) -> Done:
        stored.append(stage.order.saga.generation)
        return Done()

    step = Script(NewGeneration(), NewGeneration(), look)
    stage = Stage(a_step("one", step))
    stage.clock.advance(7)

    order = stage.drive()

    assert stored == [3]
    assert len(set(step.keys)) == 3
    journal = order.saga.journal_of("one", "run")
    assert journal is not None
    assert (journal.generations, journal.outcome, journal.attempts) == (3, "done", 3)


def test_a_generation_knows_since_when_its_key_is_used_and_the_next_step_begins_anew() -> None:
    step = Script(NewGeneration(), SILENT, Done())
    stage = Stage(a_step("one", step), a_step("two", two := Script(Done())))
    stage.clock.advance(7)

    stage.drive_for(3)

    assert [work.order.saga.generation for work in step.works] == [1, 2, 2]
    since = [work.order.saga.generation_since for work in step.works]
    assert [stage.seconds_from_now(moment) for moment in since] == [-7.5, -0.5, -0.5]
    assert two.works[0].order.saga.generation == 1
    assert two.works[0].order.saga.generation_since == stage.clock.now()


def test_only_a_person_can_free_who_is_stuck() -> None:
    step = Script(STUCK, Done())
    stage = Stage(a_step("one", step))

    order = stage.drive()

    assert order.saga.state is SagaState.STUCK
    assert order.saga.is_parked
    assert order.saga.attention is not None
    assert order.saga.attention.code == "only_a_person_knows"
    assert order.history[-1].change is Change.ATTENTION_NEEDED
    assert stage.storage.earliest_due() is None
    stage.retry()
    assert stage.drive().saga.phase is SagaPhase.COMPLETED
    assert len(set(step.keys)) == 1


def test_who_was_stuck_without_effect_goes_on_with_a_new_key() -> None:
    step = Script(evolve(STUCK, had_no_effect=True), Done())
    stage = Stage(a_step("one", step))

    parked = stage.drive()

    assert parked.saga.is_parked
    assert parked.saga.generation == 2
    stage.retry()
    assert stage.drive().saga.phase is SagaPhase.COMPLETED
    assert len(set(step.keys)) == 2


# -- technical trouble ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [SILENT, RetryableNotExecuted(), InventoryUnavailable(), StoreUnavailable(), BUG, KeyError(1)],
)
@pytest.mark.parametrize("phase", [SagaPhase.RUNNING, SagaPhase.COMPENSATING])
def test_trouble_that_may_pass_is_retried_with_the_same_key(
    trouble: Exception, phase: SagaPhase
) -> None:
    step = Script(trouble, trouble, Done())
    running = phase is SagaPhase.RUNNING
    stage = Stage(
        a_step("one", step if running else Script(Refused(SOLD_OUT)), None if running else step)
    )

    order = stage.drive_for(5)

    assert order.saga.phase.is_over
    assert len(step.works) == 3
    assert len(set(step.keys)) == 1
    action = "run" if running else "undo"
    journal = order.saga.journal_of("one", action)
    assert journal is not None
    assert (journal.outcome, journal.attempts, journal.troubles) == ("done", 3, 0)


def test_every_retry_waits_up_to_twice_as_long_as_the_one_before_up_to_a_cap() -> None:
    step = Script(SILENT)
    stage = Stage(a_step("one", step, Script(Done()), retry=Backoff(7, first_s=1.0, cap_s=10.0)))

    stage.drive_for(9)

    assert stage.randomness.asked == [(0.0, s) for s in (1.0, 2.0, 4.0, 8.0, 10.0, 10.0)]
    assert step.moments == [0, 1, 3, 7, 15, 25, 35]


@given(
    attempts=st.integers(1, 10**6),
    first_s=st.floats(0.001, 10),
    cap_s=st.floats(0.001, 1_000),
    seed=st.integers(),
)
def test_backoff_is_jitter_over_the_whole_range_and_never_beyond_the_cap(
    attempts: int, first_s: float, cap_s: float, seed: int
) -> None:
    backoff = Backoff(10, first_s, cap_s)

    delay_s = backoff.delay_s(attempts, Random(seed))

    assert 0 <= delay_s <= min(cap_s, first_s * 2.0 ** min(attempts - 1, 40))


@pytest.mark.parametrize(
    ("retry_after_s", "waits_s"),
    [(None, 0.5), (0.1, 0.5), (0.0, 0.5), (7.5, 7.5), (3600.0, 3600.0)],
)
def test_the_next_attempt_waits_at_least_as_long_as_the_other_side_asks(
    retry_after_s: float | None, waits_s: float
) -> None:
    step = Script(RetryableNotExecuted("rate_limited", retry_after_s), Done())
    stage = Stage(a_step("one", step))

    stage.drive_for(3)

    assert step.moments == [0, waits_s]


@pytest.mark.parametrize("absurd_s", [float("inf"), float("nan"), 1e300])
def test_an_absurd_wish_to_wait_is_never_followed_blindly(absurd_s: float) -> None:
    stage = Stage(a_step("one", Script(RetryableNotExecuted("", absurd_s), Done())))

    order = stage.drive_for(3)

    assert order.saga.attention is not None or order.saga.phase is SagaPhase.COMPLETED


def test_a_running_step_that_uses_up_its_attempts_fails_the_order_with_its_reason() -> None:
    step = Script(SILENT)
    stage = Stage(a_step("one", step, undo := Script(Done()), retry=Backoff(4)))

    order = stage.drive_for(9)

    assert len(step.works) == 4
    assert len(undo.works) == 1
    assert (order.status, order.failure) == (OrderStatus.FAILED, GAVE_UP)
    journal = order.saga.journal_of("one", "run")
    assert journal is not None
    assert journal.error == "payment_outcome_unknown (http_500)"


def test_a_running_step_without_a_reason_to_give_up_is_parked_instead() -> None:
    step = Script(SILENT, SILENT, SILENT, Done())
    stage = Stage(a_step("one", step, exhausted=None, retry=Backoff(3)))

    order = stage.drive_for(9)

    assert len(step.works) == 3
    assert order.saga.is_parked
    assert order.saga.attention is not None
    stage.retry()
    assert stage.drive().saga.phase is SagaPhase.COMPLETED


def test_an_undo_is_tried_for_ever_but_flagged_when_its_attempts_are_used_up() -> None:
    undo = Script(*[SILENT] * 50, Done())
    stage = Stage(a_step("one", Script(Refused(SOLD_OUT)), undo, retry=Backoff(3, 1.0, 60.0)))

    stage.drive_for(2)
    assert stage.order.saga.attention is None
    order = stage.drive_for(1)

    assert order.saga.attention is not None
    assert order.saga.attention.code == "retrying_for_long"
    assert order.saga.state is SagaState.STUCK
    assert not order.saga.is_parked
    order = stage.drive_for(60)
    assert len(undo.works) == 51
    assert order.status is OrderStatus.FAILED
    assert order.saga.attention is None
    flags = [e.change for e in order.history if e.change.startswith("attention")]
    assert flags == [Change.ATTENTION_NEEDED, Change.ATTENTION_RESOLVED]
    resolved = next(e for e in order.history if e.change is Change.ATTENTION_RESOLVED)
    assert (resolved.actor, resolved.facts) == ("system", {"reason": "went on by itself"})


@pytest.mark.parametrize("phase", [SagaPhase.RUNNING, SagaPhase.COMPENSATING])
def test_trouble_that_no_repeat_can_heal_parks_the_order_at_once(phase: SagaPhase) -> None:
    step = Script(IdempotencyMismatch("http_409"), Done())
    running = phase is SagaPhase.RUNNING
    stage = Stage(
        a_step("one", step if running else Script(Refused(SOLD_OUT)), None if running else step)
    )

    order = stage.drive_for(9)

    assert len(step.works) == 1
    assert order.saga.is_parked
    assert order.saga.phase is phase
    assert order.saga.attention is not None
    assert order.saga.attention.code == "payment_idempotency_mismatch"
    assert order.saga.attention.message == (
        "Step one: The payment provider reports payment_idempotency_mismatch (http_409). "
        "Correct the cause, then retry the order."
    )
    stage.retry()
    assert stage.drive().saga.phase.is_over


@pytest.mark.parametrize("phase", [SagaPhase.RUNNING, SagaPhase.COMPENSATING])
def test_an_order_whose_provider_refuses_our_credentials_waits_for_ever_and_goes_on_by_itself(
    phase: SagaPhase,
) -> None:
    """F17: it did nothing wrong, so it neither fails nor needs a hand."""
    step = Script(*[CredentialsRejected("http_401")] * 40, Done())
    running = phase is SagaPhase.RUNNING
    stage = Stage(
        a_step(
            "one",
            step if running else Script(Refused(SOLD_OUT)),
            None if running else step,
            retry=Backoff(3),
        )
    )

    flagged = stage.drive_for(20)
    order = stage.drive_for(30)

    assert flagged.saga.phase is phase
    assert flagged.saga.state is SagaState.STUCK
    assert flagged.saga.due_at is not None
    assert flagged.saga.attention is not None
    assert flagged.saga.attention.code == "payment_credentials_rejected"
    assert flagged.saga.attention.message == (
        "Step one: The payment provider reports payment_credentials_rejected (http_401). Correct "
        "the provider's credentials in the configuration; the order then goes on by itself."
    )
    assert len(step.works) == 41
    assert order.saga.phase is (SagaPhase.COMPLETED if running else SagaPhase.COMPENSATED)
    assert order.saga.attention is None
    flags = [e.change for e in order.history if e.change.startswith("attention")]
    assert flags == [Change.ATTENTION_NEEDED, Change.ATTENTION_RESOLVED]
    assert len(set(step.keys)) == 1


def test_an_order_waits_about_as_long_as_it_has_been_refused_but_five_minutes_at_the_most() -> None:
    step = Script(CredentialsRejected("http_401"))
    stage = Stage(a_step("one", step))

    stage.drive_for(15)

    waits = [after - before for before, after in pairwise(step.moments)]
    assert waits[:6] == [2, 2, 4, 8, 16, 32]
    assert set(waits[9:]) == {300}


def test_an_account_that_asks_for_patience_gets_it_and_not_from_all_at_the_same_moment() -> None:
    step = Script(CredentialsRejected("http_401", 60.0))
    stage = Stage(a_step("one", step))

    stage.drive_for(2)

    assert step.moments == [0, 62]


def test_refused_credentials_use_up_no_attempt_of_other_trouble() -> None:
    """Else an outage that follows would fail the order at its first silence."""
    refused = CredentialsRejected("http_401")
    step = Script(SILENT, *[refused] * 20, SILENT, refused, SILENT, Done())
    stage = Stage(a_step("one", step, retry=Backoff(4)))

    order = stage.drive_for(40)

    assert order.saga.phase is SagaPhase.COMPLETED
    assert len(step.works) == 25


def test_a_provider_that_knows_us_again_takes_the_flag_down_even_if_the_order_must_wait() -> None:
    step = Script(CredentialsRejected("http_401"), WAIT)
    stage = Stage(a_step("one", step))

    order = stage.drive_for(2)

    assert order.saga.attention is None
    assert order.saga.state is SagaState.WAITING


@pytest.mark.parametrize("phase", [SagaPhase.RUNNING, SagaPhase.COMPENSATING])
def test_a_bug_parks_the_order_after_a_few_attempts_and_tells_nothing_it_should_not(
    phase: SagaPhase,
) -> None:
    step = Script(BUG)
    running = phase is SagaPhase.RUNNING
    stage = Stage(
        a_step("one", step if running else Script(Refused(SOLD_OUT)), None if running else step),
        settings=RunnerSettings(bug_attempts_max=3),
    )

    order = stage.drive_for(9)

    assert len(step.works) == 3
    assert order.saga.is_parked
    assert order.saga.attention is not None
    assert order.saga.attention.code == "unexpected_ZeroDivisionError"
    assert "4242" not in repr((order.saga, order.history))
    journal = order.saga.journal_of("one", "run" if running else "undo")
    assert journal is not None
    assert (journal.outcome, journal.error) == ("stuck", "unexpected_ZeroDivisionError")


def test_success_in_between_gives_the_whole_budget_again() -> None:
    step = Script(SILENT, SILENT, WAIT, SILENT, SILENT, Done())
    stage = Stage(a_step("one", step, retry=Backoff(3)))

    assert stage.drive_for(20).saga.phase is SagaPhase.COMPLETED


def test_a_new_generation_does_not_give_a_new_budget() -> None:
    """Otherwise a provider that replays errors for every key would be asked for ever."""
    step = Script(SILENT, NewGeneration(), SILENT, NewGeneration(), SILENT)
    stage = Stage(a_step("one", step, retry=Backoff(3)))

    order = stage.drive_for(20)

    assert order.failure == GAVE_UP
    assert len(step.works) == 5


def test_an_operators_retry_gives_the_whole_budget_again() -> None:
    step = Script(SILENT, SILENT, IdempotencyMismatch(), SILENT, SILENT, Done())
    stage = Stage(a_step("one", step, retry=Backoff(3)))
    stage.drive_for(9)

    stage.retry()

    assert stage.drive_for(9).saga.phase is SagaPhase.COMPLETED


def test_a_running_wait_goes_on_through_trouble_and_keeps_its_deadline() -> None:
    step = Script(WAIT, SILENT, WAIT)
    stage = Stage(a_step("one", step, Script(Done())))

    order = stage.drive_for(20)

    assert order.failure == TOO_LATE
    assert step.moments[-1] == 25


def test_trouble_names_our_errors_by_their_code_and_others_by_their_class() -> None:
    assert Trouble(SILENT).note == "payment_outcome_unknown (http_500)"
    assert Trouble(RetryableNotExecuted()).note == "payment_not_executed"
    assert Trouble(BUG).note == "unexpected_ZeroDivisionError"
    assert Trouble(BUG).retry_after_s == 0.0


# -- compensating: how an undo can end -----------------------------------------------------------


def compensating(undo: Script, **more: Any) -> Stage:
    return Stage(a_step("one", Script(Refused(SOLD_OUT)), undo, **more))


def test_an_undo_that_is_refused_is_for_a_person() -> None:
    undo = Script(Refused(TOO_LATE, noting("refused")), Done())
    stage = compensating(undo)

    order = stage.drive()

    assert order.saga.is_parked
    assert order.saga.phase is SagaPhase.COMPENSATING
    assert order.saga.attention is not None
    assert order.saga.attention.code == "too_late"
    assert order.failure == SOLD_OUT
    assert "refused" in order.metadata
    stage.retry()
    assert stage.drive().status is OrderStatus.FAILED


def test_an_undo_that_waits_past_its_deadline_calls_for_a_person_and_goes_on_waiting() -> None:
    undo = Script(*[WAIT] * 8, Done())
    stage = compensating(undo)

    order = stage.drive_for(4)
    assert undo.moments == [0, 10, 20, 25]
    assert order.saga.attention is not None
    assert order.saga.attention.code == "too_late"
    order = stage.drive_for(9)

    assert undo.moments == [0, 10, 20, 25, 35, 45, 55, 65, 75]
    assert order.status is OrderStatus.FAILED
    assert order.saga.attention is None
    assert [e.change for e in order.history].count(Change.ATTENTION_NEEDED) == 1


def test_an_undo_that_is_stuck_is_parked_and_its_retry_goes_on_undoing() -> None:
    stage = compensating(Script(STUCK, Done()))

    order = stage.drive()

    assert order.saga.is_parked
    assert order.saga.phase is SagaPhase.COMPENSATING
    stage.retry()
    assert stage.drive().status is OrderStatus.FAILED


def test_an_undo_may_need_a_new_generation() -> None:
    undo = Script(NewGeneration(), Done())
    stage = compensating(undo)

    order = stage.drive()

    assert len(set(undo.keys)) == 2
    assert order.status is OrderStatus.FAILED
    assert order.saga.generation == 2


def test_the_first_undo_does_not_use_the_generation_of_the_run() -> None:
    run = Script(NewGeneration(), NewGeneration(), Refused(SOLD_OUT))
    undo = Script(Done())
    stage = Stage(a_step("one", run, undo))

    stage.drive()

    assert undo.works[0].order.saga.generation == 1


# -- local steps ---------------------------------------------------------------------------------


def test_a_local_step_is_recorded_together_with_the_one_before_it() -> None:
    stage = Stage(
        a_step("one", Script(done("one"))),
        a_step("two", Script(done("two")), is_local=lambda order: "one" in order.metadata),
        a_step("three", Script(done("three")), is_local=lambda _: True),
    )

    order = stage.drive()

    assert set(order.metadata) == {"one", "two", "three"}
    assert len(stage.saved) == 1
    assert order.saga.phase is SagaPhase.COMPLETED
    assert stage.journal() == [
        ("one", "run", "done", 1),
        ("three", "run", "done", 1),
        ("two", "run", "done", 1),
    ]


def test_a_step_that_is_not_local_for_this_order_is_entered_first() -> None:
    stage = Stage(
        a_step("one", Script(Done())), a_step("two", Script(Done()), is_local=lambda _: False)
    )

    stage.drive()

    assert [order.saga.step for order in stage.saved] == ["two", None]


def test_a_local_step_that_does_not_simply_end_is_run_as_any_other() -> None:
    local = Script(Refused(SOLD_OUT), Refused(SOLD_OUT))
    stage = Stage(
        a_step("one", Script(done("one")), undo := Script(Done())),
        a_step("two", local, is_local=lambda _: True),
    )

    order = stage.drive()

    assert order.status is OrderStatus.FAILED
    assert "one" in order.metadata
    assert len(undo.works) == 1
    assert stage.saved[0].saga.step == "two"


def test_a_local_step_is_not_run_on_the_way_back() -> None:
    local = Script(Done())
    stage = Stage(
        a_step("one", Script(Done()), Script(Done()), is_local=lambda _: True),
        a_step("two", Script(Refused(SOLD_OUT)), Script(Done())),
        a_step("three", local, is_local=lambda _: True),
    )

    assert stage.drive().status is OrderStatus.FAILED
    assert not local.works


def test_a_local_step_that_breaks_parks_the_order_where_nothing_is_forgotten() -> None:
    stage = Stage(
        a_step("one", one := Script(done("one"))),
        a_step("two", Script(BUG, done("two")), is_local=lambda _: True),
    )

    order = stage.drive()

    assert order.saga.is_parked
    stage.retry()
    assert set(stage.drive().metadata) == {"one", "two"}
    assert len(set(one.keys)) == 1


# -- what does not fit ---------------------------------------------------------------------------


def test_an_outcome_that_cannot_be_written_parks_the_order() -> None:
    def impossible(order: Order, at: datetime) -> Order:
        return order.confirm(at=at)

    stage = Stage(a_step("one", Script(Done(impossible), Done())))

    order = stage.drive()

    assert order.saga.is_parked
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert order.saga.attention is not None
    assert order.saga.attention.code == "illegal_transition"
    stage.retry()
    assert stage.drive().saga.phase is SagaPhase.COMPLETED


def test_a_position_at_no_known_step_parks_the_order() -> None:
    stage = Stage(a_step("one", Script(Done())))
    stage.storage.save(evolve(stage.order, saga=evolve(stage.order.saga, step="renamed")))

    order = stage.drive()

    assert order.saga.is_parked
    assert order.saga.attention is not None
    assert order.saga.attention.code == "unexpected_LookupError"


def test_orders_of_unknown_definitions_are_left_alone() -> None:
    """F55: a worker of the old release does not touch what the new one began."""
    stage = Stage(a_step("one", one := Script(Done())))
    stage.storage.save(evolve(stage.order, saga=evolve(stage.order.saga, version=2)))

    assert stage.runner.definitions == {"exam/1"}
    assert stage.claim() is None
    assert not one.works


# -- claims, leases and other workers ------------------------------------------------------------


def test_every_checkpoint_renews_the_lease_and_the_last_one_gives_it_back() -> None:
    stage: Stage

    def takes_long(_: Work) -> Done:
        stage.clock.advance(20)
        return Done()

    steps = [a_step(name, Script(takes_long)) for name in ("one", "two", "three")]
    stage = Stage(*steps)

    order = stage.drive()

    assert order.saga.phase is SagaPhase.COMPLETED
    assert stage.storage.claim(stage.scope, stage.id, "another", lease_s=1.0) is not None


def test_an_order_that_retries_or_waits_is_given_back_until_it_is_due() -> None:
    stage = Stage(a_step("one", Script(SILENT, WAIT, Done())))

    stage.drive_for(1)

    assert stage.storage.claim(stage.scope, stage.id, "another", lease_s=1.0) is not None


def test_a_late_outcome_counts_if_nobody_else_came() -> None:
    stage: Stage

    def hangs(_: Work) -> Done:
        stage.clock.advance(31)
        return Done()

    stage = Stage(a_step("one", Script(hangs)), a_step("two", two := Script(Done())))
    claim = stage.claim()
    assert claim is not None

    stage.runner.drive(claim)

    assert stage.order.saga.phase is SagaPhase.COMPLETED
    assert len(two.works) == 1


@pytest.mark.parametrize("skew_s", [-0.5, 0.5, -3600.0, 3600.0])
def test_a_worker_whose_clock_goes_wrong_drives_what_the_store_says_is_due(skew_s: float) -> None:
    """F31: it neither hands the order back and forth nor lets it lie."""
    stage = Stage(
        a_step("one", Script(WAIT, Done())), a_step("two", two := Script(Done())), skew_s=skew_s
    )

    claims = 0
    for _ in range(5):
        while (claim := stage.claim()) is not None:
            claims += 1
            assert claims < 10, "claimed again and again"
            stage.runner.drive(claim)
        due_at = stage.storage.earliest_due()
        if due_at is not None:
            stage.clock.advance_to(due_at)

    assert stage.order.saga.phase is SagaPhase.COMPLETED
    assert len(two.works) == 1


def test_a_lost_lease_ends_the_drive_without_further_effects() -> None:
    stage: Stage

    def hangs(_: Work) -> Done:
        stage.clock.advance(31)
        assert stage.claim("another") is not None
        return done("zombie")

    stage = Stage(a_step("one", Script(hangs)), a_step("two", two := Script(Done())))
    claim = stage.claim()
    assert claim is not None

    stage.runner.drive(claim)

    assert stage.order.saga.step == "one"
    assert "zombie" not in stage.order.metadata
    assert not two.works
    assert stage.saved == []


def test_a_claimed_order_that_has_nothing_to_do_is_given_back_untouched() -> None:
    stage = Stage(a_step("one", one := Script(STUCK)))
    stage.drive()
    claim = stage.storage.claim(stage.scope, stage.id, "worker-1", lease_s=30.0)
    assert claim is not None

    stage.runner.drive(claim)

    assert len(one.works) == 1
    assert stage.storage.claim(stage.scope, stage.id, "another", lease_s=1.0) is not None


@pytest.mark.parametrize(("deaths", "is_poison"), [(4, False), (5, True)])
def test_an_order_that_takes_down_its_workers_is_parked_before_it_takes_the_next(
    deaths: int,
    is_poison: bool,  # noqa: FBT001
) -> None:
    """F43."""
    step = Script(*[SimulatedCrash()] * deaths, Done())
    stage = Stage(a_step("one", step), settings=RunnerSettings(deliveries_max=5))

    for _ in range(deaths):
        claim = stage.claim()
        assert claim is not None
        with pytest.raises(SimulatedCrash):
            stage.runner.drive(claim)
        stage.clock.advance(31)
    order = stage.drive()

    assert len(step.works) == deaths + (not is_poison)
    assert order.saga.is_parked == is_poison
    if is_poison:
        assert order.saga.attention is not None
        assert order.saga.attention.code == "worker_lost"
        assert order.saga.attention.message.startswith("5 workers in a row")
        stage.retry()
        assert stage.drive().saga.phase is SagaPhase.COMPLETED


def test_deaths_at_different_steps_are_not_added_up() -> None:
    stage = Stage(
        *[a_step(name, Script(*[SimulatedCrash()] * 4, Done())) for name in ("one", "two", "three")]
    )

    for _ in range(20):
        claim = stage.claim()
        if claim is None:
            break
        try:
            stage.runner.drive(claim)
        except SimulatedCrash:
            stage.clock.advance(31)

    assert stage.order.saga.phase is SagaPhase.COMPLETED


# -- other writers -------------------------------------------------------------------------------


def test_an_outcome_is_written_into_the_newest_version() -> None:
    stage: Stage

    def meanwhile(_: Work) -> Done:
        stage.note("somebody else")
        return done("the step")

    stage = Stage(a_step("one", Script(meanwhile)), a_step("two", two := Script(Done())))

    order = stage.drive()

    assert set(order.metadata) == {"somebody else", "the step"}
    assert len(two.works) == 1


def test_an_outcome_is_dropped_if_the_saga_was_steered_elsewhere_meanwhile() -> None:
    stage: Stage

    def meanwhile(_: Work) -> Done:
        position = evolve(stage.order.saga, phase=SagaPhase.COMPENSATING)
        stage.storage.save(evolve(stage.order, saga=position))
        return done("the step")

    stage = Stage(a_step("one", Script(meanwhile), undo := Script(Done())))

    order = stage.drive()

    assert "the step" not in order.metadata
    assert len(undo.works) == 1
    assert order.status is OrderStatus.FAILED


@pytest.mark.parametrize("change", [{"step": "two"}, {"generation": 2}])
def test_another_step_or_generation_is_elsewhere_too(change: dict[str, Any]) -> None:
    stage: Stage

    def meanwhile(work: Work) -> Done:
        if work.order.saga.generation == 1 and work.order.saga.step == "one":
            stage.storage.save(evolve(stage.order, saga=evolve(stage.order.saga, **change)))
            return done("dropped")
        return done("kept")

    stage = Stage(a_step("one", Script(meanwhile)), a_step("two", Script(meanwhile)))

    order = stage.drive()

    assert set(order.metadata) == {"kept"}


def test_the_lease_is_given_back_when_the_saga_was_steered_elsewhere() -> None:
    stage: Stage

    def meanwhile(_: Work) -> Done:
        stage.storage.save(evolve(stage.order, saga=evolve(stage.order.saga, generation=2)))
        return Done()

    stage = Stage(a_step("one", Script(meanwhile)))
    claim = stage.claim()
    assert claim is not None

    stage.runner.drive(claim)

    assert stage.claim("another") is not None


def test_somebody_who_saves_all_the_time_makes_the_runner_give_up_not_hang() -> None:
    stage: Stage
    checkpoints = [2 * number + 1 for number in range(STALE_RETRIES_MAX)]
    plan = FaultPlan(
        dict.fromkeys(checkpoints, Fault.PAUSE_BEFORE),
        meanwhile=lambda: stage.note(str(stage.order.version)),
    )
    stage = Stage(a_step("one", Script(Done())), plan=plan)
    claim = stage.claim()
    assert claim is not None

    with pytest.raises(StaleVersion):
        stage.runner.drive(claim)


# -- the store -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.ERROR_ONCE, Fault.TIMEOUT, Fault.ANSWER_LOST])
def test_a_store_that_does_not_answer_ends_the_drive_and_the_next_claim_goes_on(
    fault: Fault,
) -> None:
    first, second = Script(done("first")), Script(done("second"))
    stage = Stage(a_step("one", first), a_step("two", second), plan=FaultPlan({1: fault}))
    claim = stage.claim()
    assert claim is not None

    with pytest.raises(StoreUnavailable):
        stage.runner.drive(claim)
    stage.clock.advance(31)
    order = stage.drive()

    assert set(order.metadata) == {"first", "second"}
    assert len(set(first.keys)) == 1
    assert len(first.works) == (1 if fault is Fault.ANSWER_LOST else 2)
    assert len(second.works) == 1


def test_whoever_listens_hears_of_every_checkpoint_after_it_is_stored() -> None:
    stage = Stage(a_step("one", Script(SILENT, Done())), a_step("two", Script(Done())))

    stage.drive_for(3)

    assert [order.saga.step for order in stage.saved] == ["one", "two", None]
    assert stage.saved[-1] == stage.order


def test_a_saga_over_is_never_claimed_again() -> None:
    stage = Stage(a_step("one", Script(Done())))
    stage.drive()
    stage.clock.advance(10**6)

    assert stage.claim() is None


def test_how_often_an_effect_is_tried_leaves_the_document_as_small_as_it_was() -> None:
    stage = compensating(Script(*[SILENT] * 200, Done()))

    stage.drive_for(50)
    few = len(repr(stage.order.saga))
    stage.drive_for(100)

    assert abs(len(repr(stage.order.saga)) - few) < 10
    assert len(stage.order.saga.journal) == 2
    assert timedelta(0) < stage.order.saga.journal[-1].last_at - stage.order.created_at
