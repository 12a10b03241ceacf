"""Every error of the SDK, every status and every broken answer has its place in the port."""

import json
import socket
from uuid import uuid4

import Adyen.exceptions
import pytest
import requests.exceptions

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.payments.adyen import AdyenPayments
from oms_adapters.payments.adyen.verdict import BY_CODE, BY_STATUS, verdict
from oms_core.domain.money import Money
from oms_core.errors import (
    CredentialsRejected,
    InProgress,
    InvalidRequest,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
)
from oms_core.ports.clock import SystemClock
from oms_core.ports.payments import Cancel
from oms_core.testing import SimulatedClock, refusal
from tests.support.adyen_stage import NAME, AdyenStage, an_account
from tests.support.http_faults import HttpFault, answers, html

ANSWERS: dict[tuple[int, str | None, bool], type[PaymentTrouble]] = {
    # status, error code, transient-error
    (400, None, False): InvalidRequest,
    (400, "702", False): InvalidRequest,
    (401, "000", False): CredentialsRejected,
    (401, None, False): CredentialsRejected,
    (403, "901", False): CredentialsRejected,
    (403, "010", False): CredentialsRejected,
    (403, None, False): CredentialsRejected,
    (404, None, False): InvalidRequest,
    (405, None, False): InvalidRequest,
    (408, None, False): OutcomeUnknown,
    (409, "704", False): InProgress,
    (409, None, False): InProgress,
    (410, None, False): OutcomeUnknown,
    (413, None, False): InvalidRequest,
    (415, None, False): InvalidRequest,
    (418, None, False): OutcomeUnknown,
    (422, None, False): InvalidRequest,
    (422, "101", False): InvalidRequest,
    (422, "130", False): InvalidRequest,
    (422, "137", False): InvalidRequest,
    (422, "14_012", False): InvalidRequest,
    (422, "14_018", False): InvalidRequest,
    (422, "167", False): PaymentNotFound,
    (422, "704", False): InProgress,
    (422, None, True): RetryableNotExecuted,
    (429, None, False): RetryableNotExecuted,
    (500, "905", False): OutcomeUnknown,
    (500, None, False): OutcomeUnknown,
    (500, None, True): RetryableNotExecuted,
    (502, None, False): OutcomeUnknown,
    (503, "703", False): RetryableNotExecuted,
    (503, None, False): OutcomeUnknown,
    (503, None, True): RetryableNotExecuted,
    (504, None, False): OutcomeUnknown,
    (301, None, False): OutcomeUnknown,
    (302, None, False): OutcomeUnknown,
    (304, None, False): OutcomeUnknown,
}

OTHER_ERRORS: dict[Exception, type[PaymentTrouble]] = {
    requests.exceptions.ConnectTimeout(): RetryableNotExecuted,
    requests.exceptions.ReadTimeout(): OutcomeUnknown,
    requests.exceptions.ConnectionError("Connection aborted."): OutcomeUnknown,
    requests.exceptions.ConnectionError(): OutcomeUnknown,
    requests.exceptions.SSLError(): OutcomeUnknown,
    requests.exceptions.ProxyError(): OutcomeUnknown,
    requests.exceptions.ChunkedEncodingError(): OutcomeUnknown,
    requests.exceptions.ContentDecodingError(): OutcomeUnknown,
    requests.exceptions.InvalidURL(): InvalidRequest,
    requests.exceptions.MissingSchema(): InvalidRequest,
    requests.exceptions.InvalidHeader(): InvalidRequest,
    AttributeError("'list' object has no attribute 'get'"): OutcomeUnknown,
    RecursionError(): OutcomeUnknown,
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "?"): OutcomeUnknown,
    ValueError("something new"): OutcomeUnknown,
    Adyen.exceptions.AdyenError("no status"): OutcomeUnknown,
    Adyen.exceptions.AdyenInvalidRequestError("no status"): OutcomeUnknown,
}


@pytest.mark.parametrize(("status", "code", "is_transient"), ANSWERS)
def test_an_answer_means_what_its_status_and_code_say(
    status: int,
    code: str | None,
    is_transient: bool,  # noqa: FBT001 - a column of the table
) -> None:
    document = {"status": status, "message": "no", "errorType": "x"}
    body = json.dumps(document | ({"errorCode": code} if code else {})).encode()
    headers = {"transient-error": "true"} if is_transient else {}

    trouble = _trouble(answers(status, body, headers))

    assert type(trouble) is ANSWERS[status, code, is_transient]
    assert trouble.reason == f"http_{status}" + (f"_{code}" if code else "")


def test_every_code_and_status_of_the_tables_has_a_row() -> None:
    statuses = {status for status, code, is_transient in ANSWERS if not code and not is_transient}
    codes = {code for _, code, _ in ANSWERS}

    assert BY_STATUS
    assert BY_CODE
    assert set(BY_STATUS) <= statuses
    assert set(BY_CODE) <= codes


@pytest.mark.parametrize("error", OTHER_ERRORS, ids=repr)
def test_an_error_that_is_no_answer_means_what_can_be_known_of_it(error: Exception) -> None:
    assert type(verdict(error)) is OTHER_ERRORS[error]


