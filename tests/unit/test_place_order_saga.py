"""What every answer of inventory and payment provider makes of an order."""

from uuid import uuid4

import pytest
from attrs import evolve

from oms_core import (
    Allocation,
    Change,
    Money,
    NewLineItem,
    Order,
    OrderStatus,
    PlaceOrderSettings,
    SagaState,
)
from oms_core.domain.inventory import Demand, StockItem
from oms_core.domain.order import ReservationState
from oms_core.domain.payment import PaymentState, PaymentStatus
from oms_core.domain.saga_position import SagaPhase
from oms_core.domain.scope import effect_key_for
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    RetryableNotExecuted,
)
from oms_core.ports.payments import (
    Cancel,
    Capabilities,
    Capture,
    OperationResult,
    OperationStatus,
)
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.scripted_payments import (
    DONE,
    PENDING,
    ScriptedPayments,
    a_snapshot,
)
from tests.support.shop import ARMCHAIR, DRUM, SOFT, Shop

TOTAL = 5_997
CONFIRMABLE = a_snapshot(PaymentState.CONFIRMABLE)
AUTHORIZED = a_snapshot(PaymentState.AUTHORIZED, authorized=TOTAL)
ACTION = evolve(a_snapshot(PaymentState.REQUIRES_ACTION), next_action="https://3ds.example")
CANCELLED = a_snapshot(PaymentState.CANCELLED)
LOST = OutcomeUnknown("read_timeout")


def a_shop(payments: ScriptedPayments, **more: object) -> Shop:
    return Shop(providers={"simulated": payments}, **more)  # type: ignore[arg-type]


def changes(order: Order) -> list[Change]:
    return [entry.change for entry in order.history]


def nothing_is_held(shop: Shop) -> bool:
    """I7: no piece is reserved and no money is held or kept."""
    audit = shop.audit()
    return (shop.level().reserved, shop.level(DRUM).reserved) == (0, 0) and (
        audit is None or (not audit.live_authorizations and audit.captured == audit.refunded)
    )


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


# -- waiting -------------------------------------------------------------------------------------


def test_a_customer_who_acts_is_noticed_at_the_next_look_or_at_once_when_woken() -> None:
    shop = Shop()
    shop.place("sim_requires_action")
    shop.work_once()
    order = shop.order()
    assert order.saga.state is SagaState.WAITING
    assert order.payment.status is PaymentStatus.ACTION_REQUIRED
    assert "next_action" in order.history[-1].facts

    shop.payments.complete_action(shop.ref("sim_requires_action"))
    shop.work_once()
    assert shop.order().status is OrderStatus.PENDING_PAYMENT
    shop.oms.wake(shop.scope, order.id)
    shop.work_once()

    assert shop.order().status is OrderStatus.CONFIRMED


def test_a_wake_while_a_worker_looks_is_not_overwritten_by_what_it_saw_before() -> None:
    """The customer acted just after the look-up; the notification came before its record."""
    shop: Shop
    reference = "sim_requires_action"

    def the_customer_acts() -> None:
        shop.payments.complete_action(shop.ref(reference))
        shop.a_process(FaultPlan()).wake(shop.scope, shop.order().id)

    shop = Shop()
    shop.place(reference)
    shop.work_once()
    shop.clock.advance(15)
    shop.plan = FaultPlan({3: Fault.PAUSE_BEFORE}, meanwhile=the_customer_acts)
    shop.restart()

    shop.work_once()

    assert shop.plan.faults_met[0].method == "checkpoint"
    assert shop.order().status is OrderStatus.CONFIRMED


def test_waking_an_order_that_does_not_wait_changes_nothing() -> None:
    shop = Shop()
    order = shop.drive()

    assert shop.oms.wake(shop.scope, order.id) == order


@pytest.mark.parametrize(
    ("reference", "settings", "ends_after_s"),
    [
        ("sim_requires_action", PlaceOrderSettings(action_deadline_s=100.0), 100.0),
        ("sim_pending_forever", PlaceOrderSettings(pending_deadline_s=70.0), 70.0),
    ],
)
def test_a_deadline_ends_the_wait(
    reference: str, settings: PlaceOrderSettings, ends_after_s: float
) -> None:
    """F19."""
    shop = Shop(saga=settings)

    order = shop.drive(reference)

    assert order.status is OrderStatus.FAILED
    assert (order.updated_at - order.created_at).total_seconds() == ends_after_s
    assert nothing_is_held(shop)


