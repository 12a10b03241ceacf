"""The simulated provider signs what it tells, and believes only what is signed."""

import base64
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import pytest

from oms_adapters.payments.simulated import MemoryLedger, Notification, SimulatedPayments
from oms_core.domain.money import Money
from oms_core.errors import ConfigurationError, WebhookRejected
from oms_core.ports.payments import Authorize, Capture, PaymentRef, Refund
from oms_core.testing import SimulatedClock

TENANT = UUID("7e4a0000-0000-4000-8000-000000000001")
ORDER = UUID("0de50000-0000-4000-8000-000000000001")
CARD = PaymentRef(TENANT, "crunchy-card")
TOTAL = Money.of("100.00", "USD")
SECRET = "whsec_" + base64.b64encode(b"twenty-four random bytes").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"twenty-four former bytes").decode()


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def payments(clock: SimulatedClock) -> SimulatedPayments:
    payments = SimulatedPayments(MemoryLedger(), clock, webhook_secret=SECRET)
    payments.authorize(Authorize(CARD, TOTAL, ORDER, "a1"))
    payments.capture(Capture(CARD, TOTAL, "ship-1", "c1"))
    payments.refund(Refund(CARD, TOTAL, "return-1", "r1"))
    return payments


def kinds(payments: SimulatedPayments, sent: tuple[Notification, ...]) -> list[str]:
    return [
        event.kind
        for one in sent
        for event in payments.parse_webhook(TENANT, one.headers, one.body)
    ]


def test_everything_that_happened_is_told_in_order(payments: SimulatedPayments) -> None:
    assert kinds(payments, payments.notifications(CARD)) == [
        "payment.authorized",
        "payment.captured",
        "refund.done",
    ]


def test_what_happens_by_itself_is_told_too(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    ref = PaymentRef(TENANT, "sim_short_hold")
    payments.authorize(Authorize(ref, TOTAL, ORDER, "a2"))
    clock.advance(61)

    sent = payments.notifications(ref)

    assert kinds(payments, sent) == ["payment.authorized", "payment.expired"]
    (event,) = payments.parse_webhook(TENANT, sent[1].headers, sent[1].body)
    assert event.ref == ref
    assert event.occurred_at is not None
    assert (clock.now() - event.occurred_at).total_seconds() == 1


def test_copies_have_the_same_ids_and_shuffling_loses_none(payments: SimulatedPayments) -> None:
    ordered = payments.notifications(CARD)

    sent = payments.notifications(CARD, copies=3, shuffled_by=Random(7))

    assert len(sent) == 9
    assert sent != ordered * 3
    assert sorted(one.body for one in sent) == sorted(one.body for one in ordered * 3)
    ids = {event.event_id for one in sent for event in payments.parse_webhook(TENANT, *parts(one))}
    assert len(ids) == 3


def test_the_window_is_three_hundred_seconds_either_way(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    sent = payments.notifications(CARD)[0]
    sent_at = int(sent.headers["webhook-timestamp"])
    clock.advance(sent_at - clock.now().timestamp())

    for seconds in (300, -300):
        clock.advance(seconds)
        assert payments.parse_webhook(TENANT, *parts(sent))
        clock.advance(-seconds)
    for seconds in (301, -301):
        clock.advance(seconds)
        with pytest.raises(WebhookRejected, match="outside_the_time_window"):
            payments.parse_webhook(TENANT, *parts(sent))
        clock.advance(-seconds)


def test_one_of_several_signatures_is_enough_while_a_secret_is_replaced(
    payments: SimulatedPayments,
) -> None:
    sent = payments.notifications(CARD)[0]
    signature = sent.headers["webhook-signature"]

    for header in (f"v1,bm90IGl0 {signature}", f"{signature} v1a,whatever"):
        assert payments.parse_webhook(
            TENANT, {**sent.headers, "webhook-signature": header}, sent.body
        )


def test_a_signature_by_another_secret_is_rejected(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    other = SimulatedPayments(MemoryLedger(), clock, webhook_secret=OLD_SECRET)
    sent = payments.notifications(CARD)[0]

    with pytest.raises(WebhookRejected, match="signature_does_not_match"):
        other.parse_webhook(TENANT, *parts(sent))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_every_signed_header_counts(payments: SimulatedPayments, header: str) -> None:
    sent = payments.notifications(CARD)[0]
    without = {name: value for name, value in sent.headers.items() if name != header}

    with pytest.raises(WebhookRejected, match=header):
        payments.parse_webhook(TENANT, without, sent.body)
    with pytest.raises(WebhookRejected, match="signature_does_not_match"):
        payments.parse_webhook(
            TENANT, {**sent.headers, header: sent.headers[header] + "1"}, sent.body
        )


def test_a_signature_without_its_version_is_rejected(payments: SimulatedPayments) -> None:
    sent = payments.notifications(CARD)[0]
    bare = sent.headers["webhook-signature"].removeprefix("v1,")

    with pytest.raises(WebhookRejected):
        payments.parse_webhook(TENANT, {**sent.headers, "webhook-signature": bare}, sent.body)


def test_the_published_example_of_standard_webhooks_verifies() -> None:
    """It is believed, and then refused only because it does not speak of a payment."""
    clock = SimulatedClock(datetime.fromtimestamp(1614265330, UTC))
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    payments = SimulatedPayments(MemoryLedger(), clock, webhook_secret=secret)
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }

    with pytest.raises(WebhookRejected, match="malformed_body"):
        payments.parse_webhook(TENANT, headers, b'{"test": 2432232314}')
    with pytest.raises(WebhookRejected, match="signature_does_not_match"):
        payments.parse_webhook(TENANT, headers, b'{"test": 2432232315}')


def test_without_a_secret_nothing_is_believed_and_nothing_signed(clock: SimulatedClock) -> None:
    signing = SimulatedPayments(MemoryLedger(), clock, webhook_secret=SECRET)
    signing.authorize(Authorize(CARD, TOTAL, ORDER, "a1"))
    sent = signing.notifications(CARD)[0]
    deaf = SimulatedPayments(MemoryLedger(), clock)

    with pytest.raises(WebhookRejected, match="no_webhook_secret_is_configured"):
        deaf.parse_webhook(TENANT, *parts(sent))
    with pytest.raises(ConfigurationError, match="webhook_secret"):
        deaf.notifications(CARD)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "too short", "whsec_" + "A" * 31, "whsec_not base64 at all, is it?"]
)
def test_a_weak_secret_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SimulatedPayments(MemoryLedger(), webhook_secret=secret)

    assert "at least 24" in str(caught.value)
    assert not secret or secret not in str(caught.value).replace("whsec_ and", "")


def parts(sent: Notification) -> tuple[dict[str, str], bytes]:
    return dict(sent.headers), sent.body
