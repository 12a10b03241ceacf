"""POST /api/v1/oms/orders: accepted once and only once."""

from typing import Any
from uuid import UUID

import pytest

from oms_core.domain.scope import Scope, order_id_for
from oms_core.testing import a_scope
from tests.support.api import ARMCHAIR, ORDERS, Api, a_full_order_request, an_order_request


def test_a_first_order_is_created_and_says_where_it_is(api: Api) -> None:
    result = api.post(ORDERS, an_order_request())

    order_id = order_id_for(api.scope, "checkout-4711")
    assert result.status_code == 201
    assert result.json == {"order_id": str(order_id), "status": "pending_payment"}
    assert result.headers["location"] == f"{ORDERS}/{order_id}"
    assert "idempotent-replayed" not in result.headers
    assert api.get(result.headers["location"]).json["order_id"] == str(order_id)


def test_the_same_request_again_gets_the_same_answer_and_makes_no_second_order(api: Api) -> None:
    first = api.post(ORDERS, an_order_request())
    again = api.post(ORDERS, an_order_request())

    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert api.orders() == 1


def test_a_repeat_after_the_order_has_moved_on_is_still_the_first_answer(api: Api) -> None:
    api.receive()
    first = api.post(ORDERS, an_order_request())
    api.oms.run_until_idle()

    again = api.post(ORDERS, an_order_request())

    assert api.get(first.headers["location"]).json["status"] == "confirmed"
    assert (again.status_code, again.json) == (201, first.json)


def test_what_means_the_same_is_the_same_request(api: Api) -> None:
    api.place()

    line = {"unit_price": 19.99, "sku": ARMCHAIR, "quantity": 2, "name": None}
    again = api.post(ORDERS, an_order_request(currency="USD", line_items=[line], platform=None))

    assert again.status_code == 201
    assert again.headers["idempotent-replayed"] == "true"


def test_a_number_is_taken_exactly_as_it_was_written(api: Api) -> None:
    """19.99 is no binary float: had it been read as one, the amount would be off."""
    line = f'{{"sku": "{ARMCHAIR}", "quantity": 3, "unit_price": 1234567890123.45}}'
    head = '{"idempotency_key": "k", "payment_provider": "simulated", "channel": "web"'
    body = f'{head}, "payment_reference": "p", "line_items": [{line}]}}'

    result = api.post_raw(ORDERS, body.encode())

    assert result.status_code == 201
    assert api.get(result.headers["location"]).json["total"] == "3703703670370.35"


def test_another_request_under_the_same_key_is_refused_and_changes_nothing(api: Api) -> None:
    order_id = api.place()

    result = api.post(ORDERS, an_order_request(channel="phone"))

    assert (result.status_code, result.json["code"]) == (422, "idempotency_key_reused")
    assert api.orders() == 1
    assert api.get(f"{ORDERS}/{order_id}").json["channel"] == "web"


def test_a_request_that_failed_validation_is_not_remembered(api: Api) -> None:
    refused = api.post(ORDERS, an_order_request(line_items=[]))
    corrected = api.post(ORDERS, an_order_request())

    assert (refused.status_code, corrected.status_code) == (400, 201)
    assert "idempotent-replayed" not in corrected.headers


def test_all_mistakes_are_told_at_once_with_their_places(api: Api) -> None:
    line = {"sku": "", "quantity": 0, "unit_price": "1,50", "colour": "red"}

    result = api.post(ORDERS, an_order_request(channel=..., line_items=[line], customer_id=7))

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert {mistake["pointer"] for mistake in result.json["errors"]} == {
        "/channel",
        "/customer_id",
        "/line_items/0/sku",
        "/line_items/0/quantity",
        "/line_items/0/unit_price",
        "/line_items/0/colour",
    }
    assert api.nothing_happened()


def test_the_header_may_repeat_the_key(api: Api) -> None:
    result = api.post(ORDERS, an_order_request(), headers={"Idempotency-Key": "checkout-4711"})

    assert result.status_code == 201


