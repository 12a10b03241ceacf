"""What every answer of a payment provider makes of an order."""

from uuid import uuid4

import pytest
from attrs import evolve

from oms_core import Change, Money, OrderStatus, SagaState
from oms_core.domain.order import ReservationState
from oms_core.domain.payment import PaymentState, PaymentStatus
from oms_core.domain.saga_position import SagaPhase
from oms_core.domain.scope import effect_key_for
from oms_core.errors import CredentialsRejected, IdempotencyMismatch, InvalidState
from oms_core.testing.faults import Fault
from tests.support.scripted_payments import DONE, ScriptedPayments, a_snapshot
from tests.support.scripted_shop import (
    AUTHORIZED,
    CANCELLED,
    LOST,
    TOTAL,
    a_shop,
    changes,
    nothing_is_held,
)
from tests.support.shop import DRUM, Shop

# -- the way that goes well ----------------------------------------------------------------------


def test_an_order_is_reserved_paid_and_confirmed() -> None:
    shop = Shop()

    order = shop.drive()

    assert order.status is OrderStatus.CONFIRMED
    assert changes(order) == [
        Change.ORDER_PLACED,
        Change.INVENTORY_RESERVED,
        Change.PAYMENT_AUTHORIZED,
        Change.ORDER_CONFIRMED,
    ]
    assert (shop.level().reserved, shop.level(DRUM).reserved) == (2, 1)
    audit = shop.audit()
    assert audit is not None
    assert (audit.authorized, audit.live_authorizations) == (order.total, 1)
    assert order.payment.authorization is not None
    assert order.payment.authorization.amount == order.total
    assert order.payment.authorization.expires_at is not None
    assert order.failure is None


def test_the_providers_key_is_derived_from_order_step_and_generation() -> None:
    payments = ScriptedPayments(authorize=[LOST, LOST, AUTHORIZED])
    shop = a_shop(payments)

    order = shop.drive()

    assert [c.key for c in payments.asked("authorize")] == [
        effect_key_for(shop.scope, order.id, "authorize", 1)
    ] * 3
    assert {(c.amount, c.order_id) for c in payments.asked("authorize")} == {
        (order.total, order.id)
    }


def test_a_total_of_zero_asks_no_provider() -> None:
    payments = ScriptedPayments()
    shop = a_shop(payments)

    order = shop.drive(price="0")

    assert order.status is OrderStatus.CONFIRMED
    assert order.payment.status is PaymentStatus.NOT_REQUIRED
    assert payments.calls == []
    assert shop.level().reserved == 2


# -- every way a payment can end -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "code", "provider_code", "shown"),
    [
        ("sim_declined", "payment_declined", "card_declined", PaymentStatus.DECLINED),
        (
            "sim_declined_insufficient_funds",
            "payment_declined",
            "insufficient_funds",
            PaymentStatus.DECLINED,
        ),
        ("sim_pending_declined", "payment_declined", "card_declined", PaymentStatus.DECLINED),
        (
            "sim_requires_action_fails",
            "payment_declined",
            "authentication_failed",
            PaymentStatus.DECLINED,
        ),
        ("sim_requires_action", "action_deadline", None, PaymentStatus.VOIDED),
        ("sim_pending_forever", "payment_deadline", None, PaymentStatus.VOIDED),
        ("sim_unknown_status", "payment_deadline", None, PaymentStatus.VOIDED),
        ("sim_wrong_amount", "amount_mismatch", None, PaymentStatus.VOIDED),
        ("sim_wrong_currency", "amount_mismatch", None, PaymentStatus.VOIDED),
        ("sim_wrong_amount_void_fails", "amount_mismatch", None, PaymentStatus.VOIDED),
        ("sim_wrong_amount_captured", "amount_mismatch", None, PaymentStatus.REFUNDED),
        ("sim_cancelled", "payment_cancelled", None, PaymentStatus.DECLINED),
        ("sim_expired", "payment_expired", None, PaymentStatus.DECLINED),
        ("sim_not_found", "payment_not_found", None, PaymentStatus.DECLINED),
        (
            "sim_invalid_request",
            "payment_invalid_request",
            "parameter_unknown",
            PaymentStatus.VOIDED,
        ),
        ("sim_outage_after_hold", "payment_unavailable", None, PaymentStatus.VOIDED),
    ],
)
def test_a_payment_that_fails_fails_the_order_and_everything_is_undone(
    reference: str, code: str, provider_code: str | None, shown: PaymentStatus
) -> None:
    shop = Shop()

    order = shop.drive(reference)

    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert (order.failure.code, order.failure.provider_code) == (code, provider_code)
    assert order.saga.phase is SagaPhase.COMPENSATED
    assert order.payment.status is shown
    assert order.payment.authorization is None
    assert nothing_is_held(shop)
    assert order.reservation is ReservationState.RELEASED
    assert changes(order)[-1] is Change.ORDER_FAILED
    assert order.history[-1].facts == {"code": code}


