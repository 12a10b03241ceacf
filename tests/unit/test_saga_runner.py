"""How a claimed order is driven: checkpoints, leases, other writers, and a store that fails."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from oms_core import Order, OrderStatus, RunnerSettings
from oms_core.application.saga import Done, Refused, Work
from oms_core.application.saga_runner import STALE_RETRIES_MAX
from oms_core.domain.saga_position import SagaPhase
from oms_core.errors import StaleVersion, StoreUnavailable
from oms_core.testing.faults import Fault, FaultPlan, SimulatedCrash
from tests.support.stage import (
    BUG,
    SILENT,
    SOLD_OUT,
    STUCK,
    WAIT,
    Script,
    Stage,
    a_step,
    compensating,
    done,
)

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
