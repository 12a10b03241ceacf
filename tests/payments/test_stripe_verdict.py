"""What each error of Stripe's means, row by row, and that no error is without a meaning."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
import requests
import stripe
import urllib3
from stripe import _error, oauth_error
from urllib3.connection import HTTPConnection

from oms_adapters.payments.stripe import StripePayments
from oms_adapters.payments.stripe.verdict import INVALID_STATE_CODES, KINDS, judge
from oms_core.domain.money import Money
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InProgress,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
)
from oms_core.ports.payments import Authorize, PaymentRef
from oms_core.testing import SimulatedClock
from tests.support.http_faults import answers, html
from tests.support.stripe_double import StripeStage
from tests.support.stripe_double.sdk_words import sdk_words

ANSWERS: list[tuple[int, dict[str, Any] | str | None, type[PaymentTrouble], str]] = [
    (400, {"code": "parameter_missing"}, InvalidRequest, "parameter_missing"),
    (400, {}, InvalidRequest, "invalid_request_error"),
    (400, {"code": "a_code_of_the_future"}, InvalidRequest, "a_code_of_the_future"),
    (400, {"code": "rate_limit"}, RetryableNotExecuted, "rate_limit"),
    (
        400,
        {"code": "payment_intent_rate_limit_exceeded"},
        RetryableNotExecuted,
        "payment_intent_rate_limit_exceeded",
    ),
    (400, {"code": "lock_timeout"}, InProgress, "lock_timeout"),
    (400, {"type": "idempotency_error"}, IdempotencyMismatch, "idempotency_error"),
    (400, None, OutcomeUnknown, "http_400"),
    (401, {}, CredentialsRejected, "invalid_request_error"),
    (401, {"code": "api_key_expired"}, CredentialsRejected, "api_key_expired"),
    (401, "invalid_client", CredentialsRejected, "http_401"),
    (402, {"type": "card_error", "code": "card_declined"}, InvalidState, "card_declined"),
    (
        402,
        {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"},
        InvalidState,
        "lost_card",
    ),
    (402, None, OutcomeUnknown, "http_402"),
    (403, {}, CredentialsRejected, "invalid_request_error"),
    (403, None, CredentialsRejected, "http_403"),
    (404, {"code": "resource_missing"}, PaymentNotFound, "resource_missing"),
    (404, {}, OutcomeUnknown, "invalid_request_error"),
    (404, None, OutcomeUnknown, "http_404"),
    (
        409,
        {"code": "idempotency_key_in_use", "type": "idempotency_error"},
        InProgress,
        "idempotency_key_in_use",
    ),
    (409, None, InProgress, "http_409"),
    (424, {"type": "api_error"}, OutcomeUnknown, "api_error"),
    (429, {"code": "rate_limit"}, RetryableNotExecuted, "rate_limit"),
    (429, {"code": "lock_timeout"}, InProgress, "lock_timeout"),
    (429, None, RetryableNotExecuted, "http_429"),
    (500, {"type": "api_error"}, OutcomeUnknown, "api_error"),
    (500, None, OutcomeUnknown, "http_500"),
    (502, None, OutcomeUnknown, "http_502"),
    (503, None, OutcomeUnknown, "http_503"),
    (504, None, OutcomeUnknown, "http_504"),
    (302, None, OutcomeUnknown, "http_302"),
    *((400, {"code": code}, InvalidState, code) for code in sorted(INVALID_STATE_CODES)),
]


@pytest.fixture
def stage() -> Iterator[StripeStage]:
    stage = StripeStage(SimulatedClock())
    yield stage
    stage.close()


@pytest.mark.parametrize(("status", "said", "trouble", "reason"), ANSWERS)
def test_every_answer_has_its_meaning(
    stage: StripeStage,
    status: int,
    said: dict[str, Any] | str | None,
    trouble: type[PaymentTrouble],
    reason: str,
) -> None:
    """Through the SDK and a socket: what the SDK makes of an answer is part of the question."""
    if said is None:
        fault = html(status, executed=False)
    else:
        error = (
            {"type": "invalid_request_error", "message": "No.", **said}
            if isinstance(said, dict)
            else said
        )
        fault = answers(status, json.dumps({"error": error}).encode())
    stage.double.server.plan(fault)

    with pytest.raises(PaymentTrouble) as raised:
        stage.provider.probe()

    assert (type(raised.value), raised.value.reason) == (trouble, reason)


@pytest.mark.parametrize(
    ("status", "said", "way_out"),
    [
        (400, {"param": "payment_details"}, True),
        (400, {"param": "payment_details[order_reference]"}, True),
        (400, {"param": "payment_details[order_reference]", "code": "parameter_unknown"}, True),
        (400, {"param": "payment_details_of_another_kind"}, False),
        (400, {"param": "return_url"}, False),
        (400, {"param": ["payment_details"]}, False),
        (400, {}, False),
        (400, {"param": "payment_details", "code": "payment_intent_unexpected_state"}, False),
        (400, {"param": "payment_details", "type": "idempotency_error"}, False),
        (402, {"param": "payment_details", "code": "card_declined"}, False),
        (403, {"param": "payment_details"}, False),
        (500, {"param": "payment_details"}, False),
    ],
)
def test_only_where_stripe_refuses_the_reference_itself_is_it_left_out(
    stage: StripeStage, status: int, said: dict[str, Any], *, way_out: bool
) -> None:
    """After anything else a confirm without it might be a second one."""
    ref = stage.a_confirmable_payment(Money(1_000, "USD"))
    error = {"type": "invalid_request_error", "message": "No.", **said}
    stage.plan(answers(status, json.dumps({"error": error}).encode()), ref, "authorize")

    with suppress(PaymentTrouble):
        stage.provider.authorize(Authorize(ref, Money(1_000, "USD"), uuid4(), "key"))

    confirms = [key for one, key in stage.double.operations(ref.reference) if one == "authorize"]
    assert len(confirms) == 1 + way_out
    assert stage.effects(ref, "authorize") == int(way_out)


def test_the_table_above_has_a_row_for_every_line_of_the_adapters() -> None:
    rows = {
        (status, said.get("code", "")) if isinstance(said, dict) else (status, "")
        for status, said, *_ in ANSWERS
    }

    assert KINDS
    assert set(KINDS) <= rows


def test_every_code_that_is_named_is_one_of_the_sdks() -> None:
    """A code with a typing mistake in it would never be met, and nobody would notice."""
    known = sdk_words(stripe.PaymentIntent.LastPaymentError, "code")

    named = {code for _, code in KINDS if code}

    assert len(known) > 100
    assert named - known == set()


# -- classes ---------------------------------------------------------------------------------

CLASSES = {
    one
    for module in (_error, oauth_error)
    for _, one in inspect.getmembers(module, inspect.isclass)
    if issubclass(one, stripe.StripeError)
}
NAMES = {one.__name__ for one in CLASSES}
STATUSES = {
    400: InvalidRequest,
    401: CredentialsRejected,
    402: InvalidState,
    403: CredentialsRejected,
    404: OutcomeUnknown,
    409: InProgress,
    429: RetryableNotExecuted,
    500: OutcomeUnknown,
    None: OutcomeUnknown,
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("cls", sorted(CLASSES, key=str))
def test_every_class_of_error_that_the_sdk_has_is_judged_by_its_status(
    cls: type[stripe.StripeError], status: int | None
) -> None:
    error = cls.__new__(cls)
    stripe.StripeError.__init__(
        error, "said", http_status=status, json_body={"error": {"type": "api_error"}}
    )

    trouble = judge(error).trouble

    expected = OutcomeUnknown if cls is stripe.APIConnectionError else STATUSES[status]
    assert type(trouble) is expected


def test_the_sdk_has_the_classes_that_were_looked_at() -> None:
    """A class that is new may carry a meaning that no status tells."""
    assert {
        "APIConnectionError",
        "APIError",
        "AlreadyCanceledError",
        "AuthenticationError",
        "BlockedByStripeError",
        "CannotProceedError",
        "CapabilityNotEnabledError",
        "CardError",
        "ControlledByAlternateResourceError",
        "FeatureNotEnabledError",
        "FinancialAccountNotOpenError",
        "FxQuoteNeedsRefreshError",
        "IdempotencyError",
        "InsufficientFundsError",
        "InvalidClientError",
        "InvalidGrantError",
        "InvalidPaymentMethodError",
        "InvalidPayoutMethodError",
        "InvalidRequestError",
        "InvalidScopeError",
        "InvalidVaultedCredentialError",
        "NotCancelableError",
        "OAuthError",
        "PermissionError",
        "QuotaExceededError",
        "RateLimitError",
        "RecipientNotNotifiableError",
        "SignatureVerificationError",
        "StripeError",
        "StripeErrorWithParamCode",
        "TemporarySessionExpiredError",
        "UnsupportedGrantTypeError",
        "UnsupportedResponseTypeError",
        "VerificationAttemptFailedError",
        "VerificationExpiredError",
        "VerificationNotInitiatedError",
    } == NAMES


def connection_error(cause: BaseException | None) -> stripe.APIConnectionError:
    """Make the error as the SDK makes it of one of its HTTP client's."""
    error = stripe.APIConnectionError("said")  # type: ignore[no-untyped-call]  # the SDK's
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ValueError("said"),
        KeyError("said"),
        RecursionError(),
        AttributeError("'list' object has no attribute 'to_dict'"),
        stripe.StripeError("said", json_body="text"),
        stripe.StripeError("said", json_body={"error": ["a", "list"]}),
        stripe.StripeError("said", http_status=400, json_body={"error": {"code": ["a", "list"]}}),
        connection_error(None),
    ],
)
def test_nothing_that_is_raised_is_without_a_meaning(error: Exception) -> None:
    trouble = judge(error).trouble

    assert isinstance(trouble, OutcomeUnknown | InvalidRequest)
    assert trouble.reason
    assert "said" not in trouble.reason