def test_waiting_is_told_once_however_often_it_is_looked_at() -> None:
    order = Shop().drive("sim_requires_action")

    assert changes(order).count(Change.CUSTOMER_ACTION_REQUIRED) == 1
    order = Shop().drive("sim_pending_forever")
    assert changes(order).count(Change.PAYMENT_PENDING) == 1


def test_a_late_action_of_the_customer_finds_the_payment_forbidden() -> None:
    """F21."""
    shop = Shop()
    shop.drive("sim_requires_action")

    with pytest.raises(InvalidState):
        shop.payments.complete_action(shop.ref("sim_requires_action"))

    assert nothing_is_held(shop)


# -- keys and generations ------------------------------------------------------------------------


def test_a_key_whose_answers_keep_getting_lost_is_given_up_only_on_proof() -> None:
    """F15: the same key may answer a stored 500 for ever."""
    payments = ScriptedPayments(authorize=[LOST], lookup=[CONFIRMABLE])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=30.0))
    shop.place()
    shop.work(60)

    keys = [command.key for command in payments.asked("authorize")]
    moments = [name for name, _ in payments.calls]
    first_key = keys.count(keys[0])
    assert moments[: first_key + 1] == ["authorize"] * first_key + ["lookup"]
    assert set(keys) == {
        effect_key_for(shop.scope, shop.order().id, "authorize", generation)
        for generation in range(1, len(set(keys)) + 1)
    }
    assert len(set(keys)) > 1
    journal = shop.order().saga.journal_of("authorize_payment", "run")
    assert journal is not None
    assert journal.generations == len(set(keys))


@pytest.mark.parametrize(
    "seen", [AUTHORIZED, a_snapshot(PaymentState.CAPTURED, authorized=TOTAL, captured=TOTAL)]
)
def test_a_look_up_that_finds_the_effect_needs_no_new_key(seen: object) -> None:
    payments = ScriptedPayments(authorize=[LOST], lookup=[seen])
    shop = a_shop(payments)

    order = shop.drive()

    assert order.status is OrderStatus.CONFIRMED
    assert len({command.key for command in payments.asked("authorize")}) == 1


def test_no_new_key_is_used_while_the_first_call_may_still_be_running() -> None:
    payments = ScriptedPayments(authorize=[LOST], lookup=[CONFIRMABLE])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=10_000.0))

    order = shop.drive()

    assert order.failure is not None
    assert order.failure.code == "payment_unavailable"
    assert len({command.key for command in payments.asked("authorize")}) == 1
    assert len(payments.asked("authorize")) == 10


@pytest.mark.parametrize("trouble", [RetryableNotExecuted("429"), CredentialsRejected("401")])
def test_trouble_that_proves_itself_to_have_had_no_effect_keeps_its_key(trouble: Exception) -> None:
    payments = ScriptedPayments(authorize=[*[trouble] * 9, AUTHORIZED])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=0.0))
    shop.place()
    for _ in range(20):
        shop.work(20)
        if shop.order().saga.attention is None:
            break
        shop.clock.advance(60)
        shop.oms.retry_saga(shop.scope, shop.order().id, reason="mended", actor="pat")

    assert shop.order().status is OrderStatus.CONFIRMED
    assert len({command.key for command in payments.asked("authorize")}) == 1
    assert payments.asked("lookup") == []


def test_a_key_that_the_provider_is_about_to_forget_is_not_relied_on() -> None:
    """F13: past 80 % of its life, look-ups only; a new key only when it proved to be void."""
    payments = ScriptedPayments(
        authorize=[IdempotencyMismatch("key_reused"), AUTHORIZED],
        lookup=[CONFIRMABLE],
        capabilities=Capabilities(key_ttl_s=1_000.0),
    )
    shop = a_shop(payments)
    order = shop.drive()
    shop.clock.advance(800)

    shop.oms.retry_saga(shop.scope, order.id, reason="new key", actor="pat")
    shop.work_to_the_end()

    assert [name for name, _ in payments.calls] == ["authorize", "lookup", "authorize"]
    keys = [command.key for command in payments.asked("authorize")]
    assert keys == [effect_key_for(shop.scope, order.id, "authorize", g) for g in (1, 2)]
    assert shop.order().status is OrderStatus.CONFIRMED


