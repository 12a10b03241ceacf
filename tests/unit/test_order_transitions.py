"""Every status times every command: legal, a replay, or refused before any change."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from oms_core import Money, Order, OrderStatus
from oms_core.domain.events import Change
from oms_core.domain.failure import FailureReason
from oms_core.domain.order import (
    ReservationState,
)
from oms_core.domain.order_status import TRANSITIONS
from oms_core.domain.payment import Authorization, PaymentStatus
from oms_core.domain.saga_position import Attention, SagaPhase, Wait
from oms_core.errors import AmountMismatch, IllegalTransition
from oms_core.testing import NOON, an_order, with_status

LATER = NOON + timedelta(minutes=5)
TOTAL = an_order().total
HELD = Authorization(TOTAL, expires_at=LATER, provider_id="auth-1")
DECLINED = FailureReason("payment_declined", "The payment was declined.", "do_not_honor")
FLAG = Attention("worker_lost", "Look at it.", LATER)

Command = Callable[[Order], Order]
MOVES: dict[str, tuple[OrderStatus, Command]] = {
    "authorize": (
        OrderStatus.PAYMENT_AUTHORIZED,
        lambda order: order.authorize_payment(HELD, at=LATER),
    ),
    "authorize_what_was_captured": (
        OrderStatus.PAYMENT_AUTHORIZED,
        lambda order: order.authorize_payment(HELD, captured=TOTAL, at=LATER),
    ),
    "need_no_payment": (
        OrderStatus.PAYMENT_AUTHORIZED,
        lambda order: order.need_no_payment(at=LATER),
    ),
    "confirm": (OrderStatus.CONFIRMED, lambda order: order.confirm(at=LATER)),
    "fail": (OrderStatus.FAILED, lambda order: order.fail(at=LATER)),
}
"""Commands that move the status, and where to."""
NOTES: dict[str, Command] = {
    "reserve": lambda order: order.record_reservation(at=LATER),
    "earmark": lambda order: order.record_reservation(soft=True, at=LATER),
    "shortage": lambda order: order.record_shortage({"SILENT-DRUM": 3}, at=LATER),
    "release": lambda order: order.record_release(at=LATER),
    "await_customer": lambda order: order.await_customer(next_action="https://3ds", at=LATER),
    "await_provider": lambda order: order.await_provider(at=LATER),
    "refuse": lambda order: order.record_refusal(DECLINED, at=LATER),
    "release_payment": lambda order: order.record_payment_released(at=LATER),
    "refund_payment": lambda order: order.record_payment_released(TOTAL, at=LATER),
    "call": lambda order: order.call_for_attention(FLAG),
    "resolve": lambda order: order.resolve_attention(reason="mended", actor="pat", at=LATER),
}
"""Commands that only note a fact."""
EVERYTHING = {name: move for name, (_, move) in MOVES.items()} | NOTES


def in_status(status: OrderStatus) -> Order:
    order = an_order()
    return order if status is OrderStatus.PENDING_PAYMENT else with_status(order, status)


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("name", MOVES)
def test_a_move_is_legal_or_refused_before_any_change(status: OrderStatus, name: str) -> None:
    wanted, move = MOVES[name]
    order = in_status(status)
    before = evolve(order)

    if wanted in TRANSITIONS[status]:
        moved = move(order)
        assert moved.status is wanted
        assert moved.history[-1].status_before is status
        assert moved.history[-1].status_after is wanted
    elif status is wanted and name in {"confirm", "fail"}:
        assert move(order) is order
    else:
        with pytest.raises(IllegalTransition) as refusal:
            move(order)
        assert (refusal.value.status, refusal.value.wanted) == (status, wanted)
    assert order == before


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("name", NOTES)
def test_a_note_never_moves_the_status(status: OrderStatus, name: str) -> None:
    order = in_status(status)

    noted = NOTES[name](order)

    assert noted.status is status
    assert len(noted.history) - len(order.history) in {0, 1}


@pytest.mark.parametrize("name", sorted(set(EVERYTHING) - {"resolve"}))
def test_a_replay_returns_the_very_same_order(name: str) -> None:
    """The saga may repeat a step after a crash between its effect and its record."""
    order = with_status(an_order(), OrderStatus.PAYMENT_AUTHORIZED)
    if MOVES.get(name, (None, None))[0] is OrderStatus.PAYMENT_AUTHORIZED:
        order = an_order()

    once = EVERYTHING[name](order)

    assert EVERYTHING[name](once) is once


@pytest.mark.parametrize("status", sorted(set(OrderStatus) - {OrderStatus.PENDING_PAYMENT}))
def test_recording_a_known_authorization_again_is_a_replay_in_every_status(
    status: OrderStatus,
) -> None:
    order = with_status(an_order().authorize_payment(HELD, at=LATER), status)

    assert order.authorize_payment(HELD, at=LATER) is order


@given(commands=st.lists(st.sampled_from(sorted(EVERYTHING)), max_size=25))
def test_whatever_is_tried_history_only_grows_by_one_numbered_fact_at_a_time(
    commands: list[str],
) -> None:
    order = an_order()

    for name in commands:
        try:
            after = EVERYTHING[name](order)
        except IllegalTransition:
            continue
        assert after.history[: len(order.history)] == order.history
        assert len(after.history) - len(order.history) in {0, 1}
        assert after.status is order.status or after.status in TRANSITIONS[order.status]
        order = after

    assert [entry.sequence for entry in order.history] == [*range(1, len(order.history) + 1)]
    assert order.history[0].change is Change.ORDER_PLACED
    assert order.history[-1].status_after is order.status
    for before, after_it in pairwise(order.history):
        assert before.status_after is after_it.status_before


# -- placing -----------------------------------------------------------------------------------


def test_a_placed_order_holds_nothing_and_tells_what_was_asked() -> None:
    order = an_order()

    assert order.status is OrderStatus.PENDING_PAYMENT
    assert order.reservation is ReservationState.NONE
    assert order.payment.status is PaymentStatus.PENDING
    assert order.payment.authorization is None
    assert (order.payment.captured, order.payment.refunded) == (Money.zero("USD"),) * 2
    assert (order.created_at, order.updated_at) == (NOON, NOON)
    (placed,) = order.history
    assert (placed.sequence, placed.change, placed.status_before) == (1, Change.ORDER_PLACED, None)
    assert placed.actor == "pat@example.com"
    assert placed.facts == {"total": "246.90", "currency": "USD", "lines": 1}
    assert not order.is_settled
    assert not order.payment_is_free_again


# -- stock ---------------------------------------------------------------------------------------


def test_a_reservation_is_one_fact() -> None:
    order = an_order().record_reservation(at=LATER)

    assert order.reservation is ReservationState.HELD
    assert order.history[-1].change is Change.INVENTORY_RESERVED
    assert order.updated_at == LATER


def test_an_earmark_that_is_made_firm_is_the_same_reservation() -> None:
    earmarked = an_order().record_reservation(soft=True, at=LATER)

    firm = earmarked.record_reservation(at=LATER)

    assert earmarked.reservation is ReservationState.EARMARKED
    assert firm.reservation is ReservationState.HELD
    assert firm.history == earmarked.history


def test_a_shortage_tells_what_lacks() -> None:
    order = an_order().record_shortage({"SILENT-DRUM": 3}, at=LATER)

    assert order.reservation is ReservationState.REFUSED
    assert order.history[-1].change is Change.INVENTORY_REFUSED
    assert order.history[-1].facts == {"SILENT-DRUM": 3}


@pytest.mark.parametrize("soft", [True, False])
def test_a_release_is_a_fact_only_if_something_was_held(soft: bool) -> None:  # noqa: FBT001
    order = an_order()

    released = order.record_reservation(soft=soft, at=NOON).record_release(at=LATER)

    assert order.record_release(at=LATER) is order
    assert released.reservation is ReservationState.RELEASED
    assert released.history[-1].change is Change.INVENTORY_RELEASED


# -- payment -------------------------------------------------------------------------------------


def test_an_authorization_is_recorded_with_what_the_provider_said() -> None:
    order = an_order().authorize_payment(HELD, at=LATER)

    assert order.payment.status is PaymentStatus.AUTHORIZED
    assert order.payment.authorization == HELD
    assert not order.payment.captured
    assert order.history[-1].facts == {
        "amount": "246.90",
        "currency": "USD",
        "provider_id": "auth-1",
    }


def test_an_authorization_without_a_providers_id_says_so_by_silence() -> None:
    order = an_order().authorize_payment(Authorization(TOTAL), at=LATER)

    assert order.history[-1].facts == {"amount": "246.90", "currency": "USD"}


def test_money_that_the_provider_took_at_once_is_captured() -> None:
    order = an_order().authorize_payment(HELD, captured=TOTAL, at=LATER)

    assert order.payment.status is PaymentStatus.CAPTURED
    assert order.payment.captured == TOTAL
    assert order.history[-1].facts["captured"] == "246.90"


@pytest.mark.parametrize(
    "held", [Money(24_689, "USD"), Money(24_691, "USD"), Money(24_690, "EUR"), Money(0, "USD")]
)
def test_what_is_not_exactly_the_total_is_refused_before_any_change(held: Money) -> None:
    order = an_order()

    with pytest.raises(AmountMismatch) as refusal:
        order.authorize_payment(Authorization(held), at=LATER)

    assert (refusal.value.expected, refusal.value.got) == ("246.90 USD", str(held))
    assert order == an_order()


def test_another_authorization_after_the_first_is_refused() -> None:
    order = an_order().authorize_payment(HELD, at=LATER)

    with pytest.raises(IllegalTransition):
        order.authorize_payment(evolve(HELD, provider_id="auth-2"), at=LATER)


def test_a_total_of_zero_needs_no_payment() -> None:
    order = an_order().need_no_payment(at=LATER)

    assert order.payment.status is PaymentStatus.NOT_REQUIRED
    assert order.payment.authorization is None
    assert order.history[-1].facts["required"] is False


def test_a_customer_who_must_act_is_told_where() -> None:
    order = an_order().await_customer(next_action="https://3ds.example", at=LATER)

    assert order.payment.status is PaymentStatus.ACTION_REQUIRED
    assert order.history[-1].facts == {"next_action": "https://3ds.example"}
    assert an_order().await_customer(next_action=None, at=LATER).history[-1].facts == {}


def test_a_refusal_tells_our_code_and_the_providers() -> None:
    order = an_order().record_refusal(DECLINED, at=LATER)
    without = an_order().record_refusal(evolve(DECLINED, provider_code=None), at=LATER)

    assert order.payment.status is PaymentStatus.DECLINED
    assert order.history[-1].facts == {
        "code": "payment_declined",
        "provider_code": "do_not_honor",
    }
    assert without.history[-1].facts == {"code": "payment_declined"}


def test_money_that_was_voided_is_not_held_any_more() -> None:
    order = an_order().authorize_payment(HELD, at=NOON).record_payment_released(at=LATER)

    assert order.payment.status is PaymentStatus.VOIDED
    assert order.payment.authorization is None
    assert (order.payment.captured, order.payment.refunded) == (Money.zero("USD"),) * 2
    assert order.history[-1].facts == {"voided": True}


def test_money_that_was_given_back_was_captured_and_refunded() -> None:
    order = an_order().record_payment_released(TOTAL, at=LATER)

    assert order.payment.status is PaymentStatus.REFUNDED
    assert (order.payment.captured, order.payment.refunded) == (TOTAL, TOTAL)
    assert order.history[-1].facts == {"refunded": "246.90"}


# -- ends ----------------------------------------------------------------------------------------


def test_a_failed_order_says_why_and_frees_its_payment_reference() -> None:
    order = evolve(an_order(), failure=DECLINED).fail(at=LATER)

    assert order.status is OrderStatus.FAILED
    assert order.history[-1].facts == {"code": "payment_declined"}
    assert order.payment_is_free_again
    assert an_order().fail(at=LATER).history[-1].facts == {}


# -- people --------------------------------------------------------------------------------------


def test_a_flag_is_raised_once_and_another_one_replaces_it() -> None:
    flagged = an_order().call_for_attention(FLAG)
    other = flagged.call_for_attention(Attention("release_rejected", "Now this.", LATER))

    assert flagged.saga.attention == FLAG
    assert flagged.history[-1].facts == {"code": "worker_lost", "message": "Look at it."}
    assert flagged.call_for_attention(evolve(FLAG, message="Again.")) is flagged
    assert other.saga.attention is not None
    assert other.saga.attention.code == "release_rejected"
    assert len(other.history) == len(flagged.history) + 1


def test_resolving_lets_the_saga_go_on_at_once_with_its_whole_budget() -> None:
    order = an_order()
    position = order.saga
    for _ in range(7):
        position = position.noting("reserve_inventory", "run", "retrying", at=NOON, error="x")
    stuck = evolve(order, saga=evolve(position, due_at=None)).call_for_attention(FLAG)

    resolved = stuck.resolve_attention(reason="mended", actor="pat", at=LATER)

    assert resolved.saga.attention is None
    assert resolved.saga.due_at == LATER
    assert resolved.saga.troubles_at("reserve_inventory", "run") == 0
    assert resolved.history[-1].change is Change.ATTENTION_RESOLVED
    assert (resolved.history[-1].actor, resolved.history[-1].facts) == ("pat", {"reason": "mended"})


# -- what is derived -----------------------------------------------------------------------------


def test_an_order_is_settled_when_nothing_happens_until_somebody_outside_acts() -> None:
    order = an_order()
    waits = evolve(order, saga=evolve(order.saga, wait=Wait("customer_action", LATER)))
    ended = evolve(order, saga=evolve(order.saga, phase=SagaPhase.COMPLETED))
    undone = evolve(order, saga=evolve(order.saga, phase=SagaPhase.COMPENSATED))
    undoing = evolve(order, saga=evolve(order.saga, phase=SagaPhase.COMPENSATING))

    settled = [order, waits, order.call_for_attention(FLAG), ended, undone, undoing]

    assert [o.is_settled for o in settled] == [False, True, True, True, True, False]


def test_events_are_the_history_after_a_number() -> None:
    order = an_order().record_reservation(at=LATER).authorize_payment(HELD, at=LATER)

    events = order.events(after=1)

    assert [event.sequence for event in events] == [2, 3]
    assert [event.entry for event in events] == list(order.history[1:])
    assert {(event.tenant_id, event.org_id, event.order_id) for event in events} == {
        (order.scope.tenant_id, order.scope.org_id, order.id)
    }
    assert [event.event_type for event in order.events()] == [
        "order.created",
        "order.updated",
        "order.updated",
    ]
    assert len({event.event_id for event in order.events()}) == 3
    assert order.events() == order.events()
