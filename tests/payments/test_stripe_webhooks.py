"""Only what Stripe signed, just now, is believed; what it tells of is found."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
import stripe

from oms_adapters.payments.stripe import StripePayments
from oms_core.errors import WebhookRejected
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.testing import SimulatedClock
from tests.support.stripe_double.double import API_KEY, WEBHOOK_SECRET

TENANT = uuid4()
CREATED = 1_935_500_000
OTHER_SECRET = "whsec_OldSecretThatIsBeingReplaced"


class Endpoint:
    """A webhook endpoint, and Stripe that signs with the SDK's own function."""

    def __init__(self, secret: str | None = WEBHOOK_SECRET) -> None:
        self.clock = SimulatedClock()
        self.provider = StripePayments(API_KEY, self.clock, webhook_secret=secret)

    def header(self, body: str, *, late_s: int = 0, secret: str = WEBHOOK_SECRET) -> str:
        at = int(self.clock.now().timestamp()) - late_s
        header: str = stripe.WebhookSignature.generate_signature_header(body, secret, at)
        return header

    def receive(self, body: str, header: str | None = None) -> list[ProviderEvent]:
        headers = {"Stripe-Signature": self.header(body) if header is None else header}
        return list(self.provider.parse_webhook(TENANT, headers, body.encode()))


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def event(kind: str, thing: dict[str, Any] | None, **more: Any) -> str:
    data = {"data": {"object": thing}} if thing is not None else {}
    document = {"id": "evt_1", "object": "event", "type": kind, "created": CREATED, **data, **more}
    return json.dumps(document)


