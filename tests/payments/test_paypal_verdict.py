"""Every status and every code of PayPal's means one of the port's errors."""

import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.payments.paypal.states import AUTHORIZATION_STATES, ORDER_STATES
from oms_adapters.payments.paypal.verdict import (
    BY_ISSUE,
    BY_STATUS,
    RETRY_AFTER_MAX_S,
    ActionRequired,
    Declined,
    Lapsed,
    judge_answer,
    judge_failure,
)
from oms_core.errors import (
    CredentialsRejected,
    InProgress,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
)
from tests.support.shared_data import shared_json

NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)

CODES: dict[tuple[int, str], type[PaymentTrouble]] = {
    (409, "PREVIOUS_REQUEST_IN_PROGRESS"): InProgress,
    (422, "PREVIOUS_REQUEST_IN_PROGRESS"): InProgress,
    (422, "AUTHORIZATION_ALREADY_CAPTURED"): InvalidState,
    (422, "PREVIOUSLY_CAPTURED"): InvalidState,
    (422, "PREVIOUSLY_VOIDED"): InvalidState,
    (422, "AUTHORIZATION_VOIDED"): InvalidState,
    (422, "ORDER_ALREADY_AUTHORIZED"): InvalidState,
    (422, "ORDER_ALREADY_CAPTURED"): InvalidState,
    (422, "ORDER_ALREADY_COMPLETED"): InvalidState,
    (422, "CAPTURE_FULLY_REFUNDED"): InvalidState,
    (422, "REAUTHORIZATION_TOO_SOON"): InvalidState,
    (422, "ACTION_DOES_NOT_MATCH_INTENT"): InvalidState,
    (400, "INVALID_PATCH_OPERATION"): InvalidState,
    (422, "ORDER_NOT_APPROVED"): ActionRequired,
    (422, "PAYER_ACTION_REQUIRED"): ActionRequired,
    (422, "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING"): ActionRequired,
    (422, "INSTRUMENT_DECLINED"): Declined,
    (422, "TRANSACTION_REFUSED"): Declined,
    (422, "PAYER_CANNOT_PAY"): Declined,
    (422, "AUTHORIZATION_DENIED"): Declined,
    (422, "AUTHORIZATION_EXPIRED"): Lapsed,
    (422, "ORDER_EXPIRED"): Lapsed,
    (422, "PENDING_CAPTURE"): RetryableNotExecuted,
    (422, "REFUND_FAILED_INSUFFICIENT_FUNDS"): RetryableNotExecuted,
    (422, "DUPLICATE_INVOICE_ID"): InvalidRequest,
    (422, "DECIMALS_NOT_SUPPORTED"): InvalidRequest,
    (404, "INVALID_RESOURCE_ID"): PaymentNotFound,
    (403, "PERMISSION_DENIED"): CredentialsRejected,
    (401, "INVALID_ACCOUNT_STATUS"): CredentialsRejected,
    (422, "PAYEE_ACCOUNT_RESTRICTED"): CredentialsRejected,
    # What nobody knows may have happened, and so may what a failing server says.
    (422, "A_CODE_FROM_THE_FUTURE"): OutcomeUnknown,
    (409, "A_CODE_FROM_THE_FUTURE"): OutcomeUnknown,
    (500, "INSTRUMENT_DECLINED"): OutcomeUnknown,
    (429, "INSTRUMENT_DECLINED"): RetryableNotExecuted,
    (401, "INSTRUMENT_DECLINED"): CredentialsRejected,
}

STATUSES: dict[int, type[PaymentTrouble]] = {
    300: OutcomeUnknown,
    302: OutcomeUnknown,
    400: InvalidRequest,
    401: CredentialsRejected,
    403: CredentialsRejected,
    404: PaymentNotFound,
    405: InvalidRequest,
    406: InvalidRequest,
    408: OutcomeUnknown,
    409: OutcomeUnknown,
    413: InvalidRequest,
    415: InvalidRequest,
    422: OutcomeUnknown,
    429: RetryableNotExecuted,
    500: OutcomeUnknown,
    502: OutcomeUnknown,
    503: OutcomeUnknown,
    504: OutcomeUnknown,
    599: OutcomeUnknown,
}


def error(issue: str, name: str = "UNPROCESSABLE_ENTITY") -> dict[str, object]:
    return {"name": name, "details": [{"issue": issue}]}


