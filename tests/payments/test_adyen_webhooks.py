"""Only what Adyen signed for this account is believed, and little of it is kept."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from oms_adapters.payments.adyen import AdyenAccount, BasicCredentials
from oms_adapters.payments.adyen.webhooks import BODY_BYTES_MAX, NotificationReader
from oms_core.errors import WebhookRejected
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.testing import refusal
from tests.support.adyen_double import (
    API_KEY,
    HMAC_KEY,
    MERCHANT_ACCOUNT,
    WEBHOOK_PASSWORD,
    WEBHOOK_USERNAME,
    batch,
    item,
    signed,
)
from tests.support.adyen_stage import HEADERS
from tests.support.shared_data import shared_json

TENANT = uuid4()
PAYMENT = "QFQTPCQ8HXSKGK82"
CAPTURE = "M8NB66SBZSGLNK82"
OTHER_KEY = "FEDCBA9876543210" * 4
SAMPLE_KEY = "74F490DD33F7327BAECC88B2947C011FC02D014A473AAA33A8EC93E4DC069174"
"""Adyen's public key of its sample notifications."""


def an_account(**more: Any) -> AdyenAccount:
    given: dict[str, Any] = {
        "api_key": API_KEY,
        "merchant_account": MERCHANT_ACCOUNT,
        "hmac_keys": (HMAC_KEY,),
    }
    return AdyenAccount(**{**given, **more})


def read(
    body: bytes, headers: Mapping[str, str] | None = None, **more: Any
) -> tuple[ProviderEvent, ...]:
    return NotificationReader(an_account(**more)).read(TENANT, headers or {}, body)


def reason_of(body: bytes, headers: Mapping[str, str] | None = None, **more: Any) -> str:
    return refusal(WebhookRejected, lambda: read(body, headers, **more)).reason


def a_capture(**more: Any) -> dict[str, Any]:
    return item("CAPTURE", CAPTURE, original=PAYMENT, reference="ship-1", **more)


# -- genuine ---------------------------------------------------------------------------------


def test_a_payments_own_notification_is_about_its_own_reference() -> None:
    (event,) = read(batch([signed(item("AUTHORISATION", PAYMENT))]))

    assert event.ref == PaymentRef(TENANT, PAYMENT)
    assert event.kind == "AUTHORISATION"
    assert event.event_id == f"AUTHORISATION/{PAYMENT}/true"
    assert str(event.occurred_at) == "2026-11-25 11:00:00+00:00"


def test_a_modifications_notification_is_about_the_payment_it_modifies() -> None:
    (event,) = read(batch([signed(a_capture())]))

    assert event.ref == PaymentRef(TENANT, PAYMENT)
    assert event.facts == {
        "psp": CAPTURE,
        "success": "true",
        "value": "10000",
        "currency": "USD",
        "reference": "ship-1",
    }


def test_a_batch_gives_an_event_for_each_item() -> None:
    items = [item("AUTHORISATION", PAYMENT), a_capture()]

    events = read(batch([signed(one) for one in items]))

    assert [event.kind for event in events] == ["AUTHORISATION", "CAPTURE"]


def test_success_and_failure_of_one_modification_are_two_events() -> None:
    items = [signed(a_capture(success=good)) for good in (True, False)]

    assert len({event.event_id for event in read(batch(items))}) == 2


def test_nothing_of_a_card_is_kept() -> None:
    good = item("AUTHORISATION", PAYMENT, reason="076181:1111:03/2030")
    bad = item("AUTHORISATION", PAYMENT, success=False, reason="Refused card 4111111111111111")

    events = read(batch([signed(good), signed(bad)]))

    kept = repr([event.facts for event in events])
    for secret in ("1111", "2030", "076181", "visa"):
        assert secret not in kept


def test_why_something_failed_is_kept() -> None:
    (event,) = read(batch([signed(a_capture(success=False, reason="Insufficient balance"))]))

    assert event.facts["reason"] == "Insufficient balance"


@pytest.mark.parametrize(
    "odd", ["9" * 200, "line\nbreak", "\x00", "karte 4111", "é", "", " ", "<script>"]
)
def test_an_odd_reason_is_left_out(odd: str) -> None:
    (event,) = read(batch([signed(a_capture(success=False, reason=odd))]))

    assert "reason" not in event.facts