def test_every_error_class_of_the_sdk_has_a_verdict_and_shows_nothing_of_the_request() -> None:
    def classes_of(base: type[Exception]) -> set[type[Exception]]:
        return {base}.union(*(classes_of(one) for one in base.__subclasses__()))

    known = classes_of(Adyen.exceptions.AdyenError)

    assert len(known) > 5
    for kind in known:
        trouble = verdict(
            kind("secret", "secret", "secret", "secret", "secret", {"x": "secret"}, 422, "secret!")
        )
        assert type(trouble) is InvalidRequest
        assert "secret" not in str(trouble)


@pytest.mark.parametrize(
    "fault",
    [
        answers(200, b"", executed=True),
        answers(201, b"{}", executed=True),
        answers(201, b"[]", executed=True),
        answers(201, b'["received"]', executed=True),
        answers(201, b"null", executed=True),
        answers(201, b"5", executed=True),
        answers(201, b'{"status": "received"}', executed=True),
        answers(201, b'{"status": "queued"}', executed=True),
        answers(201, b'{"status": "received", "paymentPspReference"', executed=True),
        answers(201, b"[" * 100_000, executed=True),
        answers(201, b"\xff\xfe", executed=True),
        answers(202, b"{}", executed=True),
        answers(204, b"", executed=True),
        html(200),
        html(201),
        html(502),
    ],
    ids=lambda fault: f"{fault.name}-{fault.answer.body[:20]}",
)
def test_a_broken_answer_of_success_leaves_the_outcome_unknown(fault: HttpFault) -> None:
    assert type(_trouble(fault)) is OutcomeUnknown


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "queued"},
        {"status": None},
        {"paymentPspReference": "ANOTHERPAYMENT82"},
        {"pspReference": None},
        {"pspReference": "../somewhere"},
    ],
    ids=str,
)
def test_an_answer_that_is_not_about_this_request_leaves_the_outcome_unknown(
    wrong: dict[str, object],
) -> None:
    stage = AdyenStage(SimulatedClock())
    try:
        ref = stage.a_pending_payment(Money(10_000, "USD"))
        good = {
            "status": "received",
            "paymentPspReference": ref.reference,
            "pspReference": "QFQTPCQ8HXSKGK82",
        }
        command = Cancel(ref, uuid4(), "undo-1", "key-1")
        stage.plan(answers(201, json.dumps(good | wrong).encode()), "cancel")
        stage.plan(answers(201, json.dumps(good).encode()), "cancel")

        trouble = refusal(PaymentTrouble, lambda: stage.provider.cancel(command))

        assert type(trouble) is OutcomeUnknown
        assert stage.provider.cancel(command).operation_ref == "QFQTPCQ8HXSKGK82"
    finally:
        stage.close()


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Wed, 25 Nov 2026 18:00:00 GMT", None),
        ("-1", None),
        ("", None),
        ("1e9", None),
        ("999999999", None),
    ],
)
def test_how_long_to_wait_is_told_if_it_is_a_number_of_seconds(
    sent: str, read: float | None
) -> None:
    trouble = _trouble(answers(429, headers={"Retry-After": sent}))

    assert type(trouble) is RetryableNotExecuted
    assert trouble.retry_after_s == read


def test_a_refused_connection_was_never_made_so_nothing_happened() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert type(_asked_at(f"http://127.0.0.1:{port}/v72")) is RetryableNotExecuted


def test_a_host_that_nobody_knows_was_never_reached() -> None:
    assert type(_asked_at("http://adyen.invalid/v72")) is RetryableNotExecuted


def test_a_redirect_is_not_followed() -> None:
    """It would carry the API key, and a capture as a GET, to wherever the answer points."""
    stage = AdyenStage(SimulatedClock())
    try:
        elsewhere = f"{stage.double.server.url}/elsewhere"
        fault = answers(302, headers={"Location": elsewhere})

        trouble = _cancelled(stage, fault)

        assert type(trouble) is OutcomeUnknown
        assert [r.path.endswith("/cancels") for r in stage.double.server.requests] == [True]
    finally:
        stage.close()


def _trouble(fault: HttpFault) -> PaymentTrouble:
    stage = AdyenStage(SimulatedClock())
    try:
        return _cancelled(stage, fault)
    finally:
        stage.close()


def _cancelled(stage: AdyenStage, fault: HttpFault) -> PaymentTrouble:
    ref = stage.a_pending_payment(Money(10_000, "USD"))
    stage.plan(fault, "cancel")
    return refusal(
        PaymentTrouble, lambda: stage.provider.cancel(Cancel(ref, uuid4(), "undo-1", "key-1"))
    )


def _asked_at(base_url: str) -> PaymentTrouble:
    stage = AdyenStage(SimulatedClock())
    stage.close()
    account = an_account(stage.double, base_url=base_url)
    payments = AdyenPayments(account, MemoryInbox(), SystemClock(), NAME)
    return refusal(PaymentTrouble, payments.probe)