def test_a_key_is_relied_on_until_shortly_before_it_is_forgotten() -> None:
    payments = ScriptedPayments(
        authorize=[IdempotencyMismatch("key_reused"), AUTHORIZED],
        capabilities=Capabilities(key_ttl_s=1_000.0),
    )
    shop = a_shop(payments)
    order = shop.drive()
    shop.clock.advance(799)

    shop.oms.retry_saga(shop.scope, order.id, reason="new key", actor="pat")
    shop.work_to_the_end()

    assert [name for name, _ in payments.calls] == ["authorize", "authorize"]


def test_a_key_of_unknown_age_is_relied_on() -> None:
    """As in an order stored before ages were noted."""
    payments = ScriptedPayments(authorize=[LOST, AUTHORIZED])
    shop = a_shop(payments, saga=PlaceOrderSettings(proof_after_s=0.0))
    order_id = shop.place()
    shop.work_once()
    order = shop.order(order_id)
    shop.storage.save(evolve(order, saga=evolve(order.saga, generation_since=None)))

    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.CONFIRMED
    assert payments.asked("lookup") == []


def test_who_waits_for_a_customer_longer_than_a_key_lives_only_looks() -> None:
    payments = ScriptedPayments(
        authorize=[ACTION],
        lookup=[ACTION, ACTION, AUTHORIZED],
        capabilities=Capabilities(key_ttl_s=50.0),
    )

    order = a_shop(payments).drive()

    assert order.status is OrderStatus.CONFIRMED
    assert [name for name, _ in payments.calls] == ["authorize"] * 3 + ["lookup"] * 3


def test_a_reference_that_vanished_is_no_proof_of_a_hold() -> None:
    payments = ScriptedPayments(authorize=[LOST], lookup=[PaymentNotFound()])

    order = a_shop(payments).drive()

    assert order.failure is not None
    assert order.failure.code == "payment_not_found"


# -- letting go ----------------------------------------------------------------------------------


def test_a_void_uses_names_known_before_the_authorization() -> None:
    wrong = a_snapshot(PaymentState.AUTHORIZED, authorized=1)
    payments = ScriptedPayments(authorize=[wrong], lookup=[wrong])
    shop = a_shop(payments)

    order = shop.drive()

    (void,) = payments.asked("cancel")
    assert void == Cancel(
        shop.ref("good_card"),
        order.id,
        f"{order.id}:void",
        effect_key_for(shop.scope, order.id, "void", 1),
    )


@pytest.mark.parametrize("price", ["0", "19.99"])
def test_an_order_that_never_asked_for_money_asks_for_none_back(price: str) -> None:
    payments = ScriptedPayments()
    shop = a_shop(payments, stock={ARMCHAIR: 10, DRUM: 0})

    order = shop.drive(price=price)

    assert order.failure is not None
    assert order.failure.code == "out_of_stock"
    assert payments.calls == []


def test_a_payment_that_moves_between_look_up_and_void_is_looked_at_again() -> None:
    """F22: captured by somebody else just now: the void is refused, the refund is right."""
    wrong = a_snapshot(PaymentState.AUTHORIZED, authorized=TOTAL + 1)
    taken = a_snapshot(PaymentState.CAPTURED, authorized=TOTAL + 1, captured=TOTAL + 1)
    payments = ScriptedPayments(
        authorize=[wrong], lookup=[wrong, taken], cancel=[InvalidState("already_captured")]
    )

    order = a_shop(payments).drive()

    assert order.status is OrderStatus.FAILED
    assert order.payment.status is PaymentStatus.REFUNDED
    assert [name for name, _ in payments.calls] == [
        *("authorize", "lookup", "cancel", "lookup", "refund")
    ]
    assert order.payment.refunded == Money(TOTAL + 1, "USD")


def test_an_order_does_not_fail_while_the_rest_of_a_partly_captured_payment_is_held() -> None:
    """I7: the port has no call that voids the rest, so a person does it at the provider."""
    shop: Shop
    ref = Shop().ref("sim_wrong_amount")

    def somebody_captures(minor: int, *, final: bool) -> None:
        capture = Capture(ref, Money(minor, "USD"), f"by-hand-{minor}", f"k{minor}", final=final)
        shop.payments.capture(capture)

    plan = FaultPlan({7: Fault.PAUSE_BEFORE}, meanwhile=lambda: somebody_captures(100, final=False))
    shop = Shop(plan=plan)

    order = shop.drive("sim_wrong_amount")
    assert [call.method for call in plan.faults_met] == ["lookup"]
    assert order.saga.attention is not None
    assert order.saga.attention.code == "rest_still_held"
    audit = shop.audit()
    assert audit is not None
    assert (audit.captured, audit.refunded) == (Money(100, "USD"), Money(100, "USD"))
    somebody_captures(1, final=True)
    shop.oms.retry_saga(shop.scope, order.id, reason="settled by hand", actor="pat")
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.FAILED
    assert shop.order().payment.refunded == Money(101, "USD")
    assert nothing_is_held(shop)


