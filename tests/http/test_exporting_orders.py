"""GET /api/v1/oms/orders/export: everything as one stream, with a record of the end."""

import csv
import gc
import io
import json
from collections.abc import Callable
from datetime import timedelta
from http.client import HTTPConnection, IncompleteRead
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from attrs import evolve
from falcon.testing import create_environ

from oms_adapters.storage.memory import MemoryStorage
from oms_core.application.place_order import PlaceOrder
from oms_core.application.request_reader import read
from oms_core.domain.order import Order
from oms_core.domain.rules import fields_of
from oms_core.domain.scope import Scope
from oms_core.errors import StoreUnavailable
from oms_core.ports.authentication import Role
from oms_core.ports.storage import OrderPage, OrderQuery
from oms_core.testing import NOON, a_scope, an_order
from oms_entrypoints.bulk.order_export import PAGE
from oms_entrypoints.bulk.order_request import request_of
from oms_entrypoints.bulk.order_table import FORMULA_STARTS, NAMES, guarded
from oms_entrypoints.http.order_export import AT_ONCE_MAX
from oms_entrypoints.http.server import serve
from oms_entrypoints.http.settings import HttpSettings, WsgiServer
from tests.support.api import ORDERS, Api, a_full_order_request

EXPORT = f"{ORDERS}/export"
CUSTOMER = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def fill(api: Api, count: int, scope: Scope | None = None) -> None:
    """Store orders of one moment each, past HTTP."""
    scope = scope or api.scope
    for number in range(count):
        reference = f"{scope.org_id}-{number}"
        api.storage.add(an_order(f"order-{number}", scope=scope, payment_reference=reference))


# -- what comes ------------------------------------------------------------------------------


def test_every_order_comes_as_the_list_shows_it_and_then_the_end(api: Api) -> None:
    api.receive()
    api.place(**a_full_order_request(idempotency_key="first", payment_reference="p1"))
    api.clock.advance(1)
    api.place(idempotency_key="second", payment_reference="p2")
    api.oms.run_until_idle()

    result = api.get(EXPORT, role=Role.VIEWER)

    *orders, end = lines_of(result.text)
    assert result.headers["content-type"] == "application/x-ndjson"
    assert orders == api.get(ORDERS).json["orders"]
    assert [order["idempotency_key"] for order in orders] == ["second", "first"]
    assert end == {"end": {"orders": 2}}


def test_more_than_a_page_comes_whole_and_without_repeats(api: Api) -> None:
    fill(api, 2 * PAGE + 1)

    *orders, end = lines_of(api.get(EXPORT).text)

    assert {order["idempotency_key"] for order in orders} == {
        f"order-{number}" for number in range(2 * PAGE + 1)
    }
    assert end == {"end": {"orders": len(orders)}} == {"end": {"orders": 2 * PAGE + 1}}


@pytest.mark.parametrize("form", ["ndjson", "csv", "requests"])
def test_no_orders_are_an_end_alone(api: Api, form: str) -> None:
    text = api.get(f"{EXPORT}?format={form}").text

    if form == "csv":
        (end,) = rows_of(text)
        assert (end["record"], end["number"]) == ("end", "0")
    else:
        assert text == '{"end":{"orders":0}}\n'


def test_requests_are_what_post_takes_and_change_nothing_where_the_order_is(api: Api) -> None:
    api.place(**a_full_order_request())
    *requests, _ = lines_of(api.get(f"{EXPORT}?format=requests").text)

    answers = [api.post(ORDERS, request) for request in requests]

    assert [answer.headers.get("idempotent-replayed") for answer in answers] == ["true"]
    assert api.orders() == 1


