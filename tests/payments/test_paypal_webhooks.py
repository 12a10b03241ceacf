"""Only what PayPal itself calls authentic is believed, and each event names its payment."""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from oms_adapters.payments.paypal import PaypalAccount, PaypalPayments
from oms_core.domain.money import Money
from oms_core.errors import RetryableNotExecuted, WebhookRejected
from oms_core.ports.payments import Authorize, Capture, PaymentRef, ProviderEvent, Refund
from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import SignedNotification
from oms_core.testing.refusal import refusal
from tests.support.http_faults import (
    BROKEN_OFF,
    CUT_JSON,
    LATE_ANSWER,
    LOST_ANSWER,
    LOST_BEFORE,
    HttpFault,
    answers,
    html,
)
from tests.support.paypal_stage import PaypalStage

TOTAL = Money(10_000, "USD")
VERIFY = "verify-webhook-signature"


@pytest.fixture
def stage() -> Iterator[PaypalStage]:
    stage = PaypalStage(SimulatedClock())
    yield stage
    stage.close()


@pytest.fixture
def ref(stage: PaypalStage) -> PaymentRef:
    """Return a payment that is captured and refunded."""
    ref = stage.a_confirmable_payment(TOTAL)
    stage.provider.authorize(Authorize(ref, TOTAL, stage.tenant_id, "hold-key"))
    stage.provider.capture(Capture(ref, TOTAL, "ship", "ship-key"))
    stage.provider.refund(Refund(ref, TOTAL, "return", "return-key"))
    return ref


def parse(stage: PaypalStage, sent: SignedNotification) -> Sequence[ProviderEvent]:
    return stage.provider.parse_webhook(stage.tenant_id, sent.headers, sent.body)


def payments_of(stage: PaypalStage, ref: PaymentRef) -> dict[str, Any]:
    payments: dict[str, Any] = stage.books.orders[ref.reference]["purchase_units"][0]["payments"]
    return payments


def asked(stage: PaypalStage) -> int:
    return sum(one.path.endswith(VERIFY) for one in stage.double.http.requests)


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("CHECKOUT.ORDER.APPROVED", "order"),
        ("CHECKOUT.ORDER.COMPLETED", "order"),
        ("PAYMENT.AUTHORIZATION.CREATED", "authorizations"),
        ("PAYMENT.AUTHORIZATION.VOIDED", "authorizations"),
        ("PAYMENT.CAPTURE.COMPLETED", "captures"),
        ("PAYMENT.CAPTURE.PENDING", "captures"),
        ("PAYMENT.CAPTURE.DECLINED", "captures"),
        ("PAYMENT.CAPTURE.DENIED", "captures"),
        ("PAYMENT.CAPTURE.REFUNDED", "refunds"),
        ("PAYMENT.CAPTURE.REVERSED", "refunds"),
    ],
)
def test_an_event_names_the_order_that_it_is_about(
    stage: PaypalStage, ref: PaymentRef, kind: str, of: str
) -> None:
    is_order = of == "order"
    resource = stage.books.get_order(ref.reference) if is_order else payments_of(stage, ref)[of][0]

    (event,) = parse(stage, stage.double.notify(kind, resource))

    assert (event.ref, event.kind) == (ref, kind)
    assert event.occurred_at == stage.clock.now().replace(microsecond=0)
    assert event.facts["resource_id"] == resource["id"]


def test_a_reversed_approval_names_its_order(stage: PaypalStage, ref: PaymentRef) -> None:
    resource = {"id": "PAYMENTSOURCE", "order_id": ref.reference}

    (event,) = parse(stage, stage.double.notify("CHECKOUT.PAYMENT-APPROVAL.REVERSED", resource))

    assert event.ref == ref


def test_a_refund_made_by_hand_is_traced_through_its_capture(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    """It bears no name of ours; its link is read, not followed."""
    refund = {**payments_of(stage, ref)["refunds"][0], "custom_id": None}
    elsewhere = "https://elsewhere.example/v2/payments/captures"
    capture_id = payments_of(stage, ref)["captures"][0]["id"]
    refund["links"] = [{"rel": "up", "href": f"{elsewhere}/{capture_id}", "method": "GET"}]

    (event,) = parse(stage, stage.double.notify("PAYMENT.CAPTURE.REFUNDED", refund))

    assert event.ref == ref


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("BILLING.SUBSCRIPTION.CREATED", {"id": "I-1"}),
        ("CUSTOMER.DISPUTE.CREATED", {"id": "PP-1"}),
        ("PAYMENT.CAPTURE.COMPLETED", {"id": "CAPTURE9"}),
        ("PAYMENT.AUTHORIZATION.CREATED", {"id": "AUTH9", "supplementary_data": "odd"}),
        ("CHECKOUT.ORDER.APPROVED", {"id": "../../odd"}),
        ("PAYMENT.CAPTURE.REFUNDED", {"id": "R", "links": [{"rel": "up", "href": "/captures/X"}]}),
    ],
)
def test_what_tells_nothing_of_a_payment_gives_no_item(
    stage: PaypalStage, kind: str, resource: dict[str, Any]
) -> None:
    assert parse(stage, stage.double.notify(kind, resource)) == ()