# -- the network -----------------------------------------------------------------------------

_POOL = urllib3.HTTPConnectionPool("127.0.0.1")
_REFUSED = urllib3.exceptions.NewConnectionError(HTTPConnection("a"), "refused")


@pytest.mark.parametrize(
    ("cause", "trouble"),
    [
        (requests.exceptions.ConnectTimeout(), RetryableNotExecuted),
        (
            requests.exceptions.ConnectionError(
                urllib3.exceptions.MaxRetryError(_POOL, "/", _REFUSED)
            ),
            RetryableNotExecuted,
        ),
        (requests.exceptions.ReadTimeout(), OutcomeUnknown),
        (requests.exceptions.ConnectionError(), OutcomeUnknown),
        (requests.exceptions.ConnectionError("aborted"), OutcomeUnknown),
        (requests.exceptions.SSLError(), OutcomeUnknown),
        (requests.exceptions.ProxyError(), OutcomeUnknown),
        (requests.exceptions.ChunkedEncodingError(), OutcomeUnknown),
        (requests.exceptions.TooManyRedirects(), OutcomeUnknown),
        (ValueError(), OutcomeUnknown),
        (None, OutcomeUnknown),
    ],
)
def test_only_what_never_left_was_not_executed(
    cause: Exception | None, trouble: type[PaymentTrouble]
) -> None:
    assert type(judge(connection_error(cause)).trouble) is trouble