def test_the_table_has_a_row_for_each_order(api: Api) -> None:
    api.place(
        **a_full_order_request(
            line_items=[
                {"sku": "ARMCHAIR", "quantity": 2, "unit_price": "19.99"},
                {"sku": "LAMP", "quantity": 1, "unit_price": "5.00"},
            ]
        )
    )

    result = api.get(f"{EXPORT}?format=csv")

    order, end = rows_of(result.text)
    assert result.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert result.text.count("\r\n") == result.text.count("\n") == 3
    assert (order["record"], order["number"], order["items"], order["pieces"]) == (
        "order",
        "1",
        "2 x ARMCHAIR; 1 x LAMP",
        "3",
    )
    assert (order["subtotal"], order["total"], order["currency"]) == ("44.98", "44.88", "EUR")
    assert order["ship_to_city"] == "Hamburg"
    assert json.loads(order["metadata"]) == {"campaign": "autumn"}
    assert (end["record"], end["number"]) == ("end", "1")
    assert set(order) == set(NAMES)


@pytest.mark.parametrize("start", sorted(FORMULA_STARTS - {"\t", "\r", "\n"}))
def test_no_cell_from_outside_is_a_formula(api: Api, start: str) -> None:
    evil = f'{start}HYPERLINK("http://evil.example.com","click")'
    address = {
        "name": evil,
        "line1": evil,
        "line2": evil,
        "city": evil,
        "region": evil,
        "postal_code": evil,
        "country": "DE",
        "phone": evil[:50],
    }
    api.place(
        idempotency_key=evil,
        payment_reference=evil,
        channel=evil,
        platform=evil,
        line_items=[{"sku": evil, "quantity": 1, "unit_price": "1.00"}],
        shipping_address=address,
        metadata={evil: evil},
    )

    order, _ = rows_of(api.get(f"{EXPORT}?format=csv").text)

    assert order["idempotency_key"] == f"'{evil}"
    assert [cell for cell in order.values() if cell[:1] in FORMULA_STARTS] == []


def test_a_line_break_and_a_quotation_mark_stay_in_their_cell(api: Api) -> None:
    name = 'Pat "the cat"\r\n=1+1, Example'
    api.place(
        **a_full_order_request(
            shipping_address={
                "name": name,
                "line1": "\t=1+1",
                "city": "Hamburg",
                "country": "DE",
            }
        )
    )

    order, _ = rows_of(api.get(f"{EXPORT}?format=csv").text)

    assert (order["ship_to_name"], order["ship_to_line1"]) == (name, "'\t=1+1")
    assert guarded("plain-text") == "plain-text"


@pytest.mark.parametrize(
    ("accept", "query", "media_type"),
    [
        ("", "", "application/x-ndjson"),
        ("*/*", "", "application/x-ndjson"),
        ("text/csv", "", "text/csv"),
        ("text/*", "", "text/csv"),
        ("application/x-ndjson, text/csv;q=0.5", "", "application/x-ndjson"),
        ("application/x-ndjson;q=0.1, text/csv", "", "text/csv"),
        ("text/csv", "?format=ndjson", "application/x-ndjson"),
        ("application/json", "?format=csv", "text/csv"),
        ("image/png", "", "application/x-ndjson"),
        ('/;;,"', "", "application/x-ndjson"),
    ],
)
def test_the_parameter_chooses_the_form_and_without_it_accept(
    api: Api, accept: str, query: str, media_type: str
) -> None:
    result = api.get(EXPORT + query, headers={"Accept": accept})

    assert result.status_code == 200
    assert result.headers["content-type"].partition(";")[0] == media_type


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"status": "pending_payment"}, ["k2", "k1", "k0"]),
        ({"status": "failed"}, []),
        ({"channel": "web"}, ["k2", "k0"]),
        ({"customer_id": CUSTOMER}, ["k1"]),
        ({"created_from": "2031-05-04T12:00:01.123456Z"}, ["k2", "k1"]),
        ({"created_to": "2031-05-04T12:00:01.123456Z"}, ["k0"]),
    ],
)
def test_the_filters_are_those_of_the_list(
    api: Api, parameters: dict[str, str], expected: list[str]
) -> None:
    for number in range(3):
        changes = {"channel": "till", "customer_id": CUSTOMER} if number == 1 else {}
        api.place(idempotency_key=f"k{number}", payment_reference=f"p{number}", **changes)
        api.clock.advance(1)

    *orders, end = lines_of(api.get(f"{EXPORT}?{urlencode(parameters)}").text)

    assert [order["idempotency_key"] for order in orders] == expected
    assert end == {"end": {"orders": len(expected)}}
    listed = api.get(f"{ORDERS}?{urlencode(parameters)}").json["orders"]
    assert orders == listed


