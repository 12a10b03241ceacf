"""What is peculiar to PayPal's orders: whose they are, which hold is live, what names tell."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    RetryableNotExecuted,
)
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    OperationStatus,
    PaymentRef,
    Reauthorize,
    Refund,
)
from oms_core.testing import SimulatedClock
from oms_core.testing.refusal import refusal
from tests.support.http_faults import LOST_ANSWER, HttpRequest, answers
from tests.support.paypal_stage import PaypalStage, operation_of

TOTAL = Money(10_000, "USD")
ORDER = uuid4()
HELD_UNTIL_SOON = (
    b'{"authorizations": [{"id": "A", "status": "CREATED", "expiration_time": "soon", '
    b'"amount": {"value": "1.00", "currency_code": "USD"}}]}'
)


@pytest.fixture
def stage() -> Iterator[PaypalStage]:
    stage = PaypalStage(SimulatedClock())
    yield stage
    stage.close()


def hold(stage: PaypalStage, amount: Money = TOTAL, **said: str) -> PaymentRef:
    ref = stage.order(amount, **said)
    assert stage.provider.authorize(authorize(ref, amount)).state is PaymentState.AUTHORIZED
    return ref


def authorize(ref: PaymentRef, amount: Money = TOTAL) -> Authorize:
    return Authorize(ref, amount, ORDER, "hold-key")


def capture(ref: PaymentRef, minor: int, name: str, *, final: bool = True) -> Capture:
    return Capture(ref, Money(minor, "USD"), name, f"{name}-key", final)


def refund(ref: PaymentRef, minor: int, name: str) -> Refund:
    return Refund(ref, Money(minor, "USD"), name, f"{name}-key")


def renew(stage: PaypalStage, ref: PaymentRef, name: str = "renew") -> None:
    stage.clock.advance(timedelta(days=4).total_seconds())
    stage.provider.reauthorize(Reauthorize(ref, TOTAL, ORDER, name, f"{name}-key"))


def sent(stage: PaypalStage, since: int = 0) -> list[str]:
    return [operation_of(one) for one in stage.double.http.requests[since:]]


# -- calls -----------------------------------------------------------------------------------


def test_a_hold_takes_a_look_a_mark_and_the_action(stage: PaypalStage) -> None:
    hold(stage)

    assert sent(stage) == ["token", "lookup", "claim", "authorize"]


def test_an_order_that_bears_the_mark_takes_a_look_and_the_action(stage: PaypalStage) -> None:
    hold(stage, custom_id=f"oms-order.{ORDER}")

    assert sent(stage) == ["token", "lookup", "authorize"]


@pytest.mark.parametrize(
    "reference", ["", ".", "..", "a/b", "lower", "A" * 37, "É", "A\n", "A?b=c"]
)
def test_what_cannot_be_an_id_of_paypals_never_enters_a_url(
    stage: PaypalStage, reference: str
) -> None:
    ref = PaymentRef(stage.tenant_id, reference)

    refusal(PaymentNotFound, lambda: stage.provider.lookup(ref))

    assert stage.double.http.requests == []


@pytest.mark.parametrize("key", ["", " ", "k" * 109, "é", "a\nb", " a"])
def test_a_key_that_paypal_would_not_take_is_refused_before_any_call(
    stage: PaypalStage, key: str
) -> None:
    ref = stage.order(TOTAL)

    refusal(InvalidRequest, lambda: stage.provider.authorize(Authorize(ref, TOTAL, ORDER, key)))

    assert stage.double.http.requests == []


# -- which orders ----------------------------------------------------------------------------


def test_the_id_of_an_authorization_means_its_order(stage: PaypalStage) -> None:
    ref = hold(stage)
    seen = stage.provider.lookup(ref)
    assert seen.provider_id is not None
    by_authorization = PaymentRef(stage.tenant_id, seen.provider_id)

    assert stage.provider.lookup(by_authorization) == seen
    stage.provider.capture(capture(by_authorization, 10_000, "ship"))
    assert stage.provider.lookup(ref).captured == TOTAL


def test_an_order_with_the_intent_to_capture_is_refused_and_left_alone(stage: PaypalStage) -> None:
    ref = stage.order(TOTAL, intent="CAPTURE")

    refused = refusal(InvalidRequest, lambda: stage.provider.authorize(authorize(ref)))

    assert refused.reason == "intent_is_not_AUTHORIZE"
    assert set(sent(stage)) == {"token", "lookup"}


def test_an_order_of_several_purchase_units_is_refused_before_it_is_authorized(
    stage: PaypalStage,
) -> None:
    order_id = stage.books.create_order("100.00", units=2)
    ref = PaymentRef(stage.tenant_id, order_id)

    refused = refusal(InvalidRequest, lambda: stage.provider.authorize(authorize(ref)))

    assert refused.reason == "more_than_one_purchase_unit"
    assert stage.effects(ref, "authorize") == 0


def test_what_the_shop_captured_itself_is_told_as_captured_and_can_be_refunded(
    stage: PaypalStage,
) -> None:
    ref = stage.order(TOTAL, intent="CAPTURE", status="COMPLETED")
    order = stage.books.orders[ref.reference]
    order["purchase_units"][0]["payments"] = {
        "captures": [
            {
                "id": "CAPTUREOFTHESHOP",
                "status": "COMPLETED",
                "final_capture": True,
                "amount": {"currency_code": "USD", "value": "100.00"},
            }
        ]
    }

    seen = stage.provider.authorize(authorize(ref))

    assert (seen.state, seen.captured) == (PaymentState.CAPTURED, TOTAL)
    assert stage.provider.refund(refund(ref, 10_000, "return")).status is OperationStatus.DONE
    assert stage.provider.lookup(ref).refunded == TOTAL


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"id": "X", "status": "APPROVED", "purchase_units": []}',
        b'{"id": "X", "status": "APPROVED", "purchase_units": [{"amount": {"value": 1}}]}',
        b'{"id": "../X", "status": "APPROVED", "purchase_units": [{}]}',
        b'{"id": "X", "status": "APPROVED", "purchase_units": [{"payments": [5]}]}',
        b'{"id": "X", "status": "APPROVED", "purchase_units": [{}], "links": [5]}',
        b'{"id": "X", "status": "COMPLETED", "purchase_units": [{"payments": %s}]}'
        % HELD_UNTIL_SOON,
    ],
)
def test_an_order_that_cannot_be_read_is_no_order_that_is_gone(
    stage: PaypalStage, body: bytes
) -> None:
    ref = stage.order(TOTAL)
    stage.plan(answers(200, body), "lookup")

    refused = refusal(RetryableNotExecuted, lambda: stage.provider.lookup(ref))

    assert refused.reason == "answer_unreadable"
    assert stage.provider.lookup(ref).state is PaymentState.CONFIRMABLE


# -- whose it is -----------------------------------------------------------------------------


def test_a_mark_of_the_shops_own_gives_way_to_the_orders(stage: PaypalStage) -> None:
    ref = hold(stage, custom_id="CART-17")

    assert stage.provider.lookup(ref).order_id == ORDER


def test_an_order_that_another_has_marked_is_not_authorized(stage: PaypalStage) -> None:
    other = uuid4()
    ref = stage.order(TOTAL, custom_id=f"oms-order.{other}")

    seen = stage.provider.authorize(authorize(ref))

    assert seen.order_id == other
    assert stage.effects(ref, "authorize") == 0
    assert "claim" not in sent(stage)


def test_of_two_orders_that_mark_a_payment_at_once_one_is_told_that_it_lost(
    stage: PaypalStage,
) -> None:
    """PayPal refuses to add what is there already."""
    ref = stage.order(TOTAL)
    other = uuid4()
    unit = stage.books.orders[ref.reference]["purchase_units"][0]

    def be_faster(request: HttpRequest) -> None:
        if operation_of(request) == "claim":
            unit["custom_id"] = f"oms-order.{other}"

    stage.double.on_arrival = be_faster

    seen = stage.provider.authorize(authorize(ref))

    assert "claim" in sent(stage)
    assert seen.order_id == other
    assert stage.effects(ref, "authorize") == 0


# -- given up --------------------------------------------------------------------------------


def test_the_intent_is_what_keeps_a_late_authorize_from_holding_money(stage: PaypalStage) -> None:
    """A process that looked before the order was given up may mark it after."""
    ref = stage.order(TOTAL)
    stage.provider.cancel(Cancel(ref, ORDER, "undo", "undo-key"))
    unit = stage.books.orders[ref.reference]["purchase_units"][0]
    unit["custom_id"] = f"oms-order.{ORDER}"

    seen = stage.provider.authorize(authorize(ref))

    assert seen.state is PaymentState.CANCELLED
    assert stage.effects(ref, "authorize") == 0


def test_an_order_that_paypal_forgot_need_not_be_given_up(stage: PaypalStage) -> None:
    ref = stage.order(TOTAL)
    body = b'{"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "ORDER_EXPIRED"}]}'
    stage.plan(answers(422, body), "cancel")

    result = stage.provider.cancel(Cancel(ref, ORDER, "undo", "undo-key"))

    assert result.status is OperationStatus.DONE


@pytest.mark.parametrize(
    ("issue", "state"),
    [
        ("ORDER_EXPIRED", PaymentState.EXPIRED),
        ("PAYER_ACTION_REQUIRED", PaymentState.REQUIRES_ACTION),
        ("ORDER_NOT_APPROVED", PaymentState.REQUIRES_ACTION),
        ("TRANSACTION_REFUSED", PaymentState.DECLINED),
    ],
)
def test_a_refusal_of_the_hold_is_a_state(
    stage: PaypalStage, issue: str, state: PaymentState
) -> None:
    ref = stage.order(TOTAL)
    stage.books.decline[ref.reference] = issue

    seen = stage.provider.authorize(authorize(ref))

    assert seen.state is state
    assert issue in {seen.reason, seen.raw_status}


def test_an_authorization_that_is_denied_is_a_decline(stage: PaypalStage) -> None:
    ref = stage.order(TOTAL)
    stage.books.authorized_as[ref.reference] = "DENIED"

    seen = stage.provider.authorize(authorize(ref))

    assert (seen.state, seen.reason) == (PaymentState.DECLINED, "DENIED")
    assert seen.authorized == Money.zero("USD")


# -- several authorizations ------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [False, True])
def test_what_is_held_anew_is_what_is_captured(stage: PaypalStage, keeps: bool) -> None:  # noqa: FBT001 - a parameter
    stage.books.keeps_older_authorizations = keeps
    ref = hold(stage)
    first = stage.provider.lookup(ref).provider_id
    renew(stage, ref)

    stage.provider.capture(capture(ref, 10_000, "ship"))

    seen = stage.provider.lookup(ref)
    assert seen.provider_id != first
    assert (seen.state, seen.captured) == (PaymentState.CAPTURED, TOTAL)


def test_the_void_of_an_older_authorization_says_nothing_of_the_newer(stage: PaypalStage) -> None:
    stage.books.keeps_older_authorizations = True
    ref = hold(stage)
    first = stage.provider.lookup(ref).provider_id
    assert first is not None
    renew(stage, ref)

    stage.books.void(first)

    assert stage.provider.lookup(ref).state is PaymentState.AUTHORIZED


def test_an_older_authorization_that_is_still_open_counts_if_the_newer_is_void(
    stage: PaypalStage,
) -> None:
    """A cancel that was broken off between the two has not released the money."""
    stage.books.keeps_older_authorizations = True
    ref = hold(stage)
    first = stage.provider.lookup(ref).provider_id
    renew(stage, ref)
    second = stage.provider.lookup(ref).provider_id
    assert second is not None
    stage.books.void(second)

    seen = stage.provider.lookup(ref)

    assert (seen.state, seen.provider_id) == (PaymentState.AUTHORIZED, first)
    stage.provider.cancel(Cancel(ref, ORDER, "undo", "undo-key"))
    assert stage.books.open_authorizations(ref.reference) == []


def test_a_cancel_voids_every_authorization_that_is_open(stage: PaypalStage) -> None:
    stage.books.keeps_older_authorizations = True
    ref = hold(stage)
    renew(stage, ref)

    stage.provider.cancel(Cancel(ref, ORDER, "undo", "undo-key"))

    assert stage.books.open_authorizations(ref.reference) == []
    assert stage.provider.lookup(ref).state is PaymentState.CANCELLED
    assert len(set(stage.double.keys("/void"))) == 2


def test_a_hold_can_be_made_anew_again_and_again(stage: PaypalStage) -> None:
    ref = hold(stage)

    for number in range(3):
        renew(stage, ref, f"renew-{number}")

    assert stage.effects(ref, "reauthorize") == 3
    assert len(stage.books.open_authorizations(ref.reference)) == 1


def test_within_the_honor_period_it_is_too_soon_to_hold_anew(stage: PaypalStage) -> None:
    ref = hold(stage)
    stage.clock.advance(timedelta(days=2).total_seconds())

    refused = refusal(
        InvalidState,
        lambda: stage.provider.reauthorize(Reauthorize(ref, TOTAL, ORDER, "renew", "key")),
    )

    assert refused.reason == "REAUTHORIZATION_TOO_SOON"
    assert refused.retry_after_s == pytest.approx(86_400, abs=1)
    assert stage.effects(ref, "reauthorize") == 0


def test_by_paypals_own_clock_it_may_be_too_soon_a_little_longer(stage: PaypalStage) -> None:
    ref = hold(stage)
    stage.clock.advance(timedelta(days=3, seconds=30).total_seconds())
    body = b'{"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "REAUTHORIZATION_TOO_SOON"}]}'
    stage.plan(answers(422, body), "reauthorize")

    refused = refusal(
        InvalidState,
        lambda: stage.provider.reauthorize(Reauthorize(ref, TOTAL, ORDER, "renew", "key")),
    )

    assert refused.retry_after_s == 3_600.0


def test_a_hold_lapses_by_itself_at_its_end(stage: PaypalStage) -> None:
    ref = hold(stage)
    expires_at = stage.provider.lookup(ref).expires_at
    assert expires_at is not None

    stage.clock.advance_to(expires_at)

    assert stage.provider.lookup(ref).state is PaymentState.EXPIRED
    refusal(InvalidState, lambda: stage.provider.capture(capture(ref, 10_000, "ship")))


# -- captures --------------------------------------------------------------------------------


def test_more_than_is_held_is_not_captured_though_paypal_would(stage: PaypalStage) -> None:
    ref = hold(stage)
    before = len(stage.double.http.requests)

    refusal(InvalidState, lambda: stage.provider.capture(capture(ref, 10_001, "ship")))

    assert sent(stage, before) == ["lookup"]


def test_a_capture_under_review_is_pending_until_paypal_decides(stage: PaypalStage) -> None:
    ref = hold(stage)
    stage.books.captured_as[ref.reference] = "PENDING"

    result = stage.provider.capture(capture(ref, 10_000, "ship"))

    assert result.status is OperationStatus.PENDING
    seen = stage.provider.lookup(ref)
    assert (seen.state, seen.captured) == (PaymentState.PENDING, Money.zero("USD"))
    refusal(InvalidState, lambda: stage.provider.cancel(Cancel(ref, ORDER, "undo", "undo-key")))
    stage.settle(ref)
    assert stage.provider.lookup(ref).state is PaymentState.CAPTURED
    found = stage.provider.find_operation(ref, "ship")
    assert found is not None
    assert found.status is OperationStatus.DONE


def test_a_capture_that_is_declined_is_a_value_and_stays_one(stage: PaypalStage) -> None:
    ref = hold(stage)
    stage.books.captured_as[ref.reference] = "DECLINED"

    results = [stage.provider.capture(capture(ref, 10_000, "ship")) for _ in range(2)]

    assert [one.status for one in results] == [OperationStatus.REJECTED] * 2
    assert results[0].reason == "DECLINED"
    assert stage.provider.lookup(ref).captured == Money.zero("USD")


def test_a_capture_that_paypal_refuses_is_a_value_with_its_code(stage: PaypalStage) -> None:
    ref = hold(stage)
    body = b'{"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "INSTRUMENT_DECLINED"}]}'
    stage.plan(answers(422, body), "capture")

    result = stage.provider.capture(capture(ref, 10_000, "ship"))

    assert (result.status, result.reason) == (OperationStatus.REJECTED, "INSTRUMENT_DECLINED")


@pytest.mark.parametrize("issue", ["AUTHORIZATION_ALREADY_CAPTURED", "DUPLICATE_INVOICE_ID"])
def test_what_paypal_calls_done_already_is_looked_up(stage: PaypalStage, issue: str) -> None:
    """Another thread's call of the same operation was faster."""
    ref = hold(stage)
    body = b'{"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "%s"}]}' % issue.encode()
    stage.plan(answers(422, body, executed=True), "capture")

    result = stage.provider.capture(capture(ref, 10_000, "ship"))

    assert result.status is OperationStatus.DONE
    assert stage.effects(ref, "capture") == 1