def test_what_was_given_back_by_hand_already_is_not_given_back_again() -> None:
    taken = a_snapshot(PaymentState.CAPTURED, authorized=9_000, captured=9_000)
    back = evolve(taken, refunded=taken.captured)
    payments = ScriptedPayments(authorize=[taken], lookup=[back])

    order = a_shop(payments).drive()

    assert payments.asked("refund") == []
    assert order.payment.refunded == Money(9_000, "USD")


def test_only_what_is_outstanding_is_given_back() -> None:
    taken = a_snapshot(PaymentState.CAPTURED, authorized=9_000, captured=9_000, refunded=2_500)
    payments = ScriptedPayments(authorize=[taken], lookup=[taken])

    order = a_shop(payments).drive()

    (refund,) = payments.asked("refund")
    assert refund.amount == Money(6_500, "USD")
    assert order.payment.refunded == Money(9_000, "USD")


@pytest.mark.parametrize(
    "state", [PaymentState.DECLINED, PaymentState.CANCELLED, PaymentState.EXPIRED]
)
def test_what_is_not_held_any_more_needs_no_void(state: PaymentState) -> None:
    wrong = a_snapshot(PaymentState.AUTHORIZED, authorized=1)
    payments = ScriptedPayments(authorize=[wrong], lookup=[a_snapshot(state)])

    order = a_shop(payments).drive()

    assert payments.asked("cancel") == []
    assert order.status is OrderStatus.FAILED


def test_a_hold_that_lapsed_by_itself_is_told_as_released() -> None:
    shop: Shop
    payments = ScriptedPayments(authorize=[AUTHORIZED], lookup=[a_snapshot(PaymentState.EXPIRED)])

    def everything_lapses() -> None:
        shop.clock.advance(6)
        items = [Demand(StockItem(ARMCHAIR), 9)]
        shop.inventory.reserve(shop.scope, "rival", items, allocation=Allocation())

    shop = a_shop(
        payments,
        saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=5.0)),
        plan=FaultPlan({7: Fault.PAUSE_BEFORE}, meanwhile=everything_lapses),
    )

    order = shop.drive()

    assert [call.method for call in shop.plan.faults_met] == ["harden"]
    assert order.status is OrderStatus.FAILED
    assert order.payment.status is PaymentStatus.VOIDED
    assert order.payment.authorization is None
    assert payments.asked("cancel") == []


def test_a_payment_the_provider_does_not_know_holds_nothing() -> None:
    payments = ScriptedPayments(
        authorize=[InvalidRequest("amount_too_small")], lookup=[PaymentNotFound()]
    )

    order = a_shop(payments).drive()

    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert (order.failure.code, order.failure.provider_code) == (
        "payment_invalid_request",
        "amount_too_small",
    )


def test_an_asynchronous_void_is_waited_for() -> None:
    wrong = a_snapshot(PaymentState.AUTHORIZED, authorized=1)
    payments = ScriptedPayments(
        authorize=[wrong], lookup=[wrong, wrong, CANCELLED], cancel=[PENDING]
    )

    order = a_shop(payments).drive()

    assert order.status is OrderStatus.FAILED
    assert len({command.key for command in payments.asked("cancel")}) == 1
    assert (order.updated_at - order.created_at).total_seconds() == 30


def test_a_void_that_is_never_done_calls_for_a_person_and_is_waited_for_still() -> None:
    """F45."""
    wrong = a_snapshot(PaymentState.AUTHORIZED, authorized=1)
    payments = ScriptedPayments(
        authorize=[wrong], lookup=[*[wrong] * 400, CANCELLED], cancel=[PENDING]
    )
    shop = a_shop(payments)
    shop.place()

    shop.work(300)
    order = shop.order()
    assert order.saga.attention is not None
    assert order.saga.attention.code == "release_pending"
    assert order.status is OrderStatus.PENDING_PAYMENT
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.FAILED
    assert shop.order().saga.attention is None