OF_A_PAYMENT = [
    *(
        (f"payment_intent.{kind}", {"object": "payment_intent", "id": "pi_1"})
        for kind in (
            "amount_capturable_updated",
            "canceled",
            "payment_failed",
            "processing",
            "requires_action",
            "succeeded",
        )
    ),
    *(
        (f"charge.{kind}", {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"})
        for kind in ("captured", "expired", "refunded")
    ),
    ("charge.dispute.created", {"object": "dispute", "id": "dp_1", "payment_intent": "pi_1"}),
    *(
        (f"refund.{kind}", {"object": "refund", "id": "re_1", "payment_intent": "pi_1"})
        for kind in ("created", "updated", "failed")
    ),
    ("charge.refunded", {"object": "charge", "payment_intent": {"id": "pi_1"}}),
    ("payment_intent.of_the_future", {"object": "payment_intent", "id": "pi_1"}),
]


@pytest.mark.parametrize(("kind", "thing"), OF_A_PAYMENT)
def test_every_event_of_a_payment_names_it(
    endpoint: Endpoint, kind: str, thing: dict[str, Any]
) -> None:
    (one,) = endpoint.receive(event(kind, thing))

    assert (one.event_id, one.kind, one.ref) == ("evt_1", kind, PaymentRef(TENANT, "pi_1"))
    assert one.occurred_at is not None
    assert one.occurred_at.timestamp() == CREATED


@pytest.mark.parametrize(
    ("kind", "thing", "more"),
    [
        ("customer.created", {"object": "customer", "id": "cus_1"}, {}),
        ("payout.paid", {"object": "payout", "id": "po_1"}, {}),
        ("charge.succeeded", {"object": "charge", "id": "ch_1", "payment_intent": None}, {}),
        ("charge.succeeded", {"object": "charge", "id": "ch_1", "payment_intent": 5}, {}),
        ("payment_intent.succeeded", {"object": "payment_intent", "id": "../refunds"}, {}),
        ("v1.billing.meter.error_report_triggered", None, {"object": "v2.core.event"}),
        ("a.kind", None, {"data": "text"}),
        ("a.kind", None, {"data": {"object": "text"}}),
    ],
)
def test_an_authentic_event_that_is_of_no_payment_gives_no_item(
    endpoint: Endpoint, kind: str, thing: dict[str, Any] | None, more: dict[str, Any]
) -> None:
    assert endpoint.receive(event(kind, thing, **more)) == []


GOOD = event("payment_intent.succeeded", {"object": "payment_intent", "id": "pi_1"})


@pytest.mark.parametrize("late_s", [-300, -1, 0, 1, 299])
def test_a_notification_within_five_minutes_is_fresh(endpoint: Endpoint, late_s: int) -> None:
    assert endpoint.receive(GOOD, endpoint.header(GOOD, late_s=late_s))


@pytest.mark.parametrize("late_s", [-86_400, -302, 301, 86_400])
def test_a_stale_notification_is_rejected_and_so_is_one_of_the_future(
    endpoint: Endpoint, late_s: int
) -> None:
    header = endpoint.header(GOOD, late_s=late_s)

    with pytest.raises(WebhookRejected) as raised:
        endpoint.receive(GOOD, header)

    assert raised.value.reason == "outside_the_time_window"


def test_while_a_secret_is_being_replaced_either_signature_will_do(endpoint: Endpoint) -> None:
    old, new = endpoint.header(GOOD, secret=OTHER_SECRET), endpoint.header(GOOD)
    both = f"{old},{new.partition(',')[2]}"

    assert endpoint.receive(GOOD, both)


def test_the_secret_of_another_endpoint_signs_nothing_here(endpoint: Endpoint) -> None:
    with pytest.raises(WebhookRejected) as raised:
        endpoint.receive(GOOD, endpoint.header(GOOD, secret=OTHER_SECRET))

    assert raised.value.reason == "signature_does_not_match"


def test_an_old_scheme_is_no_signature(endpoint: Endpoint) -> None:
    """Stripe: ignore all schemes that are not v1, to prevent downgrade attacks."""
    with pytest.raises(WebhookRejected):
        endpoint.receive(GOOD, endpoint.header(GOOD).replace(",v1=", ",v0="))


@pytest.mark.parametrize(
    "header",
    [
        "t=1",
        "v1=abc",
        "t=,v1=abc",
        "t=now,v1=abc",
        "t=-1,v1=abc",
        "t=٣,v1=abc",
        "t=1_0,v1=abc",
        "t=1e9,v1=abc",
        "t=1,t=2,v1=abc",
        "t=9999999999999999999999,v1=abc",
        ",,,",
        "=",
        "t=1,v1=é",
        "t=1,v1=\ud800",
        "t=1," + "v1=abc," * 2_000,
    ],
)
def test_a_header_of_nonsense_is_rejected(endpoint: Endpoint, header: str) -> None:
    with pytest.raises(WebhookRejected):
        endpoint.receive(GOOD, header)


def test_two_times_of_which_one_is_signed_are_no_time(endpoint: Endpoint) -> None:
    """Otherwise an old notification passes with a fresh time beside its own."""
    header = endpoint.header(GOOD, late_s=86_400)

    with pytest.raises(WebhookRejected):
        endpoint.receive(GOOD, f"t={int(endpoint.clock.now().timestamp())},{header}")


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"id": "evt_1", "type": "charge.refunded"}),
        json.dumps({"object": "event", "type": "charge.refunded"}),
        json.dumps({"object": "event", "id": "evt_1"}),
        json.dumps({"object": "event", "id": 5, "type": "charge.refunded"}),
        json.dumps({"object": "event", "id": "evt_1\n", "type": "charge.refunded"}),
        json.dumps({"object": "event", "id": "evt_1", "type": "a\nb"}),
        json.dumps({"object": ["event"], "id": "evt_1", "type": "charge.refunded"}),
        "[" * 100_000,
        '{"a":' * 50_000,
    ],
)
def test_a_signed_body_that_is_no_event_is_rejected(endpoint: Endpoint, body: str) -> None:
    with pytest.raises(WebhookRejected) as raised:
        endpoint.receive(body)

    assert raised.value.reason == "malformed_body"


@pytest.mark.parametrize("created", [None, "text", True, 1e3, 10**30, -(10**30)])
def test_a_time_that_does_not_exist_is_left_out(endpoint: Endpoint, created: object) -> None:
    body = event(
        "payment_intent.succeeded", {"object": "payment_intent", "id": "pi_1"}, created=created
    )

    (one,) = endpoint.receive(body)

    assert one.occurred_at is None


def test_a_body_that_is_too_large_is_rejected(endpoint: Endpoint) -> None:
    body = event("a.kind", {"object": "x" * 1_100_000})

    with pytest.raises(WebhookRejected) as raised:
        endpoint.receive(body)

    assert raised.value.reason == "body_too_large"


def test_without_a_secret_every_notification_is_rejected() -> None:
    with pytest.raises(WebhookRejected):
        Endpoint(secret=None).receive(GOOD)


def test_the_sdk_believes_what_is_accepted_here(endpoint: Endpoint) -> None:
    """Both ways: the header made by the SDK is accepted, and the SDK accepts the same header."""
    header = endpoint.header(GOOD)

    stripe.WebhookSignature.verify_header(GOOD, header, WEBHOOK_SECRET)

    assert endpoint.receive(GOOD, header)