def test_a_name_that_paypal_knows_but_does_not_show_leaves_the_outcome_unknown(
    stage: PaypalStage,
) -> None:
    ref = hold(stage)
    body = b'{"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "DUPLICATE_INVOICE_ID"}]}'
    stage.plan(answers(422, body), "capture")

    refusal(OutcomeUnknown, lambda: stage.provider.capture(capture(ref, 10_000, "ship")))


def test_two_payments_may_have_an_operation_of_one_name(stage: PaypalStage) -> None:
    refs = [hold(stage), hold(stage)]

    results = [stage.provider.capture(capture(ref, 10_000, "ship-1")) for ref in refs]

    assert [one.status for one in results] == [OperationStatus.DONE] * 2


# -- refunds ---------------------------------------------------------------------------------


def in_two_captures(stage: PaypalStage) -> PaymentRef:
    ref = hold(stage)
    stage.provider.capture(capture(ref, 4_000, "ship-1", final=False))
    stage.provider.capture(capture(ref, 6_000, "ship-2"))
    return ref


def test_a_refund_is_divided_over_the_captures(stage: PaypalStage) -> None:
    ref = in_two_captures(stage)

    result = stage.provider.refund(refund(ref, 9_000, "return"))

    assert result.status is OperationStatus.DONE
    assert stage.provider.lookup(ref).refunded == Money(9_000, "USD")
    refusal(InvalidState, lambda: stage.provider.refund(refund(ref, 1_001, "more")))
    assert stage.provider.refund(refund(ref, 1_000, "rest")).status is OperationStatus.DONE
    assert stage.provider.lookup(ref).refunded == TOTAL