@pytest.mark.parametrize(
    "reference",
    [
        *("sim_authorized", "sim_lost_answer_once", "sim_lost_answer_thrice", "sim_pending"),
        *("sim_not_executed_once", "sim_rate_limited", "sim_in_progress_once", "sim_late_success"),
        *(
            "sim_error_replayed",
            "sim_requires_action_completes",
            "sim_asynchronous",
            "sim_captured",
        ),
        *("sim_void_fails_forever", "sim_refund_rejected", "sim_short_hold"),
    ],
)
def test_a_payment_that_goes_well_in_the_end_confirms_the_order_with_one_hold(
    reference: str,
) -> None:
    shop = Shop()

    order = shop.drive(reference)

    assert order.status is OrderStatus.CONFIRMED
    audit = shop.audit()
    assert audit is not None
    assert (audit.authorizations, audit.authorized) == (1, order.total)
    assert order.payment.captured == audit.captured


def test_money_taken_at_once_is_recorded_as_captured() -> None:
    order = Shop().drive("sim_captured")

    assert order.payment.status is PaymentStatus.CAPTURED
    assert order.payment.captured == order.total


@pytest.mark.parametrize("state", PaymentState)
def test_every_state_of_a_payment_leads_somewhere(state: PaymentState) -> None:
    snapshot = a_snapshot(state, authorized=TOTAL, captured=TOTAL if "captured" in state else 0)
    gone = evolve(CANCELLED, captured=snapshot.captured, refunded=snapshot.captured)
    payments = ScriptedPayments(
        authorize=[snapshot], lookup=[snapshot, evolve(gone, state=state)], cancel=[DONE]
    )

    order = a_shop(payments).drive()

    expected = {
        PaymentState.REQUIRES_ACTION: "action_deadline",
        PaymentState.CONFIRMABLE: "payment_deadline",
        PaymentState.PENDING: "payment_deadline",
        PaymentState.AUTHORIZED: None,
        PaymentState.PARTIALLY_CAPTURED: "amount_mismatch",
        PaymentState.CAPTURED: None,
        PaymentState.DECLINED: "payment_declined",
        PaymentState.CANCELLED: "payment_cancelled",
        PaymentState.EXPIRED: "payment_expired",
    }
    assert set(expected) == set(PaymentState)
    assert (order.failure.code if order.failure else None) == expected[state]
    assert order.saga.phase.is_over or state is PaymentState.PARTIALLY_CAPTURED


@pytest.mark.parametrize(
    ("authorized", "captured", "currency"),
    [
        (TOTAL - 1, 0, "USD"),
        (TOTAL + 1, 0, "USD"),
        (TOTAL, 0, "EUR"),
        (0, 0, "USD"),
        (TOTAL, TOTAL - 1, "USD"),
        (TOTAL + 1, TOTAL + 1, "USD"),
    ],
)
def test_only_exactly_the_total_is_accepted(authorized: int, captured: int, currency: str) -> None:
    """F20: anything else is given back."""
    state = PaymentState.CAPTURED if captured else PaymentState.AUTHORIZED
    held = a_snapshot(state, authorized=authorized, captured=captured, currency=currency)
    payments = ScriptedPayments(authorize=[held], lookup=[held, CANCELLED])

    order = a_shop(payments).drive()

    assert order.failure is not None
    assert order.failure.code == "amount_mismatch"
    undone = payments.asked("refund" if captured else "cancel")
    assert len(undone) == 1
    if captured:
        assert undone[0].amount == Money(captured, currency)


