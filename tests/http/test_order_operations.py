"""What is asked of orders over HTTP; every answer is held against the document as well."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest

from oms_core.application.actions import ASKED_BY_PEOPLE
from oms_core.ports.authentication import Role
from oms_core.ports.payments import PaymentRef
from oms_core.testing import a_scope
from oms_entrypoints.http.order_operations import ROUTES
from tests.support.api import ORDERS, Api, document

FORETOLD = {kind for kind, route in ROUTES.items() if route.can_be_foretold}
ABSENT = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"


class Customer:
    """One order and whoever looks after it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.keys = 0
        api.receive()
        self.order_id = api.place()
        self.url = f"{ORDERS}/{self.order_id}"
        self.work()

    def work(self) -> None:
        self.api.oms.run_until_idle()

    def ask(self, path: str, body: object | None = None, **options: Any) -> Any:
        self.keys += 1
        headers = {"Idempotency-Key": f"key-{self.keys}", **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return self.api.call("POST", f"{self.url}/{path}", headers=headers, **options)

    def done(self, path: str, body: object | None = None) -> str:
        """Ask for it, have it done, and return its id."""
        result = self.ask(path, body)
        assert result.status_code in {200, 201, 202}, result.text
        self.work()
        operation_id = str(result.json["operation_id"])
        assert self.api.get(result.headers["location"]).json["state"] == "done"
        return operation_id

    def delivered(self) -> None:
        fulfillment_id = self.done("fulfillments")
        self.done(f"fulfillments/{fulfillment_id}/delivered")

    @property
    def shown(self) -> Any:
        return self.api.get(self.url).json

    @property
    def etag(self) -> str:
        return str(self.api.get(self.url).headers["etag"])


@pytest.fixture
def customer(api: Api) -> Customer:
    return Customer(api)


def paths() -> list[str]:
    """List where anything is asked for, below an order, about parts that nobody has."""
    below = [route.path.partition("{order_id}/")[2] for route in ROUTES.values()]
    return [
        path.replace("{fulfillment_id}", ABSENT).replace("{return_id}", ABSENT) for path in below
    ]


# -- the whole way -----------------------------------------------------------------------------


def test_an_order_goes_its_whole_way_over_http(customer: Customer) -> None:
    first = customer.done(
        "fulfillments",
        {"lines": [{"line": 1, "quantity": 1}], "carrier": "DHL", "tracking_number": "4711"},
    )
    second = customer.done("fulfillments")
    for one in (first, second):
        customer.done(f"fulfillments/{one}/delivered")
    returned = customer.done("returns", {"lines": [{"line": 1, "quantity": 1}], "reason": "torn"})
    customer.done(f"returns/{returned}/approve", {"note": "send it"})
    customer.done(
        f"returns/{returned}/receive",
        {"lines": [{"line": 1, "quantity": 1, "condition": "damaged", "restock": False}]},
    )
    customer.done("refunds", {"lines": [{"line": 1, "quantity": 1}]})
    customer.done("refunds", {})

    shown = customer.shown
    assert shown["status"] == "refunded"
    assert shown["line_items"][0]["quantities"] == {
        "ordered": 2,
        "cancelled": 0,
        "fulfilling": 0,
        "fulfilled": 2,
        "delivered": 2,
        "returning": 0,
        "returned": 1,
        "refunded": 1,
    }
    assert [one["fulfillment_id"] for one in shown["fulfillments"]] == [first, second]
    assert shown["fulfillments"][0]["tracking"] == {"carrier": "DHL", "number": "4711", "url": None}
    assert shown["returns"][0]["receipts"][0]["lines"][0]["condition"] == "damaged"
    assert [one["amount"] for one in shown["captures"]] == ["19.99", "19.99"]
    assert [one["amount"] for one in shown["refunds"]] == ["19.99", "19.99"]
    kinds = [one["kind"] for one in shown["operations"] if one["actor"] != "system"]
    assert kinds == [
        "fulfill",
        "fulfill",
        "deliver",
        "deliver",
        "request_return",
        "approve_return",
        "receive_return",
        "refund",
        "refund",
    ]
    assert customer.api.on_hand() == 98


def test_a_return_may_be_rejected_and_an_order_completed(customer: Customer) -> None:
    customer.delivered()
    customer.done("complete")
    returned = customer.done("returns")

    customer.done(f"returns/{returned}/reject", {"note": "worn"})

    shown = customer.shown
    assert shown["status"] == "completed"
    assert (shown["returns"][0]["state"], shown["returns"][0]["decision"]) == ("rejected", "worn")


def test_an_order_is_cancelled_and_a_capture_asked_for(api: Api) -> None:
    customer = Customer(api)
    customer.done("capture", {"amount": "10.00"})
    assert customer.shown["payment"]["captured"] == "10.00"
    other = api.place(idempotency_key="checkout-2", payment_reference="good_card_2")

    asked = api.call(
        "POST", f"{ORDERS}/{other}/cancel", headers={"Idempotency-Key": "end"}, json={}
    )
    customer.work()

    assert asked.status_code == 202
    assert api.get(f"{ORDERS}/{other}").json["status"] == "cancelled"


# -- keys and versions ------------------------------------------------------------------------


def test_a_repeat_is_answered_alike_and_says_so(customer: Customer) -> None:
    headers = {"Idempotency-Key": "parcel-1", "If-Match": customer.etag}

    first = customer.ask("fulfillments", {}, headers=headers)
    customer.work()
    again = customer.ask("fulfillments", {}, headers=headers)

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.headers["location"] == again.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (first.json["state"], again.json["state"]) == ("running", "done")
    assert len(customer.shown["fulfillments"]) == 1


def test_a_key_with_another_request_is_refused(customer: Customer) -> None:
    headers = {"Idempotency-Key": "parcel-1"}
    customer.ask("fulfillments", {"lines": [{"line": 1, "quantity": 1}]}, headers=headers)

    for path in ("fulfillments", "cancel"):
        result = customer.ask(path, {}, headers=headers)
        assert (result.status_code, result.json["code"]) == (422, "idempotency_key_reused")


def test_one_key_from_32_threads_at_once_is_one_operation(customer: Customer) -> None:
    barrier = Barrier(32)

    def ask(_: int) -> Any:
        barrier.wait()
        return customer.ask(
            "fulfillments",
            {"lines": [{"line": 1, "quantity": 1}]},
            headers={"Idempotency-Key": "parcel-1"},
        )

    with ThreadPoolExecutor(32) as threads:
        results = list(threads.map(ask, range(32)))
    customer.work()

    assert {result.status_code for result in results} == {202}
    assert len({result.json["operation_id"] for result in results}) == 1
    assert sum("idempotent-replayed" not in result.headers for result in results) == 1
    assert len(customer.shown["fulfillments"]) == 1


@pytest.mark.parametrize("path", ["cancel", "capture", "fulfillments"])
def test_whoever_decided_on_an_older_order_is_refused(customer: Customer, path: str) -> None:
    stale = customer.etag
    customer.ask("capture", {"amount": "1.00"})
    before = customer.shown

    for query in ("", "dry_run=true"):
        result = customer.ask(path, {}, headers={"If-Match": stale}, query_string=query)
        assert (result.status_code, result.json["code"]) == (412, "version_mismatch")
    assert customer.shown == before


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ("*", 202),
        ("{}", 202),
        ('"999", {}', 202),
        ("W/{}", 412),
        ('"999"', 412),
        ('"0999", "x"', 412),
    ],
)
def test_if_match_compares_strongly(customer: Customer, if_match: str, status: int) -> None:
    headers = {"If-Match": if_match.replace("{}", customer.etag)}

    assert customer.ask("capture", {}, headers=headers).status_code == status


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", paths())
def test_all_mistakes_of_headers_query_and_body_come_at_once(customer: Customer, path: str) -> None:
    before = customer.shown
    result = customer.ask(
        path,
        {"surprise": 1},
        headers={"Idempotency-Key": "", "If-Match": "4"},
        query_string="colour=red",
    )

    assert result.status_code == 400
    assert [mistake["pointer"] for mistake in result.json["errors"]] == [
        "/colour",
        "/Idempotency-Key",
        "/If-Match",
        "/surprise",
    ]
    assert customer.shown == before


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("cancel", {"reason": ""}, "/reason"),
        ("cancel", {"reason": 7}, "/reason"),
        ("cancel", {"reason": "x" * 501}, "/reason"),
        ("cancel", [], ""),
        ("cancel", "text", ""),
        ("capture", {"amount": "-1"}, "/amount"),
        ("capture", {"amount": "1.001"}, "/amount"),
        ("capture", {"amount": "0"}, "/amount"),
        ("capture", {"amount": True}, "/amount"),
        ("capture", {"final": "yes"}, "/final"),
        ("fulfillments", {"lines": [{"line": 1}]}, "/lines/0/quantity"),
        ("fulfillments", {"lines": [{"line": 0, "quantity": 1}]}, "/lines/0/line"),
        ("fulfillments", {"lines": [{"line": 9, "quantity": 1}]}, "/lines/0/line"),
        ("fulfillments", {"lines": [{"line": 1, "quantity": 1}] * 2}, "/lines/1/line"),
        ("fulfillments", {"lines": [{"line": 1, "quantity": 1.5}]}, "/lines/0/quantity"),
        ("fulfillments", {"lines": {}}, "/lines"),
        ("fulfillments", {"tracking_url": "javascript:alert(1)"}, "/tracking_url"),
        ("fulfillments", {"carrier": "a\nb"}, "/carrier"),
        ("complete", {"note": "x"}, "/note"),
        ("returns", {"lines": [{"line": 1, "quantity": 10**9}]}, "/lines/0/quantity"),
        ("refunds", {"amount": "1.00", "lines": [{"line": 1, "quantity": 1}]}, "/amount"),
        ("refunds", {"amount": "1e400"}, "/amount"),
        ("refunds", {"amount": 10**15}, "/amount"),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_its_place(
    customer: Customer, path: str, body: object, pointer: str
) -> None:
    before = customer.shown
    result = customer.ask(path, body)

    if path == "refunds" and result.status_code == 409:
        pytest.fail("the body is judged before the order")
    assert result.status_code == 400
    assert pointer in {mistake["pointer"] for mistake in result.json["errors"]}
    assert customer.shown == before