# -- what is repeated ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    ["4242424242424242", "card_4242424242424242", "Jenny Rosen", "sk_test_ABC", "x" * 65, "", 5],
)
def test_a_code_that_looks_like_no_code_is_not_repeated(code: object) -> None:
    said = {"error": {"type": "card_error", "code": code, "decline_code": code}}
    error = stripe.StripeError("said", http_status=402, json_body=said)

    assert judge(error).trouble.reason == "card_error"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("999999999", 86_400.0), ("-1", None), ("soon", None), ("٣", None)],
)
def test_retry_after_is_read_if_it_is_a_number_of_seconds(
    header: str, seconds: float | None
) -> None:
    error = stripe.StripeError("said", http_status=429, headers={"Retry-After": header})

    assert judge(error).trouble.retry_after_s == seconds


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "pi_",
        "pi_1_secret_abc",
        "pi_1/../../refunds",
        "pi_1?expand[0]=customer",
        "ch_1",
        "cs_test_1",
        "pi_é",
        "pi_1\n",
        "pi_" + "1" * 1_000,
    ],
)
def test_what_cannot_be_a_payment_intents_id_is_not_found_without_asking(
    stage: StripeStage, reference: str
) -> None:
    with pytest.raises(PaymentNotFound):
        stage.provider.lookup(PaymentRef(uuid4(), reference))

    assert stage.double.server.requests == []


def test_a_probe_with_good_credentials_says_nothing(stage: StripeStage) -> None:
    stage.provider.probe()

    (sent,) = stage.double.server.requests
    assert (sent.method, sent.path) == ("GET", "/v1/payment_intents")


def test_a_probe_with_bad_credentials_says_so(stage: StripeStage) -> None:
    wrong = StripePayments("sk_test_wrong", base_url=stage.double.server.url)

    with pytest.raises(CredentialsRejected):
        wrong.probe()