@pytest.mark.parametrize("part", [0, 1])
def test_a_divided_refund_whose_answer_is_lost_is_completed_and_never_doubled(
    stage: PaypalStage, part: int
) -> None:
    ref = in_two_captures(stage)
    captures = stage.books.orders[ref.reference]["purchase_units"][0]["payments"]["captures"]
    path = f"/v2/payments/captures/{captures[part]['id']}/refund"
    stage.double.http.plan(LOST_ANSWER, lambda request: request.path == path)

    refusal(OutcomeUnknown, lambda: stage.provider.refund(refund(ref, 9_000, "return")))
    results = [stage.provider.refund(refund(ref, 9_000, "return")) for _ in range(2)]

    assert [one.status for one in results] == [OperationStatus.DONE] * 2
    assert stage.provider.lookup(ref).refunded == Money(9_000, "USD")
    assert stage.effects(ref, "refund") == 2


def test_a_refund_for_which_the_balance_is_too_small_waits(stage: PaypalStage) -> None:
    ref = in_two_captures(stage)
    issue = b'[{"issue": "REFUND_FAILED_INSUFFICIENT_FUNDS"}]'
    body = b'{"name": "UNPROCESSABLE_ENTITY", "details": %s}' % issue
    stage.plan(answers(422, body), "refund")

    refused = refusal(Exception, lambda: stage.provider.refund(refund(ref, 1_000, "return")))

    assert getattr(refused, "retryable", False)
    assert stage.provider.refund(refund(ref, 1_000, "return")).status is OperationStatus.DONE


def test_a_refund_that_paypal_forbids_is_a_value_with_its_code(stage: PaypalStage) -> None:
    ref = in_two_captures(stage)
    body = b'{"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "TRANSACTION_DISPUTED"}]}'
    stage.plan(answers(422, body), "refund")

    result = stage.provider.refund(refund(ref, 9_000, "return"))

    assert (result.status, result.reason) == (OperationStatus.REJECTED, "TRANSACTION_DISPUTED")
    assert stage.provider.lookup(ref).refunded == Money.zero("USD")