def test_a_header_that_contradicts_the_key_is_refused(api: Api) -> None:
    result = api.post(ORDERS, an_order_request(), headers={"Idempotency-Key": "checkout-0815"})

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert [mistake["pointer"] for mistake in result.json["errors"]] == ["/idempotency_key"]
    assert api.nothing_happened()


def test_a_key_beyond_ascii_is_the_same_in_header_and_body(api: Api) -> None:
    as_wsgi_hands_it_over = "Schlüssel 🗝".encode().decode("latin-1")

    result = api.post(
        ORDERS,
        an_order_request(idempotency_key="Schlüssel 🗝"),
        headers={"Idempotency-Key": as_wsgi_hands_it_over},
    )

    assert result.status_code == 201


@pytest.mark.parametrize("neighbour", ["tenant", "org"])
def test_a_neighbours_same_key_is_another_order(api: Api, neighbour: str) -> None:
    ours = api.place()
    stranger = a_scope("globex", "globex-furniture")
    theirs_scope = (
        Scope(stranger.tenant_id, api.scope.org_id)
        if neighbour == "tenant"
        else Scope(api.scope.tenant_id, stranger.org_id)
    )

    request = an_order_request(channel="phone", payment_reference="good_card_of_theirs")
    theirs = api.post(ORDERS, request, scope=theirs_scope)

    assert theirs.status_code == 201
    assert UUID(theirs.json["order_id"]) != ours
    assert "idempotent-replayed" not in theirs.headers
    assert (api.orders(), api.orders(theirs_scope)) == (1, 1)


def test_a_payment_reference_backs_one_live_order(api: Api) -> None:
    api.place()

    result = api.post(ORDERS, an_order_request(idempotency_key="checkout-4712"))

    assert (result.status_code, result.json["code"]) == (409, "payment_reference_in_use")
    assert api.orders() == 1


def test_an_unknown_provider_is_named_with_the_ones_that_there_are(api: Api) -> None:
    result = api.post(ORDERS, an_order_request(payment_provider="stripe"))

    assert result.status_code == 400
    assert result.json["errors"] == [
        {
            "pointer": "/payment_provider",
            "message": '"stripe" is not configured; configured: simulated',
        }
    ]


def test_who_placed_the_order_stands_in_its_timeline(api: Api) -> None:
    order = api.get(f"{ORDERS}/{api.place()}").json

    assert [entry["actor"] for entry in order["timeline"]] == ["pat@example.com"]


def test_everything_that_was_sent_comes_back(api: Api) -> None:
    sent = a_full_order_request()
    shown: dict[str, Any] = api.get(f"{ORDERS}/{api.place(**sent)}").json

    assert {name: shown[name] for name in ("idempotency_key", "channel", "platform")} == {
        "idempotency_key": "checkout-4711",
        "channel": "web",
        "platform": "ios",
    }
    assert shown["customer_id"] == sent["customer_id"]
    assert shown["shipping_address"] == sent["shipping_address"]
    assert shown["metadata"] == sent["metadata"]
    assert shown["adjustments"] == [
        {"kind": "shipping", "amount": "4.90", "label": "parcel"},
        {"kind": "discount", "amount": "-5.00", "label": None},
    ]
    assert shown["line_items"] == [
        {
            "number": 1,
            "sku": ARMCHAIR,
            "name": "Armchair, crunchy",
            "quantity": 2,
            "unit_price": "19.99",
            "subtotal": "39.98",
            "location": "hamburg",
            "quantities": {
                "ordered": 2,
                "cancelled": 0,
                "fulfilling": 0,
                "fulfilled": 0,
                "delivered": 0,
                "returning": 0,
                "returned": 0,
                "refunded": 0,
            },
        }
    ]
    assert (shown["currency"], shown["subtotal"], shown["total"]) == ("EUR", "39.98", "39.88")


def test_the_fingerprint_stays_inside(api: Api) -> None:
    order_id = api.place()

    shown = api.get(f"{ORDERS}/{order_id}")

    fingerprint = api.oms.get_order(api.scope, order_id).fingerprint
    assert fingerprint not in shown.text
    assert "fingerprint" not in shown.text
