"""What goes wrong around a step: retries, budgets, attention, and who is told."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_core import Backoff, Change, OrderStatus, RunnerSettings
from oms_core.application.saga import Done, NewGeneration, Refused
from oms_core.application.saga_moves import Trouble
from oms_core.domain.saga_position import SagaPhase, SagaState
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InventoryUnavailable,
    RetryableNotExecuted,
    StoreUnavailable,
)
from tests.support.stage import (
    BUG,
    GAVE_UP,
    SILENT,
    SOLD_OUT,
    TOO_LATE,
    WAIT,
    Script,
    Stage,
    a_step,
)


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