@pytest.mark.parametrize("reason", ["account_closed", None])
def test_a_refund_that_is_rejected_is_for_a_person_and_a_retry_is_a_new_refund(
    reason: str | None,
) -> None:
    taken = a_snapshot(PaymentState.CAPTURED, authorized=1, captured=1)
    rejected = OperationResult(OperationStatus.REJECTED, reason=reason)
    payments = ScriptedPayments(authorize=[taken], lookup=[taken], refund=[rejected, DONE])
    shop = a_shop(payments)

    order = shop.drive()
    assert order.saga.attention is not None
    assert order.saga.attention.code == "release_rejected"
    assert (reason or "no reason given") in order.saga.attention.message
    shop.oms.retry_saga(shop.scope, order.id, reason="account is open", actor="pat")
    shop.work_to_the_end()

    assert shop.order().status is OrderStatus.FAILED
    refunds = payments.asked("refund")
    assert len({refund.refund_id for refund in refunds}) == 2
    assert len({refund.key for refund in refunds}) == 2


def test_a_void_whose_answers_keep_getting_lost_gets_a_new_key_when_it_had_no_effect() -> None:
    wrong = a_snapshot(PaymentState.AUTHORIZED, authorized=1)
    payments = ScriptedPayments(authorize=[wrong], lookup=[wrong], cancel=[*[LOST] * 9, DONE])

    order = a_shop(payments).drive()

    assert order.status is OrderStatus.FAILED
    keys = [command.key for command in payments.asked("cancel")]
    journal = order.saga.journal_of("authorize_payment", "undo")
    assert journal is not None
    assert journal.generations == len(set(keys)) > 1


@pytest.mark.parametrize("found", [None, PENDING])
def test_a_refund_whose_answers_keep_getting_lost_is_a_new_one_only_on_proof(
    found: OperationResult | None,
) -> None:
    taken = a_snapshot(PaymentState.CAPTURED, authorized=1, captured=1)
    payments = ScriptedPayments(
        authorize=[taken], lookup=[taken], refund=[*[LOST] * 9, DONE], find_operation=[found]
    )

    order = a_shop(payments).drive()

    refunds = {(refund.refund_id, refund.key) for refund in payments.asked("refund")}
    assert order.status is OrderStatus.FAILED
    assert len(refunds) > 1 if found is None else len(refunds) == 1
    assert set(payments.asked("find_operation")) <= {refund_id for refund_id, _ in refunds}


def test_an_undo_at_a_silent_provider_is_flagged_and_tried_for_ever() -> None:
    shop = Shop()
    shop.place("sim_wrong_amount_void_fails_forever")
    shop.work(40)
    order = shop.order()

    assert order.saga.attention is not None
    assert order.saga.attention.code == "retrying_for_long"
    shop.payments.heal(shop.ref("sim_wrong_amount_void_fails_forever"))
    shop.work_to_the_end()
    assert shop.order().status is OrderStatus.FAILED
    assert nothing_is_held(shop)


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


# -- stock ---------------------------------------------------------------------------------------


def test_one_line_that_is_short_refuses_the_whole_order() -> None:
    """F40."""
    shop = Shop(stock={ARMCHAIR: 10, DRUM: 0})

    order = shop.drive()

    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.code == "out_of_stock"
    assert changes(order) == [
        Change.ORDER_PLACED,
        Change.INVENTORY_REFUSED,
        Change.ORDER_FAILED,
    ]
    assert order.history[1].facts == {DRUM: 1}
    assert nothing_is_held(shop)
    assert shop.audit() is None


def test_lines_of_one_item_are_added_up_before_stock_is_asked() -> None:
    shop = Shop(stock={ARMCHAIR: 3})
    request = evolve(
        shop.request(),
        line_items=[NewLineItem(sku=ARMCHAIR, quantity=2, unit_price="1")] * 2,
    )

    order_id = shop.oms.place_order(shop.scope, request).order_id
    shop.work_to_the_end()

    order = shop.order(order_id)
    assert order.status is OrderStatus.FAILED
    assert order.history[1].facts == {ARMCHAIR: 1}


def test_an_inventory_that_stays_silent_fails_the_order_and_is_asked_to_release() -> None:
    """F42: the reservation may have been made all the same."""
    shop = Shop(plan=FaultPlan({3: Fault.ERROR_FROM_NOW_ON}))
    shop.place()
    shop.work(30)
    assert shop.order().saga.phase is SagaPhase.COMPENSATING
    shop.plan.heal()
    shop.work_to_the_end()

    order = shop.order()
    assert order.failure is not None
    assert order.failure.code == "inventory_unavailable"
    assert nothing_is_held(shop)
    late = shop.inventory.harden(shop.scope, str(order.id))
    assert type(late).__name__ == "AlreadyReleased"