@pytest.mark.parametrize("query", ["dry_run=1", "dry_run=", "dry_run=true&dry_run=true", "dry=1"])
def test_a_dry_run_is_asked_for_in_one_way_only(customer: Customer, query: str) -> None:
    before = customer.shown

    assert customer.ask("cancel", {}, query_string=query).status_code == 400
    assert customer.shown == before


def test_a_body_may_be_missing_but_not_be_something_else(customer: Customer) -> None:
    url, headers = f"{customer.url}/capture", {"Idempotency-Key": "all"}

    text = customer.api.post_raw(url, b"{}", headers={**headers, "Content-Type": "text/plain"})
    cut = customer.api.post_raw(url, b"{", headers=headers)
    large = customer.api.post_raw(url, b" " * 1_100_000, headers=headers)
    missing = customer.api.call("POST", url, headers=headers)

    assert [one.status_code for one in (text, cut, large, missing)] == [415, 400, 413, 202]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("complete", "Not everything has been delivered yet."),
        ("returns", "The order is confirmed; a return can be asked for once it is delivered"),
        ("refunds", "The order is confirmed; money is given back once goods came back"),
    ],
)
def test_what_is_not_possible_is_refused_as_the_list_of_actions_says(
    customer: Customer, path: str, sentence: str
) -> None:
    result = customer.ask(path, {})

    assert (result.status_code, result.json["code"]) == (409, "not_possible")
    assert result.json["detail"].startswith(sentence)
    listed = customer.api.get(f"{customer.url}/actions").json["actions"]
    (action,) = [one for one in listed if one["path"] == f"{customer.url}/{path}"]
    assert (action["allowed"], action["why_not"]) == (False, result.json["detail"])