# -- what does not come ----------------------------------------------------------------------


def test_orders_of_other_tenants_and_organizations_do_not_come(api: Api) -> None:
    rival = a_scope("rival")
    sister = evolve(api.scope, org_id=uuid4())
    fill(api, 3)
    for scope in (rival, sister):
        fill(api, 2, scope)

    for scope, orders in ((api.scope, 3), (rival, 2), (sister, 2), (a_scope("nobody"), 0)):
        *shown, end = lines_of(api.get(EXPORT, scope=scope).text)
        assert (len(shown), end) == (orders, {"end": {"orders": orders}})
    refused = api.get(EXPORT, headers={"X-Tenant-ID": str(rival.tenant_id)})
    assert refused.status_code == 403


class Growing(MemoryStorage):
    """A store to which others add an order whenever a page was read."""

    late = 0

    def list_orders(self, scope: Scope, query: OrderQuery) -> OrderPage:
        page = super().list_orders(scope, query)
        self.late += 1
        at = NOON + timedelta(seconds=self.late)
        self.add(an_order(f"late-{self.late}", scope=scope, at=at))
        return page


def test_orders_that_are_accepted_meanwhile_neither_come_nor_hide_others() -> None:
    growing = Growing()
    api = Api(storage=growing)
    fill(api, 3 * PAGE)

    *orders, end = lines_of(api.get(EXPORT).text)

    assert [o["idempotency_key"] for o in orders if "late" in o["idempotency_key"]] == []
    assert {o["idempotency_key"] for o in orders} == {f"order-{n}" for n in range(3 * PAGE)}
    assert end == {"end": {"orders": 3 * PAGE}}
    assert growing.late >= 3