def test_a_reservation_that_somebody_else_released_is_for_a_person() -> None:
    shop = Shop()
    order_id = shop.place()
    shop.inventory.release(shop.scope, str(order_id))

    shop.work_to_the_end()

    order = shop.order()
    assert order.saga.is_parked
    assert order.saga.attention is not None
    assert order.saga.attention.code == "reservation_lost"
    assert shop.audit() is None


def test_goods_that_left_although_the_order_fails_are_for_a_person() -> None:
    """They cannot be made available again: the order must not end as if they were."""
    shop: Shop

    def the_clerk_hands_them_over() -> None:
        shop.inventory.commit(shop.scope, str(shop.order().id), actor="clerk")

    shop = Shop(plan=FaultPlan({10: Fault.PAUSE_BEFORE}, meanwhile=the_clerk_hands_them_over))

    order = shop.drive("sim_wrong_amount")

    assert [call.method for call in shop.plan.faults_met] == ["release"]
    assert order.saga.is_parked
    assert order.saga.attention is not None
    assert order.saga.attention.code == "goods_have_left"
    assert order.status is OrderStatus.PENDING_PAYMENT
    assert shop.level().on_hand == 8


# -- soft allocation -----------------------------------------------------------------------------


def test_an_earmark_is_made_firm_before_the_order_is_confirmed() -> None:
    shop = Shop(saga=PlaceOrderSettings(allocation=SOFT))

    order = shop.drive()

    assert order.status is OrderStatus.CONFIRMED
    assert order.reservation is ReservationState.HELD
    assert changes(order).count(Change.INVENTORY_RESERVED) == 1
    shop.clock.advance(10 * SOFT.ttl_s)
    assert shop.level().reserved == 2


def test_an_earmark_that_lapsed_is_taken_again_if_the_stock_is_still_there() -> None:
    shop = Shop(saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=1.0)))

    order = shop.drive("sim_pending")

    assert order.status is OrderStatus.CONFIRMED
    assert shop.level().reserved == 2


def test_an_earmark_that_lapsed_and_is_gone_fails_the_order_and_voids_its_payment() -> None:
    shop = Shop(saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=5.0)))
    shop.place("sim_requires_action")
    shop.work_once()
    shop.clock.advance(6)
    rival = shop.oms.place_order(
        shop.scope, shop.request(key="rival", reference="rival_card", lines={ARMCHAIR: 9})
    ).order_id
    shop.work_once()
    assert shop.order(rival).status is OrderStatus.CONFIRMED
    shop.payments.complete_action(shop.ref("sim_requires_action"))

    shop.work_to_the_end()

    order = shop.order()
    assert order.status is OrderStatus.FAILED
    assert order.failure is not None
    assert order.failure.code == "out_of_stock"
    assert changes(order)[-4:] == [
        Change.PAYMENT_AUTHORIZED,
        Change.INVENTORY_REFUSED,
        Change.PAYMENT_RELEASED,
        Change.ORDER_FAILED,
    ]
    audit = shop.audit()
    assert audit is not None
    assert audit.live_authorizations == 0
    assert shop.level().reserved == 9


def test_an_order_that_cost_nothing_asks_for_nothing_back() -> None:
    shop: Shop
    payments = ScriptedPayments()

    def everything_lapses() -> None:
        shop.clock.advance(6)
        items = [Demand(StockItem(ARMCHAIR), 9)]
        shop.inventory.reserve(shop.scope, "rival", items, allocation=Allocation())

    shop = a_shop(
        payments,
        saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=5.0)),
        plan=FaultPlan({6: Fault.PAUSE_BEFORE}, meanwhile=everything_lapses),
    )

    order = shop.drive(price="0")

    assert [call.method for call in shop.plan.faults_met] == ["harden"]
    assert order.status is OrderStatus.FAILED
    assert payments.calls == []


def test_a_tenant_may_have_its_own_allocation() -> None:
    settings = PlaceOrderSettings(allocation_by_tenant={Shop().scope.tenant_id: SOFT})
    shop = Shop(saga=settings)
    shop.place("sim_requires_action")
    shop.work_once()

    assert shop.order().reservation is ReservationState.EARMARKED
    assert settings.allocation_for(uuid4()) == settings.allocation