def test_more_than_there_is_is_refused_and_nothing_is_half_done(customer: Customer) -> None:
    two_many = customer.ask(
        "fulfillments", {"lines": [{"line": 1, "quantity": 3}], "carrier": "DHL"}
    )
    too_much = customer.ask("capture", {"amount": "40.00"})

    assert two_many.json["detail"] == "Line 1 (CRUNCHY-ARMCHAIR) has 2 left to fulfill, not 3."
    assert too_much.json["detail"] == "Only 39.98 USD can be captured, not 40.00 USD."
    shown = customer.shown
    assert shown["fulfillments"] == shown["captures"] == []
    assert {one["actor"] for one in shown["operations"]} <= {"system"}


# -- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", paths())
def test_a_viewer_asks_for_nothing(customer: Customer, path: str) -> None:
    assert customer.ask(path, {}, role=Role.VIEWER).status_code == 403


@pytest.mark.parametrize("path", ["actions", "timeline", "operations/{}"])
def test_a_viewer_reads(customer: Customer, path: str) -> None:
    path = path.replace("{}", customer.done("capture"))

    for method in ("GET", "HEAD"):
        result = customer.api.call(method, f"{customer.url}/{path}", role=Role.VIEWER)
        assert result.status_code == 200
    assert customer.api.get(f"{customer.url}/{path}", query_string="x=1").status_code == 400


