"""What is held or taken for an order that fails is let go, once, and all of it."""

import pytest
from attrs import evolve

from oms_core import Allocation, Money, OrderStatus, PlaceOrderSettings
from oms_core.domain.inventory import Demand, StockItem
from oms_core.domain.payment import PaymentState, PaymentStatus
from oms_core.domain.scope import effect_key_for
from oms_core.errors import InvalidRequest, InvalidState, PaymentNotFound
from oms_core.ports.payments import Cancel, Capture, OperationResult, OperationStatus
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.scripted_payments import DONE, PENDING, ScriptedPayments, a_snapshot
from tests.support.scripted_shop import AUTHORIZED, CANCELLED, LOST, TOTAL, a_shop, nothing_is_held
from tests.support.shop import ARMCHAIR, DRUM, SOFT, Shop


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