@pytest.mark.parametrize("odd", [None, 5, "yesterday", "2026-11-25", "9999-12-31T23:59:59-12:00"])
def test_an_odd_date_is_left_out_for_it_is_not_signed(odd: object) -> None:
    (event,) = read(batch([signed(a_capture(date=odd))]))

    assert event.occurred_at is None


def test_a_report_is_acknowledged_and_tells_nothing() -> None:
    """Rejecting what we do not need would hold up the queue in which payments wait too."""
    report = item("REPORT_AVAILABLE", "settlement_report_12.csv", value=0)

    assert read(batch([signed(report)])) == ()


def test_an_event_from_adyens_future_is_kept() -> None:
    (event,) = read(batch([signed(item("TELEPORTATION", PAYMENT))]))

    assert event.kind == "TELEPORTATION"


@pytest.mark.parametrize("sample", ["backslash", "colon", "forwardslash", "mixed"])
def test_adyens_sample_notifications_are_authentic(sample: str) -> None:
    """Slashes, backslashes and colons are signed as they are."""
    document = shared_json(f"fixtures/adyen/{sample}_notification.json")
    body = batch([document])
    account = document["merchantAccountCode"]
    (event,) = read(body, merchant_account=account, hmac_keys=(SAMPLE_KEY,))
    assert event.ref.reference == document["pspReference"]
    assert reason_of(body, merchant_account=account, hmac_keys=(HMAC_KEY,))


def test_every_event_that_adyen_documents_is_read() -> None:
    document = shared_json("specs/adyen-webhooks-v1-payments.json")
    examples = document["components"]["examples"]

    assert len(examples) == 14
    for example in examples.values():
        wrapped = example["value"]["notificationItems"]
        items = [one["NotificationRequestItem"] for one in wrapped]
        (one,) = [one | {"merchantAccountCode": MERCHANT_ACCOUNT} for one in items]
        one.setdefault("additionalData", {})
        (event,) = read(batch([signed(one)]))
        assert event.kind == one["eventCode"]
        assert event.ref.reference == one.get("originalReference", one["pspReference"])


# -- keys ------------------------------------------------------------------------------------


def test_while_a_key_is_replaced_both_are_good() -> None:
    both = (OTHER_KEY, HMAC_KEY)

    for key in both:
        assert read(batch([signed(a_capture(), key)]), hmac_keys=both)
    assert reason_of(batch([signed(a_capture(), "0" * 64)]), hmac_keys=both)


def test_the_keys_case_does_not_matter() -> None:
    assert read(batch([signed(a_capture())]), hmac_keys=(HMAC_KEY.lower(),))


# -- forged ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pspReference", "AAAAAAAAAAAAAA82"),
        ("originalReference", "AAAAAAAAAAAAAA82"),
        ("originalReference", None),
        ("merchantAccountCode", "AnotherShop"),
        ("merchantReference", "ship-2"),
        ("amount", {"currency": "USD", "value": 10_001}),
        ("amount", {"currency": "EUR", "value": 10_000}),
        ("eventCode", "REFUND"),
        ("success", "false"),
    ],
)
def test_a_changed_field_is_rejected(name: str, value: object) -> None:
    forged = signed(a_capture()) | {name: value}

    assert reason_of(batch([forged])) == "signature_does_not_match"


def test_a_changed_signature_is_rejected_at_every_character() -> None:
    genuine = signed(a_capture())
    signature = genuine["additionalData"]["hmacSignature"]

    for i in range(len(signature)):
        other = "A" if signature[i] != "A" else "B"
        forged = {"hmacSignature": signature[:i] + other + signature[i + 1 :]}
        assert reason_of(batch([genuine | {"additionalData": forged}]))


@pytest.mark.parametrize("odd", ["", " ", "é", "=", "A" * 100_000])
def test_an_odd_signature_is_rejected(odd: str) -> None:
    forged = a_capture() | {"additionalData": {"hmacSignature": odd}}

    assert reason_of(batch([forged])) == "signature_does_not_match"


@pytest.mark.parametrize("lacking", [{}, {"hmacSignature": None}, {"hmacSignature": 5}, None, []])
def test_an_item_without_a_signature_is_rejected(lacking: object) -> None:
    assert reason_of(batch([a_capture() | {"additionalData": lacking}])) == "malformed_body"