@pytest.mark.parametrize("path", [*paths(), "actions", "timeline", "operations/{}"])
def test_of_others_orders_nothing_can_be_learnt_or_changed(customer: Customer, path: str) -> None:
    method = "POST" if path in paths() else "GET"
    operation_id = customer.done("capture")
    before = customer.shown
    path = path.replace("{}", operation_id)

    answers = [
        customer.api.call(
            method,
            f"{ORDERS}/{order_id}/{path}",
            headers={"Idempotency-Key": "stranger"},
            scope=scope,
        )
        for order_id, scope in (
            (customer.order_id, a_scope("globex", "globex-furniture")),
            (customer.order_id, a_scope(org="another")),
            (uuid4(), None),
            ("no-id-at-all", None),
        )
    ]

    assert {(one.status_code, one.json["code"]) for one in answers} in (
        {(404, "order_not_found")},
        {(404, "order_not_found"), (404, "part_not_found")},
    )
    assert {one.json["code"] for one in answers[:2]} == {"order_not_found"}
    assert len({one.json["detail"] for one in answers[:2]}) == 1
    assert customer.shown == before


@pytest.mark.parametrize("part", [ABSENT, "no-id-at-all", "%00", "x" * 300])
@pytest.mark.parametrize("path", ["fulfillments/{}/delivered", "returns/{}/approve"])
def test_a_part_that_the_order_does_not_have_is_not_found(
    customer: Customer, path: str, part: str
) -> None:
    result = customer.ask(path.replace("{}", part), {})

    assert (result.status_code, result.json["code"]) == (404, "part_not_found")


def test_an_operation_that_was_never_asked_for_is_not_found(customer: Customer) -> None:
    for operation_id in (ABSENT, "no-id-at-all"):
        result = customer.api.get(f"{customer.url}/operations/{operation_id}")
        assert (result.status_code, result.json["code"]) == (404, "part_not_found")


# -- foretelling -----------------------------------------------------------------------------


