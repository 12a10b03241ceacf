"""GET /api/v1/oms/orders and /api/v1/oms/orders/{order_id}."""

from urllib.parse import urlencode
from uuid import uuid4

import pytest

from oms_core.domain.scope import Scope
from oms_core.ports.authentication import Role
from oms_core.testing import a_scope
from tests.support.api import ARMCHAIR, ORDERS, Api

CUSTOMER = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
NOON_TEXT = "2031-05-04T12:00:00.123456Z"


def place_several(api: Api, count: int) -> list[str]:
    """Place orders a second apart; returns their ids, newest first."""
    ids = []
    for number in range(count):
        ids.append(str(api.place(idempotency_key=f"k{number}", payment_reference=f"p{number}")))
        api.clock.advance(1)
    return ids[::-1]


# -- one order -------------------------------------------------------------------------------


def test_a_confirmed_order_shows_its_money_its_stock_and_its_timeline(api: Api) -> None:
    api.receive()
    order_id = api.place()
    api.oms.run_until_idle()

    order = api.get(f"{ORDERS}/{order_id}", role=Role.VIEWER).json

    assert (order["status"], order["payment_status"]) == ("confirmed", "authorized")
    assert (order["fulfillment_status"], order["return_status"]) == ("unfulfilled", "none")
    assert (order["reservation"], order["failure"]) == ("held", None)
    assert order["payment"]["provider"] == "simulated"
    assert order["payment"]["reference"] == "good_card_4711"
    assert (order["payment"]["authorized"], order["payment"]["captured"]) == ("39.98", "0.00")
    assert (order["saga"]["state"], order["saga"]["phase"]) == ("finished", "completed")
    assert [step["step"] for step in order["saga"]["steps"]] == [
        "reserve_inventory",
        "authorize_payment",
        "confirm_order",
    ]
    assert [entry["change"] for entry in order["timeline"]] == [
        "order_placed",
        "inventory_reserved",
        "payment_authorized",
        "order_confirmed",
    ]
    assert [entry["sequence"] for entry in order["timeline"]] == [1, 2, 3, 4]
    assert order["created_at"] == NOON_TEXT


def test_a_failed_order_says_why(api: Api) -> None:
    order_id = api.place()
    api.oms.run_until_idle()

    order = api.get(f"{ORDERS}/{order_id}").json

    assert order["status"] == "failed"
    assert order["failure"]["code"] == "out_of_stock"
    assert order["failure"]["message"]
    assert order["saga"]["phase"] == "compensated"


def test_an_order_that_has_not_changed_is_not_sent_again(api: Api) -> None:
    path = f"{ORDERS}/{api.place()}"
    etag = api.get(path).headers["etag"]

    unchanged = api.get(path, headers={"If-None-Match": etag})
    api.receive()
    api.oms.run_until_idle()
    changed = api.get(path, headers={"If-None-Match": etag})

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == etag == '"1"'
    assert changed.status_code == 200
    assert changed.headers["etag"] == f'"{changed.json["version"]}"' != etag


@pytest.mark.parametrize(
    ("if_none_match", "status"),
    [
        ("*", 304),
        ('"1"', 304),
        ('W/"1"', 304),
        ('"0", "1"', 304),
        ('"0"', 200),
        ("1", 200),
        ('"11"', 200),
        ("", 200),
    ],
)
def test_entity_tags_are_compared_as_http_says(api: Api, if_none_match: str, status: int) -> None:
    path = f"{ORDERS}/{api.place()}"

    assert api.get(path, headers={"If-None-Match": if_none_match}).status_code == status


@pytest.mark.parametrize(
    "text",
    ["7", "null", "{id}", "%00", "%F0%28%8C", "x" * 5_000, "{hex}", "urn:uuid:{id}", "%7B{id}%7D"],
)
def test_what_is_no_id_looks_like_an_id_that_nobody_has(api: Api, text: str) -> None:
    own = api.place()
    wrong = text.replace("{hex}", own.hex)
    if "{id}" in wrong:
        wrong = wrong.replace("{id}", str(own if wrong != "{id}" else uuid4()))
    unknown = api.get(f"{ORDERS}/{uuid4()}")
    result = api.get(f"{ORDERS}/{wrong}")

    assert (result.status_code, result.json["code"]) == (404, "order_not_found")
    assert {**result.json, "request_id": ""} == {**unknown.json, "request_id": ""}


def test_an_id_in_capitals_is_the_same_id(api: Api) -> None:
    order_id = str(api.place())

    assert api.get(f"{ORDERS}/{order_id.upper()}").json["order_id"] == order_id