def test_a_payment_of_another_order_is_refused_and_left_alone() -> None:
    """F20: the account is configured under two names, so our own index cannot tell."""
    shop = Shop()
    shop.providers = {"simulated": shop.payments, "same_account": shop.payments}
    shop.restart()
    first = shop.drive()

    second = shop.oms.place_order(
        shop.scope, shop.request(key="another", provider="same_account")
    ).order_id
    shop.work_to_the_end()

    order = shop.order(second)
    assert order.failure is not None
    assert order.failure.code == "payment_reference_in_use"
    audit = shop.audit(first.id)
    assert audit is not None
    assert audit.live_authorizations == 1
    assert shop.level().reserved == 2


@pytest.mark.parametrize("state", [PaymentState.AUTHORIZED, PaymentState.CAPTURED])
def test_what_is_held_or_taken_for_another_order_is_never_given_back(state: PaymentState) -> None:
    captured = TOTAL if state is PaymentState.CAPTURED else 0
    theirs = a_snapshot(state, authorized=TOTAL, captured=captured, order_id=uuid4())
    payments = ScriptedPayments(authorize=[theirs], lookup=[theirs])

    order = a_shop(payments).drive()

    assert order.failure is not None
    assert order.failure.code == "payment_reference_in_use"
    assert payments.asked("cancel") == payments.asked("refund") == []


def test_what_the_provider_says_after_a_move_in_between_decides() -> None:
    """It was, say, cancelled between the provider's own look-up and its action."""
    payments = ScriptedPayments(authorize=[InvalidState("unexpected_state")], lookup=[CANCELLED])

    order = a_shop(payments).drive()

    assert order.failure is not None
    assert order.failure.code == "payment_cancelled"


def test_a_revoked_key_lets_orders_wait_with_their_stock_and_a_new_one_lets_them_go_on() -> None:
    """F17: it must not fail thousands of orders, nor need a hand on each."""
    refused = [CredentialsRejected("http_401")] * 30
    payments = ScriptedPayments(authorize=[*refused, AUTHORIZED])
    shop = a_shop(payments)
    shop.place()

    shop.work(20)
    waiting = shop.order()

    assert waiting.status is OrderStatus.PENDING_PAYMENT
    assert waiting.saga.attention is not None
    assert waiting.saga.attention.code == "payment_credentials_rejected"
    assert shop.level().reserved == 2
    shop.work_to_the_end()
    assert shop.order().status is OrderStatus.CONFIRMED
    assert shop.order().saga.attention is None
    assert len({command.key for command in payments.asked("authorize")}) == 1


def test_what_only_a_person_can_mend_parks_the_order_and_keeps_its_stock() -> None:
    payments = ScriptedPayments(authorize=[IdempotencyMismatch("key_reused"), AUTHORIZED])
    shop = a_shop(payments)

    order = shop.drive()

    assert order.saga.state is SagaState.STUCK
    assert order.saga.attention is not None
    assert order.saga.attention.code == "payment_idempotency_mismatch"
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert shop.level().reserved == 2
    shop.oms.retry_saga(shop.scope, order.id, reason="new key", actor="pat")
    shop.work_to_the_end()
    assert shop.order().status is OrderStatus.CONFIRMED


# -- configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["good_card", "sim_wrong_amount"])
def test_a_provider_that_left_the_configuration_is_waited_for_in_both_directions(
    reference: str,
) -> None:
    """F52."""
    shop = Shop()
    shop.place(reference)
    if reference == "sim_wrong_amount":
        shop.plan.strike(Fault.CRASH_BEFORE, after_calls=7)
        shop.work_once()
        assert shop.order().saga.phase is SagaPhase.COMPENSATING
        shop.clock.advance(31)
    shop.providers = {"another": shop.payments}
    shop.restart()
    shop.work(3)

    order = shop.order()
    assert not order.saga.is_parked
    assert order.saga.attention is not None
    assert "provider simulated is not configured any more" in order.saga.attention.message
    shop.providers = {"simulated": shop.payments}
    shop.restart()
    shop.work_to_the_end()
    good = reference == "good_card"
    assert shop.order().status is (OrderStatus.CONFIRMED if good else OrderStatus.FAILED)
