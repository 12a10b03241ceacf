"""Whatever becomes of an answer of PayPal's, money moves once, and under the same key."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    CredentialsRejected,
    InProgress,
    OutcomeUnknown,
    PaymentTrouble,
    RetryableNotExecuted,
)
from oms_core.ports.payments import Authorize, Cancel, Capture, PaymentRef, Reauthorize, Refund
from oms_core.testing import SimulatedClock
from oms_core.testing.refusal import refusal
from tests.support.http_faults import (
    BROKEN_OFF,
    CUT_JSON,
    LATE_ANSWER,
    LATE_BEFORE,
    LOST_ANSWER,
    LOST_BEFORE,
    HttpFault,
    answers,
    html,
)
from tests.support.paypal_stage import PaypalStage, operation_of

ORDER = UUID("5a0d3a52-0c61-4a36-9a35-4d2a2f6f8b11")
TOTAL = Money(10_000, "USD")
KEY = "one-key-for-one-operation"
TRIES_MAX = 5

IN_PROGRESS = (
    b'{"name": "RESOURCE_CONFLICT", "details": [{"issue": "PREVIOUS_REQUEST_IN_PROGRESS"}]}'
)
FAULTS: list[tuple[HttpFault, type[PaymentTrouble] | None]] = [
    (LOST_BEFORE, OutcomeUnknown),
    (LOST_ANSWER, OutcomeUnknown),
    (LATE_BEFORE, OutcomeUnknown),
    (LATE_ANSWER, OutcomeUnknown),
    (CUT_JSON, OutcomeUnknown),
    (BROKEN_OFF, OutcomeUnknown),
    (answers(500), OutcomeUnknown),
    (answers(500, executed=True), OutcomeUnknown),
    (answers(503, headers={"Retry-After": "3"}), OutcomeUnknown),
    (answers(504, executed=True), OutcomeUnknown),
    (answers(200, b""), OutcomeUnknown),
    (answers(201, b"[]", executed=True), OutcomeUnknown),
    (html(200), OutcomeUnknown),
    (html(502), OutcomeUnknown),
    (html(502, executed=False), OutcomeUnknown),
    (answers(302, b"", {"Location": "https://elsewhere.example/"}), OutcomeUnknown),
    (answers(408), OutcomeUnknown),
    (answers(418), OutcomeUnknown),
    (html(404, executed=False), OutcomeUnknown),
    (html(400, executed=True), OutcomeUnknown),
    (answers(429, headers={"Retry-After": "3"}), RetryableNotExecuted),
    (answers(409, IN_PROGRESS), InProgress),
    (answers(401), None),
    (answers(403), CredentialsRejected),
]
"""What each is told as, the first time. A 401 is answered within the call, by a new token."""

EACH = pytest.mark.parametrize(("fault", "told"), FAULTS, ids=[fault.name for fault, _ in FAULTS])
EACH_OF_A_CHANGE = pytest.mark.parametrize(
    ("fault", "told"),
    [(fault, told) for fault, told in FAULTS if fault not in (CUT_JSON, BROKEN_OFF)],
    ids=[fault.name for fault, _ in FAULTS if fault not in (CUT_JSON, BROKEN_OFF)],
)
"""A changed order is answered with 204: no body is there to be cut."""

OPERATIONS = ("authorize", "capture", "cancel", "reauthorize", "refund")


@pytest.fixture
def stage() -> Iterator[PaypalStage]:
    stage = PaypalStage(SimulatedClock())
    yield stage
    stage.close()


def prepared(stage: PaypalStage, operation: str) -> tuple[PaymentRef, Callable[[], object]]:
    """Bring a payment to where *operation* is next, and return the call of it."""
    ref = stage.a_confirmable_payment(TOTAL)
    hold = Authorize(ref, TOTAL, ORDER, KEY)
    take = Capture(ref, TOTAL, "ship", KEY)
    if operation != "authorize":
        stage.provider.authorize(hold)
    if operation == "refund":
        stage.provider.capture(take)
    if operation == "reauthorize":
        stage.time_to_reauthorize(ref)
    calls: dict[str, Callable[[], object]] = {
        "authorize": lambda: stage.provider.authorize(hold),
        "capture": lambda: stage.provider.capture(take),
        "cancel": lambda: stage.provider.cancel(Cancel(ref, ORDER, "undo", KEY)),
        "reauthorize": lambda: stage.provider.reauthorize(
            Reauthorize(ref, TOTAL, ORDER, "renew", KEY)
        ),
        "refund": lambda: stage.provider.refund(Refund(ref, TOTAL, "return", KEY)),
    }
    return ref, calls[operation]


def until_it_succeeds(call: Callable[[], object]) -> list[type[PaymentTrouble]]:
    """Repeat as the core does, and tell which trouble there was."""
    troubles: list[type[PaymentTrouble]] = []
    for _ in range(TRIES_MAX):
        try:
            call()
        except PaymentTrouble as trouble:
            troubles.append(type(trouble))
        else:
            return troubles
    raise AssertionError(f"still {troubles} after {TRIES_MAX} tries")


@EACH
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_has_one_effect_under_one_key(
    stage: PaypalStage, operation: str, fault: HttpFault, told: type[PaymentTrouble] | None
) -> None:
    ref, call = prepared(stage, operation)
    stage.plan(fault, operation)

    troubles = until_it_succeeds(call)

    assert troubles == ([] if told is None else [told])
    assert stage.effects(ref, operation) == 1
    sent = [one for one in stage.double.http.requests if operation_of(one) == operation]
    assert {one.headers["paypal-request-id"] for one in sent} == {KEY}
    assert len({(one.path, one.body) for one in sent}) == 1


@EACH_OF_A_CHANGE
def test_a_mark_moves_no_money_so_it_was_never_executed(
    stage: PaypalStage, fault: HttpFault, told: type[PaymentTrouble] | None
) -> None:
    ref, call = prepared(stage, "authorize")
    stage.plan(fault, "claim")

    troubles = until_it_succeeds(call)

    expected = RetryableNotExecuted if told is OutcomeUnknown else told
    assert troubles == ([] if expected is None else [expected])
    assert stage.effects(ref, "authorize") == 1
    assert len(set(stage.double.keys("/authorize"))) == 1


@EACH
@pytest.mark.parametrize("step", ["lookup", "token"])
def test_what_moves_no_money_was_never_executed_whatever_its_answer(
    stage: PaypalStage, step: str, fault: HttpFault, told: type[PaymentTrouble] | None
) -> None:
    ref, call = prepared(stage, "authorize")
    stage.plan(fault, step)

    troubles = until_it_succeeds(call)

    expected = RetryableNotExecuted if told is OutcomeUnknown else told
    if step == "token":
        refused = fault.answer is not None and fault.answer.status in {401, 403}
        expected = CredentialsRejected if refused else RetryableNotExecuted
    assert troubles == ([] if expected is None else [expected])
    assert stage.effects(ref, "authorize") == 1
    assert len(set(stage.double.keys("/authorize"))) == 1


@EACH_OF_A_CHANGE
def test_an_order_that_is_given_up_before_the_hold_stays_given_up(
    stage: PaypalStage, fault: HttpFault, told: type[PaymentTrouble] | None
) -> None:
    ref, authorize = prepared(stage, "authorize")
    stage.plan(fault, "cancel")

    troubles = until_it_succeeds(lambda: stage.provider.cancel(Cancel(ref, ORDER, "undo", KEY)))

    authorize()
    assert troubles == ([] if told is None else [told])
    assert stage.effects(ref, "authorize") == 0
    assert stage.provider.lookup(ref).state is PaymentState.CANCELLED


@pytest.mark.parametrize("operation", ["authorize", "cancel", "reauthorize"])
def test_an_answer_that_leaves_everything_out_is_made_up_for_by_a_look(
    stage: PaypalStage, operation: str
) -> None:
    ref, call = prepared(stage, operation)
    stage.plan(answers(201, b"{}", executed=True), operation)

    assert until_it_succeeds(call) == []

    assert stage.effects(ref, operation) == 1


def test_the_time_to_wait_is_passed_on(stage: PaypalStage) -> None:
    _, call = prepared(stage, "authorize")
    stage.plan(answers(429, headers={"Retry-After": "7"}), "authorize")

    refused = refusal(RetryableNotExecuted, call)

    assert refused.retry_after_s == 7.0


def test_where_nobody_listens_nothing_was_executed(stage: PaypalStage) -> None:
    _, call = prepared(stage, "authorize")
    stage.close()

    refused = refusal(RetryableNotExecuted, call)

    assert refused.reason in {"cannot_connect", "connection_lost"}


def test_a_second_call_while_the_first_runs_is_in_progress(stage: PaypalStage) -> None:
    ref, call = prepared(stage, "capture")
    seen: list[PaymentTrouble] = []

    def call_again(_: object) -> None:
        stage.double.while_running = lambda _: None
        seen.append(refusal(InProgress, call))

    stage.double.while_running = call_again

    until_it_succeeds(call)

    assert [one.reason for one in seen] == ["PREVIOUS_REQUEST_IN_PROGRESS"]
    assert stage.effects(ref, "capture") == 1


def test_a_redirect_is_not_followed(stage: PaypalStage) -> None:
    """It would carry the token to wherever it points."""
    _, call = prepared(stage, "authorize")
    elsewhere = f"{stage.double.http.url}/elsewhere"
    stage.plan(answers(307, b"", {"Location": elsewhere}), "authorize")

    refusal(OutcomeUnknown, call)

    assert "/elsewhere" not in {one.path for one in stage.double.http.requests}