@pytest.mark.parametrize(("code", "kind"), CODES.items(), ids=str)
def test_a_code_means_one_error_and_is_its_reason(
    code: tuple[int, str], kind: type[PaymentTrouble]
) -> None:
    status, issue = code

    judged = judge_answer(status, {}, error(issue))

    assert type(judged) is kind
    assert judged.reason == issue


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
@pytest.mark.parametrize("body", [{"name": "NEW_NAME"}, {"error": "NEW_NAME", "details": [None]}])
def test_a_status_means_one_error_where_paypals_word_is_not_known(
    status: int, kind: type[PaymentTrouble], body: object
) -> None:
    judged = judge_answer(status, {}, body)

    assert type(judged) is kind
    assert judged.reason == "NEW_NAME"


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
@pytest.mark.parametrize("body", [None, [], "text", {}, {"details": [None]}, {"name": ["x"]}])
def test_a_refusal_in_nobodys_words_counts_only_at_the_door(
    status: int, kind: type[PaymentTrouble], body: object
) -> None:
    """The 404 of a gateway that is being deployed does not make a payment unknown."""
    judged = judge_answer(status, {}, body)

    assert type(judged) is (kind if status in {401, 403, 429} else OutcomeUnknown)
    assert judged.reason == f"http_{status}"


def test_the_table_of_statuses_is_tested_whole() -> None:
    assert BY_STATUS
    assert set(BY_STATUS) <= set(STATUSES)
    assert dict(BY_STATUS) == {
        status: kind for status, kind in STATUSES.items() if kind is not OutcomeUnknown
    }


def test_the_codes_of_all_calls_that_we_make_are_known() -> None:
    """As PayPal's own document lists them."""
    schemas = shared_json("specs/paypal-combined.json")["components"]["schemas"]
    names = [
        name
        for name in schemas
        if name.startswith(("pay_4", "pay_authorizations", "pay_captures", "ord_orders.authorize"))
    ]
    listed = {issue for name in names for issue in issues_in(schemas[name])}

    unknown = listed - set(BY_ISSUE)

    assert len(listed) > 60
    assert unknown == set()


def issues_in(schema: object) -> set[str]:
    if isinstance(schema, list):
        return {issue for one in schema for issue in issues_in(one)}
    if not isinstance(schema, dict):
        return set()
    issue = schema.get("issue")
    own = set(issue.get("enum", ())) if isinstance(issue, dict) else set()
    return own | {issue for one in schema.values() for issue in issues_in(one)}


def test_the_statuses_of_orders_and_authorizations_are_known() -> None:
    schemas = shared_json("specs/paypal-combined.json")["components"]["schemas"]
    orders = set(schemas["ord_order_status"]["enum"])
    authorizations = set(schemas["ord_authorization_status"]["properties"]["status"]["enum"])

    # An order that is COMPLETED is judged by what it holds; PENDING is what all others are.
    assert orders == set(ORDER_STATES) | {"COMPLETED"}
    assert authorizations == set(AUTHORIZATION_STATES) | {"PENDING"}


def test_free_text_never_becomes_a_reason() -> None:
    """It may hold what a person typed, and reasons end up in logs."""
    for text in ("a name, and an address", "x" * 101, "é", "A\nB", ""):
        judged = judge_answer(422, {}, error(text, name=text))

        assert judged.reason == "http_422"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOW - timedelta(seconds=30), usegmt=True), 0.0),
        ("9" * 50, RETRY_AFTER_MAX_S),
        ("soon", None),
        ("-1", None),
        ("\u0667", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_moment(header: str, seconds: float | None) -> None:
    assert judge_answer(429, {"Retry-After": header}, None, now=NOW).retry_after_s == seconds


@given(
    st.integers(100, 999),
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
)
def test_there_is_no_answer_without_a_verdict(status: int, header: str, body: object) -> None:
    bodies = (body, {"details": body}, {"details": [body]}, {"name": body, "error": body})

    judged = [judge_answer(status, {"Retry-After": header}, one) for one in bodies]

    assert all(isinstance(one, PaymentTrouble) for one in judged)


@pytest.mark.parametrize(
    "failure",
    [requests.RequestException, requests.ConnectionError, requests.exceptions.ChunkedEncodingError],
)
def test_a_failure_without_a_cause_leaves_the_outcome_unknown(
    failure: type[requests.RequestException],
) -> None:
    assert type(judge_failure(failure())) is OutcomeUnknown
    assert type(judge_failure(failure("text"))) is OutcomeUnknown


def test_a_connection_that_was_never_made_executed_nothing() -> None:
    assert type(judge_failure(requests.ConnectTimeout())) is RetryableNotExecuted


def test_what_is_told_survives_a_journey_between_processes() -> None:
    judged = judge_answer(422, {"Retry-After": "7"}, error("INSTRUMENT_DECLINED"))

    copy = pickle.loads(pickle.dumps(judged))  # noqa: S301 - our own bytes

    assert (type(copy), copy.reason, copy.retry_after_s) == (Declined, "INSTRUMENT_DECLINED", 7.0)