@pytest.mark.parametrize(
    "fault",
    [
        LOST_BEFORE,
        LOST_ANSWER,
        LATE_ANSWER,
        CUT_JSON,
        BROKEN_OFF,
        answers(403),
        answers(404),
        answers(422),
        answers(429),
        answers(500),
        answers(503),
        html(200),
        html(502),
    ],
    ids=lambda fault: fault.name,
)
def test_what_cannot_be_verified_now_is_neither_believed_nor_rejected(
    stage: PaypalStage, ref: PaymentRef, fault: HttpFault
) -> None:
    """PayPal sends it again if we answer with 5xx; rejected, a lost event would stay lost."""
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})
    stage.plan(fault, VERIFY)

    refusal(RetryableNotExecuted, lambda: parse(stage, sent))

    assert len(parse(stage, sent)) == 1


def test_rejected_credentials_do_not_reject_what_paypal_sent(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})
    stage.double.knows_the_client = False

    refusal(RetryableNotExecuted, lambda: parse(stage, sent))


@pytest.mark.parametrize(
    "said", ["FAILURE", "success", "", "SUCCESSFUL", None, True, ["SUCCESS"], {"SUCCESS": 1}]
)
def test_nothing_but_success_is_success(stage: PaypalStage, ref: PaymentRef, said: object) -> None:
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})
    stage.plan(answers(200, json.dumps({"verification_status": said}).encode()), VERIFY)

    refusal(WebhookRejected, lambda: parse(stage, sent))


def test_an_answer_without_a_word_about_it_is_no_success(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})
    stage.plan(answers(200, b"{}"), VERIFY)

    refusal(WebhookRejected, lambda: parse(stage, sent))


def test_the_raw_bytes_are_what_paypal_is_asked_about(stage: PaypalStage, ref: PaymentRef) -> None:
    """Read and written again they would be other bytes, which nobody signed."""
    body = (
        b'{ "id":"WH-1" ,\n "event_type":"CHECKOUT.ORDER.APPROVED", "amount": 1.10, "amount": 1e2,'
        b' "resource": {"id":"' + ref.reference.encode() + b'", "n": "caf\xc3\xa9 \\u00e9 \\/"} } '
    )

    (event,) = parse(stage, stage.double.sign(body))

    assert event.ref == ref
    question = stage.double.http.requests[-1].body
    assert body in question


def test_a_body_cannot_add_to_the_question(stage: PaypalStage, ref: PaymentRef) -> None:
    """Otherwise it could name another webhook, or say again what the event is."""
    good = b'{"id": "1", "event_type": "X", "resource": {}}'
    for body in (
        good + b', "webhook_id": "OTHER"',
        good + b', "webhook_event": {}',
        good + b"}, {",
        b"null" + good,
        b"\xef\xbb\xbf" + good,
        good.decode().encode("utf-16"),
        b'{"id": "1", "event_type": "X", "resource": {}, "x": NaN}',
    ):
        refusal(WebhookRejected, partial(parse, stage, stage.double.sign(body)))

    assert asked(stage) == 0


@pytest.mark.parametrize("seconds", [-301, 302])
def test_what_is_stale_or_from_the_future_costs_paypal_no_call(
    stage: PaypalStage, ref: PaymentRef, seconds: int
) -> None:
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})

    stage.clock.advance(seconds)

    refusal(WebhookRejected, lambda: parse(stage, sent))
    assert asked(stage) == 0


@pytest.mark.parametrize("seconds", [-299, 299])
def test_within_five_minutes_either_way_it_is_fresh(
    stage: PaypalStage, ref: PaymentRef, seconds: int
) -> None:
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})

    stage.clock.advance(seconds)

    assert len(parse(stage, sent)) == 1


def test_a_certificate_that_is_not_fetched_over_https_is_not_asked_about(
    stage: PaypalStage, ref: PaymentRef
) -> None:
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})
    headers = {**sent.headers, "PAYPAL-CERT-URL": "http://api.paypal.com/cert"}

    refusal(WebhookRejected, lambda: parse(stage, SignedNotification(headers, sent.body)))

    assert asked(stage) == 0


def test_without_a_webhook_id_nothing_is_believed(stage: PaypalStage, ref: PaymentRef) -> None:
    payments = PaypalPayments(PaypalAccount("id", "secret", stage.double.http.url), stage.clock)
    sent = stage.double.notify("CHECKOUT.ORDER.APPROVED", {"id": ref.reference})

    refused = refusal(
        WebhookRejected, lambda: payments.parse_webhook(stage.tenant_id, sent.headers, sent.body)
    )

    assert refused.reason == "no_webhook_id_is_configured"