# -- isolation -------------------------------------------------------------------------------


def strangers_of(scope: Scope) -> list[Scope]:
    """List the neighbours: another org of this tenant, this org id elsewhere, and neither."""
    other = a_scope("globex", "globex-furniture")
    return [
        Scope(scope.tenant_id, other.org_id),
        Scope(other.tenant_id, scope.org_id),
        other,
    ]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("role", list(Role))
def test_another_tenants_or_orgs_order_is_exactly_like_an_unknown_one(
    api: Api, number: int, role: Role
) -> None:
    order_id = api.place()
    stranger = strangers_of(api.scope)[number]

    theirs = api.get(f"{ORDERS}/{order_id}", scope=stranger, role=role)
    unknown = api.get(f"{ORDERS}/{uuid4()}", scope=stranger, role=role)

    assert (theirs.status_code, theirs.json["code"]) == (404, "order_not_found")
    assert {**theirs.json, "request_id": ""} == {**unknown.json, "request_id": ""}
    assert set(theirs.headers) == set(unknown.headers)


@pytest.mark.parametrize("number", range(3))
def test_lists_never_hold_what_is_anothers(api: Api, number: int) -> None:
    api.place()
    api.receive()
    stranger = strangers_of(api.scope)[number]

    assert api.get(ORDERS, scope=stranger).json["orders"] == []
    assert api.get("/api/v1/inventory/levels", scope=stranger).json["levels"] == []


@pytest.mark.parametrize("number", range(3))
def test_a_cursor_of_another_scope_shows_only_what_is_ones_own(api: Api, number: int) -> None:
    place_several(api, 3)
    cursor = api.get(ORDERS, params={"limit": "1"}).json["next_cursor"]

    result = api.get(ORDERS, params={"cursor": cursor}, scope=strangers_of(api.scope)[number])

    assert (result.status_code, result.json["orders"]) == (200, [])


# -- lists -----------------------------------------------------------------------------------


def test_without_orders_the_list_is_empty(api: Api) -> None:
    assert api.get(ORDERS).json == {"orders": [], "limit": 50, "offset": 0, "next_cursor": None}


def test_orders_are_listed_newest_first(api: Api) -> None:
    ids = place_several(api, 4)

    listed = api.get(ORDERS, role=Role.VIEWER).json

    assert [order["order_id"] for order in listed["orders"]] == ids
    assert "timeline" not in listed["orders"][0]


def test_offsets_and_cursors_walk_through_the_same_list(api: Api) -> None:
    ids = place_several(api, 5)

    by_offset = api.get(ORDERS, params={"limit": "2", "offset": "2"}).json
    first = api.get(ORDERS, params={"limit": "2"}).json
    second = api.get(ORDERS, params={"limit": "2", "cursor": first["next_cursor"]}).json
    third = api.get(ORDERS, params={"limit": "2", "cursor": second["next_cursor"]}).json

    assert (by_offset["limit"], by_offset["offset"]) == (2, 2)
    assert [order["order_id"] for order in by_offset["orders"]] == ids[2:4]
    assert [o["order_id"] for page in (first, second, third) for o in page["orders"]] == ids
    assert third["next_cursor"] is None


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"status": "confirmed"}, {"web"}),
        ({"status": "pending_payment"}, {"phone"}),
        ({"status": "refunded"}, set()),
        ({"channel": "phone"}, {"phone"}),
        ({"channel": "PHONE"}, set()),
        ({"customer_id": CUSTOMER}, {"phone"}),
        ({"customer_id": CUSTOMER.upper()}, {"phone"}),
        ({"created_from": NOON_TEXT}, {"web", "phone"}),
        ({"created_from": "2031-05-04T14:00:00.2+02:00"}, {"phone"}),
        ({"created_to": NOON_TEXT}, set()),
        ({"created_to": "2031-05-04T12:00:01Z"}, {"web"}),
        ({"channel": "web", "status": "confirmed", "limit": "100", "offset": "0"}, {"web"}),
    ],
)
def test_a_filter_leaves_what_fits(
    api: Api, parameters: dict[str, str], expected: set[str]
) -> None:
    api.receive(ARMCHAIR)
    api.place()
    api.oms.run_until_idle()
    api.clock.advance(1)
    api.place(idempotency_key="k2", payment_reference="p2", channel="phone", customer_id=CUSTOMER)

    listed = api.get(f"{ORDERS}?{urlencode(parameters)}")

    assert listed.status_code == 200, listed.text
    assert {order["channel"] for order in listed.json["orders"]} == expected


