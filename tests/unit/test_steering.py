"""What operators can do about an order, when they cannot, and what its timeline tells of it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from attrs import evolve

from oms_core import Change, Money, Order, OrderStatus
from oms_core.application.operation_requests import CancelOrder, CapturePayment, FulfillOrder
from oms_core.application.order_operations import Caller
from oms_core.application.steering import COMPENSATION_ORDERED, Operator, Steer
from oms_core.domain.events import HistoryEntry
from oms_core.domain.operation import OperationState
from oms_core.domain.payment import PaymentState
from oms_core.domain.saga_position import SagaPhase, SagaState
from oms_core.errors import (
    Conflict,
    IdempotencyMismatch,
    InvalidInput,
    NotPossible,
    OrderNotFound,
    OutcomeUnknown,
    PaymentNotFound,
    StoreUnavailable,
)
from oms_core.testing import a_scope, refusal
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.scripted_payments import ScriptedPayments, a_snapshot
from tests.support.shop import Shop

PAT = Operator("pat", "a customer called")
DEEDS = ("pause", "resume", "retry", "skip", "compensate")
CALLER = Caller("by-the-clerk", "clerk")


def stuck_shop() -> Shop:
    """Open a shop whose provider stops every order for a person."""
    payments = ScriptedPayments(
        authorize=[IdempotencyMismatch("reused")], lookup=[PaymentNotFound()]
    )
    return Shop(providers={"simulated": payments})


def steer(shop: Shop, deed: str, by: Operator = PAT) -> Order:
    order: Order = getattr(shop.oms.steering, deed)(shop.scope, shop.order().id, by)
    return order


def told(order: Order, change: Change) -> HistoryEntry:
    return next(entry for entry in order.history if entry.change is change)


# -- pausing and resuming --------------------------------------------------------------------


def test_nothing_of_a_paused_order_begins_until_it_is_resumed() -> None:
    shop = Shop()
    shop.place()

    paused = steer(shop, "pause")
    shop.work_to_the_end()

    assert shop.order() == paused
    assert paused.saga.state is SagaState.PAUSED
    assert paused.is_settled
    assert [one.id for one in shop.oms.list_sagas([SagaState.PAUSED])] == [paused.id]
    resumed = steer(shop, "resume", Operator("kim", "all is well"))
    shop.work_to_the_end()
    assert shop.order().status is OrderStatus.CONFIRMED
    entry = told(paused, Change.SAGA_PAUSED)
    assert (entry.actor, entry.facts) == ("pat", {"reason": "a customer called"})
    entry = told(resumed, Change.SAGA_RESUMED)
    assert (entry.actor, entry.facts) == ("kim", {"reason": "all is well"})


def test_what_is_under_way_is_recorded_and_the_next_step_does_not_begin_with_it() -> None:
    """Confirming calls nobody, and is usually recorded together with the authorization."""
    dry = FaultPlan()
    Shop(plan=dry).drive()
    number = next(call.number for call in dry.calls if call.method == "authorize")
    shop = Shop(plan=FaultPlan({number: Fault.PAUSE_AFTER}, meanwhile=lambda: steer(shop, "pause")))
    shop.oms.place_order(shop.scope, shop.request())

    shop.work_to_the_end()

    order = shop.order()
    assert order.status is OrderStatus.PAYMENT_AUTHORIZED
    assert (order.saga.step, order.saga.paused) == ("confirm_order", True)
    steer(shop, "resume")
    shop.work_to_the_end()
    assert shop.order().status is OrderStatus.CONFIRMED


def test_what_is_asked_of_a_paused_order_waits_for_its_resumption() -> None:
    shop = Shop()
    order = shop.drive()
    steer(shop, "pause")

    shop.oms.operations.fulfill(shop.scope, order.id, FulfillOrder(), CALLER)
    shop.work_to_the_end()

    (fulfil,) = (one for one in shop.order().operations if one.actor == "clerk")
    assert fulfil.state is OperationState.QUEUED
    steer(shop, "resume")
    shop.work_to_the_end()
    assert shop.order().status is OrderStatus.FULFILLED


def test_the_timers_of_a_paused_order_stand_still() -> None:
    shop = Shop()
    order = shop.drive()
    due_at = order.saga.due_at
    assert due_at is not None, "a hold is looked at before it lapses"
    steer(shop, "pause")

    shop.clock.advance_to(due_at + timedelta(seconds=1))
    shop.work_once()

    assert shop.order().saga.operation is None
    steer(shop, "resume")
    shop.work_once()
    assert shop.order().saga.operation is not None


def test_a_cancellation_of_a_paused_order_is_written_down_and_done_when_it_is_resumed() -> None:
    shop = Shop()
    shop.place()
    order = steer(shop, "pause")

    shop.oms.operations.cancel(shop.scope, order.id, CancelOrder(), CALLER)
    shop.work_to_the_end()
    assert shop.order().status is OrderStatus.PENDING_PAYMENT
    steer(shop, "resume")
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.CANCELLED


def test_a_resumed_order_that_was_stuck_is_tried_anew_without_its_flag() -> None:
    shop = stuck_shop()
    shop.place()
    shop.work_once()
    steer(shop, "pause")

    order = steer(shop, "resume")

    assert order.saga.attention is None
    assert order.saga.due_at == shop.clock.now()
    assert [e.change for e in order.history[-2:]] == [
        Change.SAGA_RESUMED,
        Change.ATTENTION_RESOLVED,
    ]


def test_a_paused_order_that_is_stuck_counts_as_paused_and_a_retry_ends_the_pause() -> None:
    shop = stuck_shop()
    shop.place()
    shop.work_once()

    assert steer(shop, "pause").saga.state is SagaState.PAUSED
    retried = steer(shop, "retry")

    assert (retried.saga.paused, retried.saga.attention) == (False, None)


# -- skipping --------------------------------------------------------------------------------


def goods_that_are_stuck(shop: Shop) -> Order:
    """Let goods leave while the inventory has lost what it held for them."""
    order = shop.drive()
    shop.inventory.release(shop.scope, str(order.id))
    shop.oms.operations.fulfill(shop.scope, order.id, FulfillOrder(), CALLER)
    shop.work_once()
    return shop.order()


def test_a_step_that_a_person_did_outside_is_skipped_and_recorded_as_theirs() -> None:
    shop = Shop()
    stuck = goods_that_are_stuck(shop)
    assert stuck.saga.state is SagaState.STUCK

    skipped = steer(shop, "skip")
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.FULFILLED
    entry = told(skipped, Change.STEP_SKIPPED)
    assert entry.facts == {"step": "ship_goods", "phase": "running", "reason": PAT.reason}
    assert entry.actor == "pat"
    saga = shop.order().saga if skipped.saga.phase.is_over else skipped.past_sagas[-1]
    journal = saga.journal_of("ship_goods", "run")
    assert journal is not None
    assert journal.outcome == "by_hand"


def test_what_a_person_says_of_money_is_compared_with_the_provider_afterwards() -> None:
    """Whoever says that money moved, and is wrong, is corrected; so is a call that came late."""
    shop = Shop()
    order = shop.drive()
    shop.oms.operations.capture(shop.scope, order.id, CapturePayment("10.00"), CALLER)
    steer(shop, "pause")

    claimed = steer(shop, "skip")
    assert claimed.payment.captured == Money.of("10.00", "USD")
    shop.clock.advance(301)
    shop.work_once()

    assert not shop.order().payment.captured
    assert shop.order().history[-1].change is Change.PAYMENT_CORRECTED


def test_an_undo_that_a_person_did_is_skipped_and_the_order_ends() -> None:
    declined = a_snapshot(PaymentState.DECLINED)
    payments = ScriptedPayments(authorize=[declined], lookup=[OutcomeUnknown("http_500")])
    shop = Shop(providers={"simulated": payments})
    shop.place()
    for _ in range(30):
        shop.work_once()
        if shop.order().saga.attention is not None:
            break
        shop.let_time_pass()
    assert shop.order().saga.phase is SagaPhase.COMPENSATING

    steer(shop, "skip")
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.FAILED
    assert shop.level().reserved == 0


@pytest.mark.parametrize("fault", [Fault.ERROR_ONCE, Fault.TIMEOUT, Fault.ANSWER_LOST])
def test_a_skip_that_the_store_did_not_answer_can_be_tried_again(fault: Fault) -> None:
    shop = Shop()
    goods_that_are_stuck(shop)
    get, claim, checkpoint = 1, 2, 3
    for number in (get, claim, checkpoint):
        plan = FaultPlan({number: fault})
        office = shop.a_process(plan)
        before = shop.order()

        with pytest.raises(StoreUnavailable):
            office.steering.skip(shop.scope, before.id, PAT)

        if shop.order() != before:
            assert (number, fault) == (checkpoint, Fault.ANSWER_LOST)
            return
        shop.clock.advance(6)
    steer(shop, "skip")

    assert told(shop.order(), Change.STEP_SKIPPED).actor == "pat"


def test_a_skip_decides_again_on_what_others_saved_meanwhile() -> None:
    shop = Shop()
    goods_that_are_stuck(shop)
    checkpoint = 3
    plan = FaultPlan({checkpoint: Fault.PAUSE_BEFORE}, meanwhile=lambda: steer(shop, "retry"))

    refused = refusal(
        NotPossible,
        lambda: shop.a_process(plan).steering.skip(shop.scope, shop.order().id, PAT),
    )

    assert "moves by itself" in refused.sentence
    assert shop.storage.claim_due("worker", limit=1, lease_s=30, definitions=["fulfill_order/1"]), (
        "the lease was not given back"
    )


# -- compensating ----------------------------------------------------------------------------


def test_an_order_that_is_stuck_is_taken_back_when_ordered() -> None:
    shop = stuck_shop()
    shop.place()
    shop.work_once()
    assert shop.level().reserved == 2

    steer(shop, "compensate")
    shop.work_to_the_end()

    order = shop.order()
    assert (order.status, order.failure) == (OrderStatus.FAILED, COMPENSATION_ORDERED)
    assert shop.level().reserved == 0
    entry = told(order, Change.COMPENSATION_ORDERED)
    assert entry.facts == {"step": "authorize_payment", "reason": PAT.reason}


def test_compensating_an_operation_refuses_it_and_leaves_the_order() -> None:
    shop = Shop()
    order = shop.drive()
    shop.oms.operations.capture(shop.scope, order.id, CapturePayment("10.00"), CALLER)
    steer(shop, "pause")

    steer(shop, "compensate")
    shop.work_to_the_end()

    order = shop.order()
    (capture,) = (one for one in order.operations if one.actor == "clerk")
    assert (capture.state, capture.refusal) == (OperationState.REFUSED, COMPENSATION_ORDERED)
    assert order.status is OrderStatus.CONFIRMED
    assert not order.payment.captured


# -- refusals --------------------------------------------------------------------------------


def fresh(shop: Shop) -> None:
    shop.place()


def confirmed(shop: Shop) -> None:
    shop.drive()


def failed(shop: Shop) -> None:
    shop.drive("sim_declined")


def waiting(shop: Shop) -> None:
    shop.place("sim_requires_action")
    shop.work_once()


def paused(shop: Shop) -> None:
    shop.place()
    steer(shop, "pause")


def stuck_at_the_goods(shop: Shop) -> None:
    goods_that_are_stuck(shop)


def being_taken_back(shop: Shop) -> None:
    waiting(shop)
    steer(shop, "compensate")


def of_another_version(shop: Shop) -> None:
    paused(shop)
    order = shop.order()
    shop.storage.save(evolve(order, saga=evolve(order.saga, version=99)))


POSSIBLE: dict[Callable[[Shop], None], dict[str, str]] = {
    fresh: {
        "resume": "is not paused: it moves by itself",
        "retry": "does not need attention",
        "skip": "pause the order first",
        "compensate": "pause the order first",
    },
    confirmed: {
        "resume": "is not paused",
        "retry": "does not need attention",
        "skip": "there is no step to skip",
        "compensate": "Ask for what should follow it",
    },
    failed: {
        "pause": "is failed and nothing of it moves any more",
        "resume": "is not paused",
        "retry": "does not need attention",
        "skip": "there is no step to skip",
        "compensate": "Ask for what should follow it",
    },
    waiting: {
        "resume": "is not paused",
        "retry": "does not need attention",
        "skip": "pause the order first",
    },
    paused: {
        "pause": "is paused already; resume it",
        "retry": "nothing of it needs mending; resume it",
        "skip": "is not for a person to do outside; resume the order, or compensate",
    },
    stuck_at_the_goods: {
        "resume": "needs a person; correct the cause, then retry it",
        "compensate": "cannot be taken back; retry it, or skip it",
    },
    being_taken_back: {
        "resume": "is not paused",
        "retry": "does not need attention",
        "skip": "pause the order first",
        "compensate": "is being taken back already",
    },
    of_another_version: {
        "pause": "is paused already; resume it",
        "retry": "nothing of it needs mending; resume it",
        "skip": "another version of the program",
        "compensate": "another version of the program",
    },
}
"""How an order stands → what cannot be done then, and what the refusal says."""


@pytest.mark.parametrize("standing", POSSIBLE)
def test_every_refusal_is_a_sentence_that_says_what_is_possible(
    standing: Callable[[Shop], None],
) -> None:
    shop = Shop()
    standing(shop)
    before, refusals = shop.order(), POSSIBLE[standing]

    foretold = shop.oms.steering.why_not(before)

    assert set(foretold) == set(DEEDS)
    assert {deed for deed, why in foretold.items() if why is not None} == set(refusals)
    for deed, words in refusals.items():
        refused = refusal(Conflict, partial(steer, shop, deed))
        assert words in refused.sentence
        assert refused.sentence == foretold[deed]
        assert shop.order() == before


@pytest.mark.parametrize("standing", POSSIBLE)
def test_what_is_not_refused_in_advance_is_done(standing: Callable[[Shop], None]) -> None:
    done = 0

    for deed in set(DEEDS) - set(POSSIBLE[standing]):
        shop = Shop()
        standing(shop)
        before = shop.order()

        assert steer(shop, deed).version > before.version
        done += 1

    assert done or standing is failed


def test_a_step_a_worker_holds_is_not_skipped() -> None:
    shop = Shop()
    goods_that_are_stuck(shop)
    order = shop.order()
    claim = shop.storage.claim(shop.scope, order.id, "worker-1", lease_s=30.0)
    assert claim is not None

    refused = refusal(NotPossible, lambda: steer(shop, "skip"))

    assert "A worker is at step ship_goods just now" in refused.sentence
    assert shop.order() == order


@pytest.mark.parametrize("deed", DEEDS)
def test_another_tenants_order_is_unknown_to_an_operator(deed: str) -> None:
    shop = Shop()
    order_id = shop.place()

    refusal(
        OrderNotFound,
        lambda: getattr(shop.oms.steering, deed)(a_scope("another-tenant"), order_id, PAT),
    )


@pytest.mark.parametrize("reason", ["", "x" * 501, "two\nlines", 4711])
def test_a_reason_that_says_nothing_or_too_much_is_refused(reason: object) -> None:
    refused = refusal(InvalidInput, lambda: Steer(reason))  # type: ignore[arg-type]

    assert [mistake.pointer for mistake in refused.mistakes] == ["/reason"]