@pytest.mark.parametrize(
    "query",
    [
        "format=xml",
        "format=NDJSON",
        "format=",
        "format=csv&format=csv",
        "limit=10",
        "cursor=abc",
        "offset=0",
        "status=lost",
        "status=",
        "channel=",
        "channel=%00",
        "channel=%FF",
        f"channel={'x' * 256}",
        "customer_id=7",
        "created_from=yesterday",
        "created_from=2031-02-30T00:00:00Z",
        "created_to=2031-05-04",
        "tenant_id=11111111-1111-4111-8111-111111111111",
        "=",
        "&",
        "status[$ne]=failed",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_malformed_parameters_are_refused(api: Api, query: str, method: str) -> None:
    result = api.call(method, EXPORT, query_string=query)

    assert result.status_code == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_can_only_be_read(api: Api, method: str) -> None:
    result = api._client.simulate_request(method, EXPORT, headers=api.headers())

    assert result.status_code == 405


def test_head_tells_what_would_come_and_takes_no_place(api: Api) -> None:
    for _ in range(AT_ONCE_MAX + 1):
        result = api.call("HEAD", f"{EXPORT}?format=csv")
        assert (result.status_code, result.content) == (200, b"")
        assert result.headers["content-type"].startswith("text/csv")


# -- when it goes wrong ----------------------------------------------------------------------


class Failing(MemoryStorage):
    """A store that answers so many times, and then not."""

    answers = 0

    def list_orders(self, scope: Scope, query: OrderQuery) -> OrderPage:
        if self.answers == 0:
            raise StoreUnavailable("unplugged")
        self.answers -= 1
        return super().list_orders(scope, query)


def test_a_store_that_is_down_from_the_beginning_is_told_with_a_status() -> None:
    api = Api(storage=Failing())

    for _ in range(AT_ONCE_MAX + 1):
        assert api.get(EXPORT).status_code == 503


def test_a_store_that_fails_in_the_middle_cuts_the_stream_without_its_end() -> None:
    failing = Failing()
    api = Api(storage=failing)
    fill(api, 2 * PAGE)

    for _ in range(AT_ONCE_MAX + 1):
        failing.answers = 1
        taken: list[bytes] = []
        with pytest.raises(StoreUnavailable):
            take(api, taken.append)
        assert b"".join(taken).count(b"\n") == PAGE
        assert b'{"end"' not in b"".join(taken)
    assert "export cut off" in api.log.getvalue()


def take(api: Api, each: Callable[[bytes], object]) -> None:
    """Read an export as a server does: piece by piece, and close it in the end."""
    stream = begun(api)
    try:
        for piece in stream:
            each(piece)
    finally:
        stream.close()


def begun(api: Api) -> Any:
    statuses: list[str] = []
    app: Any = api.app
    stream: Any = app(
        create_environ(path=EXPORT, headers=api.headers()),
        lambda status, _: statuses.append(status),
    )
    assert statuses == ["200 OK"]
    return stream


@pytest.mark.parametrize("wsgi", ["waitress", "granian"])
def test_a_stream_over_a_real_connection_is_whole_or_lacks_its_end(wsgi: WsgiServer) -> None:
    """Granian ends an answer that failed as if it were whole: only the record tells."""
    failing = Failing()
    api = Api(storage=failing)
    fill(api, 2 * PAGE)
    server = serve(api.app, HttpSettings(port=0, threads=4, wsgi=wsgi))

    def export(answers: int) -> bytes:
        failing.answers = answers
        connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", EXPORT, headers=api.headers())
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Transfer-Encoding")) == (200, "chunked")
        try:
            return answer.read()
        except IncompleteRead as cut:
            return cut.partial
        finally:
            connection.close()

    try:
        taken = [export(answers) for answers in (2, *([1] * (AT_ONCE_MAX + 1)), 2)]
    finally:
        server.stop(0)

    lines = [2 * PAGE + 1, *([PAGE] * (AT_ONCE_MAX + 1)), 2 * PAGE + 1]
    assert [content.count(b"\n") for content in taken] == lines
    ends = [content.endswith(b'{"end":{"orders":400}}\n') for content in taken]
    assert ends == [True, *([False] * (AT_ONCE_MAX + 1)), True]


def test_more_exports_than_there_are_places_for_are_asked_to_come_again(api: Api) -> None:
    fill(api, 2 * PAGE)
    streams = [begun(api) for _ in range(AT_ONCE_MAX)]
    next(streams[0])

    refused = api.get(EXPORT)
    streams[0].close()
    after = api.get(EXPORT)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert after.status_code == 200, "whoever goes away in the middle leaves the place"
    assert len(streams) == AT_ONCE_MAX


def test_a_stream_that_is_never_begun_leaves_its_place(api: Api) -> None:
    for _ in range(AT_ONCE_MAX + 1):
        begun(api)
        gc.collect()

    assert api.get(EXPORT).status_code == 200


def test_every_field_of_an_order_that_is_asked_for_is_in_its_request() -> None:
    """An order that learns a field must be placed again with it."""
    api = Api()
    order_id = api.place(**a_full_order_request())
    order: Order = api.oms.get_order(api.scope, order_id)

    request = request_of(order)

    assert set(request) == {field.name for field in fields_of(PlaceOrder)}
    assert set(request["line_items"][0]) == set(a_full_order_request()["line_items"][0])
    assert set(request["shipping_address"]) == set(a_full_order_request()["shipping_address"])
    assert read(PlaceOrder, request).fingerprint == order.fingerprint