MISTAKES = [
    ("limit=0", "/limit"),
    ("limit=101", "/limit"),
    ("limit=-1", "/limit"),
    ("limit=1.0", "/limit"),
    ("limit=1e1", "/limit"),
    ("limit=1_0", "/limit"),
    ("limit=+5", "/limit"),
    ("limit=%205", "/limit"),
    ("limit=05", "/limit"),
    ("limit=%D9%A3", "/limit"),
    ("limit=", "/limit"),
    ("limit", "/limit"),
    ("limit=ten", "/limit"),
    ("limit=" + "9" * 5_000, "/limit"),
    ("limit=5&limit=5", "/limit"),
    ("limit[]=5", "/limit[]"),
    ("Limit=5", "/Limit"),
    ("offset=-1", "/offset"),
    ("offset=1000000001", "/offset"),
    ("offset=99999999999999999999", "/offset"),
    ("offset=1.5", "/offset"),
    ("cursor=", "/cursor"),
    ("cursor=garbage", "/cursor"),
    ("cursor=%00", "/cursor"),
    ("cursor=" + "A" * 4_097, "/cursor"),
    ("status=paid", "/status"),
    ("status=CONFIRMED", "/status"),
    ("status=", "/status"),
    ("status=confirmed,failed", "/status"),
    ("channel=", "/channel"),
    ("channel=" + "x" * 256, "/channel"),
    ("channel=a%0Ab", "/channel"),
    ("channel=a%00b", "/channel"),
    ("channel=%ED%A0%80", ""),
    ("channel=%FF", ""),
    ("customer_id=7", "/customer_id"),
    ("customer_id=%7B7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69%7D", "/customer_id"),
    ("customer_id=7d9f6b1e3c5a4f0b9a571f2d3c4b5a69", "/customer_id"),
    ("created_from=yesterday", "/created_from"),
    ("created_from=2031-05-04", "/created_from"),
    ("created_from=2031-05-04T12:00:00", "/created_from"),
    ("created_from=2031-13-04T12:00:00Z", "/created_from"),
    ("created_from=2031-02-30T12:00:00Z", "/created_from"),
    ("created_from=0001-01-01T00:00:00%2B23:59", "/created_from"),
    ("created_from=9999-12-31T23:59:59-23:59", "/created_from"),
    ("created_from=2031-05-04T12:00:00+02:00", "/created_from"),
    ("created_to=1777900000", "/created_to"),
    ("created_to=", "/created_to"),
    ("page=2", "/page"),
    ("tenant_id=x", "/tenant_id"),
    ("$where=1", "/$where"),
    ("a~/b=1", "/a~0~1b"),
    ("=1", "/"),
    ("&", "/"),
    ("&".join(f"p{n}=1" for n in range(51)), ""),
]


@pytest.mark.parametrize(("query", "pointer"), MISTAKES, ids=[q[:40] for q, _ in MISTAKES])
def test_a_parameter_that_is_wrong_is_refused_by_name(api: Api, query: str, pointer: str) -> None:
    result = api.get(ORDERS, query_string=query)

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert pointer in {mistake["pointer"] for mistake in result.json["errors"]}


def test_all_wrong_parameters_are_told_at_once(api: Api) -> None:
    result = api.get(ORDERS, query_string="limit=0&offset=x&page=2&status=paid&limit=1")

    assert {mistake["pointer"] for mistake in result.json["errors"]} == {
        "/limit",
        "/offset",
        "/page",
        "/status",
    }


def test_a_cursor_and_an_offset_contradict_each_other(api: Api) -> None:
    place_several(api, 2)
    cursor = api.get(ORDERS, params={"limit": "1"}).json["next_cursor"]

    result = api.get(ORDERS, params={"cursor": cursor, "offset": "1"})

    assert (result.status_code, result.json["errors"][0]["pointer"]) == (400, "/offset")


@pytest.mark.parametrize(
    "path", [f"{ORDERS}/0de50000-0000-4000-8000-00000000404f", "/api/v1/inventory/levels"]
)
def test_no_other_address_takes_unknown_parameters(api: Api, path: str) -> None:
    assert api.get(path, query_string="verbose=1").status_code == 400


def test_moments_are_told_in_utc_to_the_microsecond(api: Api) -> None:
    api.place()

    order = api.get(ORDERS).json["orders"][0]

    assert order["created_at"] == NOON_TEXT