def test_one_bad_item_rejects_the_whole_batch_wherever_it_stands() -> None:
    good = [signed(item("AUTHORISATION", PAYMENT)), signed(a_capture())]
    bad = signed(a_capture()) | {"success": "false"}

    for i in range(len(good) + 1):
        assert reason_of(batch([*good[:i], bad, *good[i:]])) == "signature_does_not_match"


def test_another_merchant_accounts_notification_is_rejected_though_it_is_signed() -> None:
    """One HMAC key may serve a whole company; dropped silently, it would be lost for good."""
    foreign = signed(a_capture(account="ShopNL"))

    assert reason_of(batch([foreign])) == "of_another_merchant_account"


def test_colons_in_a_merchants_reference_cannot_pass_for_other_fields() -> None:
    """The signed text joins fields by colons and escapes none."""
    sly = item("REFUND", CAPTURE, reference="a:1:EUR:AUTHORISATION:true", original=PAYMENT)
    forged = signed(sly)
    forged |= {
        "merchantReference": "a",
        "amount": {"currency": "EUR:AUTHORISATION:true:10000:USD", "value": 1},
    }

    assert read(batch([signed(sly)]))[0].kind == "REFUND"
    assert read(batch([forged])) == ()


def test_moving_the_colons_of_a_genuine_item_never_makes_another_event() -> None:
    genuine = signed(item("REFUND", CAPTURE, original=PAYMENT, reference="b:7"))
    moved: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
        lambda one: one | {"pspReference": f"{CAPTURE}:{PAYMENT}", "originalReference": "ShopCOM"},
        lambda one: (
            one | {"merchantAccountCode": f"{MERCHANT_ACCOUNT}:b", "merchantReference": "7"}
        ),
        lambda one: (
            one
            | {"pspReference": CAPTURE, "originalReference": f"{PAYMENT}:{MERCHANT_ACCOUNT}"}
            | {"merchantAccountCode": "b", "merchantReference": "7"}
        ),
        lambda one: one | {"eventCode": "REFUND:true", "success": ""},
    ]

    for move in moved:
        with suppress(WebhookRejected):
            assert read(batch([move(genuine)])) == ()


# -- malformed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[accepted]",
        b'{"notificationItems": null}',
        b'{"notificationItems": []}',
        b'{"notificationItems": {}}',
        b'{"notificationItems": [null]}',
        b'{"notificationItems": [{}]}',
        b'{"notificationItems": [{"NotificationRequestItem": null}]}',
        b'{"notificationItems": [{"NotificationRequestItem": []}]}',
        b'{"notificationItems": [{"NotificationRequestItem": {}}]}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_body_is_rejected(body: bytes) -> None:
    assert reason_of(body) == "malformed_body"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pspReference", None),
        ("pspReference", 5),
        ("merchantAccountCode", None),
        ("merchantReference", ["a"]),
        ("eventCode", None),
        ("success", True),
        ("amount", None),
        ("amount", {}),
        ("amount", {"currency": "USD", "value": "10000"}),
        ("amount", {"currency": "USD", "value": 100.0}),
        ("amount", {"currency": "USD", "value": True}),
        ("amount", {"currency": "USD", "value": 10**30}),
        ("amount", {"currency": None, "value": 1}),
        ("merchantReference", "\ud800"),
    ],
)
def test_a_field_of_the_wrong_kind_is_rejected(name: str, value: object) -> None:
    assert reason_of(batch([signed(a_capture()) | {name: value}])) == "malformed_body"


def test_a_body_that_is_too_large_is_rejected_unread() -> None:
    assert reason_of(b" " * (BODY_BYTES_MAX + 1)) == "body_too_large"


# -- credentials -----------------------------------------------------------------------------


def test_credentials_are_asked_for_if_they_are_configured() -> None:
    asked = {"webhook_credentials": BasicCredentials(WEBHOOK_USERNAME, WEBHOOK_PASSWORD)}
    body = batch([signed(a_capture())])

    assert read(body, HEADERS, **asked)
    for sent in ({}, {"Authorization": "Basic YTpi"}, {"authorization": "é"}):
        assert reason_of(body, sent, **asked) == "credentials_do_not_match"
    assert read(body, {})


def test_good_credentials_are_no_signature() -> None:
    forged = signed(a_capture()) | {"success": "false"}

    assert reason_of(batch([forged]), HEADERS) == "signature_does_not_match"
