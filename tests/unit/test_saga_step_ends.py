"""Each way a step can end, running and on the way back."""

from functools import partial

from attrs import evolve

from oms_core import Change, OrderStatus
from oms_core.application.saga import Done, NewGeneration, Refused, Work
from oms_core.domain.failure import FailureReason
from oms_core.domain.saga_position import SagaPhase, SagaState
from tests.support.stage import (
    SILENT,
    SOLD_OUT,
    STUCK,
    TOO_LATE,
    WAIT,
    Script,
    Stage,
    a_step,
    compensating,
    done,
    noting,
)

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


# -- compensating: how an undo can end -----------------------------------------------------------


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
