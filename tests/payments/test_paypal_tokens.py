"""One token serves all threads, until it ends or PayPal forgets it."""

import time
from collections.abc import Iterator

import pytest

from oms_adapters.payments.paypal import PaypalAccount, PaypalPayments
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import CredentialsRejected, RetryableNotExecuted
from oms_core.ports.payments import Authorize, PaymentRef
from oms_core.testing import SimulatedClock
from oms_core.testing.at_once import at_once
from oms_core.testing.refusal import refusal
from tests.support.http_faults import LATE_BEFORE, answers, html
from tests.support.paypal_stage import SILENCE_S, PaypalStage

TOTAL = Money(10_000, "USD")


@pytest.fixture
def stage() -> Iterator[PaypalStage]:
    stage = PaypalStage(SimulatedClock())
    yield stage
    stage.close()


@pytest.fixture
def ref(stage: PaypalStage) -> PaymentRef:
    return stage.a_confirmable_payment(TOTAL)


def test_sixteen_threads_fetch_one_token(stage: PaypalStage, ref: PaymentRef) -> None:
    seen = at_once(lambda _: stage.provider.lookup(ref), range(16))

    assert len(set(map(str, seen))) == 1
    assert stage.double.fetched_tokens() == 1


def test_threads_that_wait_for_a_token_share_its_failure(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    """If each tried in turn, the last of them would wait for the timeouts of all."""
    stage.plan(LATE_BEFORE, "token", times=16)
    began = time.monotonic()

    at_once(lambda _: refusal(RetryableNotExecuted, lambda: stage.provider.lookup(ref)), range(16))

    assert stage.double.fetched_tokens() < 8
    assert time.monotonic() - began < 16 * SILENCE_S


def test_a_token_is_used_until_shortly_before_its_end(stage: PaypalStage, ref: PaymentRef) -> None:
    stage.provider.lookup(ref)
    stage.clock.advance(31_668 - 61)
    stage.provider.lookup(ref)
    before = stage.double.fetched_tokens()

    stage.clock.advance(2)
    stage.provider.lookup(ref)

    assert (before, stage.double.fetched_tokens()) == (1, 2)


def test_a_forgotten_token_is_fetched_anew_within_the_call(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    stage.provider.lookup(ref)
    stage.double.revoke_tokens()

    stage.provider.lookup(ref)

    assert stage.double.fetched_tokens() == 2


def test_a_call_that_a_new_token_does_not_help_is_refused(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    stage.plan(answers(401), "lookup", times=2)

    refusal(CredentialsRejected, lambda: stage.provider.lookup(ref))

    lookups = [one for one in stage.double.http.requests if one.method == "GET"]
    assert len(lookups) == 2
    assert stage.double.fetched_tokens() == 2


def test_wrong_credentials_are_told_as_such_and_lead_to_no_further_call(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    stage.double.knows_the_client = False

    refused = refusal(CredentialsRejected, lambda: stage.provider.lookup(ref))

    assert refused.reason == "invalid_client"
    assert len(stage.double.http.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"access_token": "A", "expires_in": "soon"}',
        b'{"access_token": 5, "expires_in": 100}',
        b'{"access_token": "A\\nB: c", "expires_in": 100}',
        b'{"access_token": "\\u00e9", "expires_in": 100}',
        b'{"access_token": "A", "expires_in": 1e400}',
        b'{"access_token": "A", "expires_in": NaN}',
    ],
)
def test_a_token_that_is_none_executes_nothing(
    stage: PaypalStage, ref: PaymentRef, body: bytes
) -> None:
    stage.plan(answers(200, body), "token")

    refusal(RetryableNotExecuted, lambda: stage.provider.lookup(ref))

    assert stage.provider.lookup(ref).state is PaymentState.CONFIRMABLE


def test_a_blip_of_the_token_endpoint_is_no_matter_of_credentials(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    stage.plan(html(502), "token")

    refused = refusal(RetryableNotExecuted, lambda: stage.provider.lookup(ref))

    assert refused.reason == "http_502"


def test_a_netrc_file_does_not_replace_the_token(
    stage: PaypalStage,
    ref: PaymentRef,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    file = tmp_path_factory.mktemp("home") / "netrc"
    file.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(file))

    assert stage.provider.lookup(ref).state is PaymentState.CONFIRMABLE


def test_connections_are_reused(stage: PaypalStage, ref: PaymentRef) -> None:
    for _ in range(10):
        stage.provider.lookup(ref)

    assert stage.double.http.connections == 1


def test_the_question_of_a_person_asks_for_a_new_token(stage: PaypalStage, ref: PaymentRef) -> None:
    stage.provider.lookup(ref)

    stage.provider.probe()

    assert stage.double.fetched_tokens() == 2
    stage.double.knows_the_client = False
    refusal(CredentialsRejected, stage.provider.probe)


def test_the_question_of_a_person_finds_missing_rights(stage: PaypalStage) -> None:
    body = b'{"name": "NOT_AUTHORIZED", "details": [{"issue": "PERMISSION_DENIED"}]}'
    stage.plan(answers(403, body), "lookup")

    refused = refusal(CredentialsRejected, stage.provider.probe)

    assert refused.reason == "PERMISSION_DENIED"


def test_no_secret_shows_itself(stage: PaypalStage) -> None:
    account = PaypalAccount("the-id", "the-secret", "http://127.0.0.1:1")
    payments = PaypalPayments(account, stage.clock)
    ref = stage.a_confirmable_payment(TOTAL)

    refused = refusal(
        RetryableNotExecuted,
        lambda: payments.authorize(Authorize(ref, TOTAL, ref.tenant_id, "key")),
    )

    told = f"{account!r} {payments!r} {refused!r} {refused} {refused.__context__!r}"
    assert "the-secret" not in told
    assert "the-id" not in told
    assert refused.__cause__ is None