def test_a_dry_run_tells_money_stock_and_status_and_changes_nothing(customer: Customer) -> None:
    before = customer.shown

    result = customer.ask(
        "fulfillments",
        {"lines": [{"line": 1, "quantity": 1}]},
        query_string="dry_run=true",
        headers={"Idempotency-Key": ""},
    )

    assert result.status_code == 200
    told = result.json
    assert (told["captured"], told["refunded"], told["released"]) == ("19.99", "0.00", "0.00")
    assert told["stock"] == [
        {
            "sku": "CRUNCHY-ARMCHAIR",
            "location": "default",
            "on_hand_delta": -1,
            "reserved_delta": -1,
        }
    ]
    assert told["before"]["status"] == "confirmed"
    assert told["after"]["status"] == "partially_fulfilled"
    assert customer.shown == before
    assert customer.api.on_hand() == 100


@pytest.mark.parametrize("kind", sorted(FORETOLD))
def test_a_dry_run_is_refused_as_the_thing_itself(customer: Customer, kind: str) -> None:
    customer.done("cancel")
    path = next(route.path for name, route in ROUTES.items() if name == kind)
    below = path.partition("{order_id}/")[2]

    told = customer.ask(below, {}, query_string="dry_run=true")
    asked = customer.ask(below, {}, query_string="dry_run=false")

    assert (told.status_code, told.json["detail"]) == (409, asked.json["detail"])


def test_a_dry_run_needs_no_key_but_refuses_a_bad_one(customer: Customer) -> None:
    result = customer.ask(
        "cancel", {}, query_string="dry_run=true", headers={"Idempotency-Key": "x" * 256}
    )

    assert result.status_code == 400


# -- actions and timeline ----------------------------------------------------------------------


def test_every_action_is_listed_where_it_is_asked_for(customer: Customer) -> None:
    listed = customer.api.get(f"{customer.url}/actions").json

    assert listed["order_id"] == str(customer.order_id)
    assert {one["kind"] for one in listed["actions"]} == set(ASKED_BY_PEOPLE) == set(ROUTES)
    assert {one["path"].replace(str(customer.order_id), "{order_id}") for one in listed["actions"]}
    documented = {path for path, operations in document()["paths"].items() if "post" in operations}
    assert {route.path for route in ROUTES.values()} <= documented


def test_an_allowed_action_can_be_asked_for_at_its_path(customer: Customer) -> None:
    customer.delivered()
    customer.done("returns")
    listed = customer.api.get(f"{customer.url}/actions").json["actions"]

    approve = next(one for one in listed if one["kind"] == "approve_return")
    result = customer.api.call(
        approve["method"], approve["path"], headers={"Idempotency-Key": "yes"}
    )

    assert approve["allowed"]
    assert approve["path"].endswith(f"/returns/{approve['subject']}/approve")
    assert result.status_code == 200


def test_the_timeline_holds_changes_attempts_answers_actions_and_notifications(
    api: Api,
) -> None:
    customer = Customer(api)
    customer.done("capture", {"amount": "10.00"})
    customer.ask("fulfillments", {})
    customer.work()
    ref = PaymentRef(api.scope.tenant_id, "good_card_4711")
    for one in api.payments.notifications(ref):
        url = f"/webhooks/simulated/{api.scope.tenant_id}"
        assert api.post_raw(url, one.body, headers=dict(one.headers)).status_code == 204
    customer.work()

    told = api.get(f"{customer.url}/timeline").json["timeline"]

    assert {entry["kind"] for entry in told} == {
        "change",
        "action",
        "provider",
        "attempt",
        "notification",
    }
    moments = [entry["at"] for entry in told]
    assert moments == sorted(moments)
    history = [entry["change"] for entry in customer.shown["timeline"]]
    changes = [e["what"] for e in told if e["status_after"] is not None]
    assert changes == history
    asked = [(e["what"], e["actor"]) for e in told if e["kind"] == "action"]
    assert ("capture_requested", "pat@example.com") in asked
    assert ("fulfillment_requested", "pat@example.com") in asked
    attempts = {(e["facts"]["saga"], e["what"]) for e in told if e["kind"] == "attempt"}
    assert {("place_order", "authorize_payment"), ("fulfill_order", "ship_goods")} <= attempts
