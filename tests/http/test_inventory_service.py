"""The contract of an inventory service: its document, our server and our client."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.datastructures import Headers

from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    AlreadyCommitted,
    Demand,
    OutOfStock,
    Reserved,
    Shortage,
    StockItem,
    StockMovement,
)
from oms_core.errors import (
    IdempotencyKeyReused,
    InsufficientStock,
    InvalidInput,
    InventoryUnusable,
)
from oms_core.ports.authentication import Role
from oms_core.testing import SimulatedClock, a_scope
from oms_entrypoints.http.openapi.document import inventory_service_document
from tests.support import pages
from tests.support.api import LEVELS, Api, JsonObject
from tests.support.http_faults import FaultyHttpServer, HttpAnswer, HttpRequest
from tests.support.stock_service import StockService, client_of

RESERVATIONS = "/api/v1/inventory/reservations"
MOVEMENTS = "/api/v1/inventory/movements"
ARMCHAIR = StockItem("CRUNCHY-ARMCHAIR")
SCOPE = a_scope()


def a_wish(**changes: Any) -> JsonObject:
    demand = {"sku": ARMCHAIR.sku, "location": "default", "quantity": 2}
    return {"reservation_id": "order-4711", "demands": [demand], **changes}


def a_movement(**changes: Any) -> JsonObject:
    return {
        "movement_id": "delivery-4711",
        "sku": ARMCHAIR.sku,
        "location": "default",
        "quantity_delta": 3,
        "reason": "delivery 4711",
        "at": "2031-05-04T12:00:00.000001Z",
        "actor": "pat@example.com",
        **changes,
    }


# -- the document ----------------------------------------------------------------------------


def test_the_contract_in_the_documentation_is_what_the_server_does() -> None:
    """If not: python -m oms_entrypoints.http.openapi > docs/inventory-service.json."""
    written = json.loads((pages.DOCS / "inventory-service.json").read_text(encoding="utf-8"))

    assert written == inventory_service_document()
    assert len(written["paths"]) == 8


def test_the_contract_is_a_valid_openapi_document() -> None:
    OpenAPIV31SpecValidator(inventory_service_document()).validate()


class _Wire:
    """What went over the wire, as openapi-core wants to see it."""

    content_type = "application/json"
    host_url = "http://127.0.0.1"

    def __init__(self, request: HttpRequest, answer: HttpAnswer | None = None) -> None:
        self.path = self.path_pattern = request.path
        self.method = request.method.lower()
        self.body = request.body or None
        self.parameters = RequestParameters(
            query=dict(request.query), header=Headers(dict(request.headers)), path={}, cookie={}
        )
        if answer is not None:
            self.status_code = answer.status
            self.data = answer.body
            self.headers = {name: str(value) for name, value in answer.headers.items()}
            self.content_type = self.headers.get("content-type", "")


def test_every_request_of_the_client_and_every_answer_of_the_server_is_of_the_contract() -> None:
    service = StockService(SimulatedClock())
    exchanges: list[tuple[HttpRequest, HttpAnswer]] = []

    def answer(request: HttpRequest) -> HttpAnswer:
        exchanges.append((request, service.answer(request)))
        return exchanges[-1][1]

    with FaultyHttpServer(answer) as server, client_of(server.url) as inventory:
        _use_everything(inventory)

    contract = OpenAPI.from_dict(inventory_service_document())
    for request, given in exchanges:
        contract.validate_request(_Wire(request))
        contract.validate_response(_Wire(request), _Wire(request, given))
    called = {(request.method.lower(), request.path) for request, _ in exchanges}
    assert called == {
        (method, path)
        for path, operations in inventory_service_document()["paths"].items()
        for method in operations
    }


def _use_everything(inventory: Any) -> None:
    """Make every call, and meet every outcome."""
    soft = Allocation(AllocationModel.SOFT, ttl_s=0.0305)

    def movement(name: str, delta: int) -> StockMovement:
        return StockMovement(name, ARMCHAIR, delta, "tab\there", SimulatedClock().now(), "")

    inventory.ping()
    inventory.adjust(SCOPE, movement("in", 3))
    for refused, entry in (
        (InsufficientStock, movement("out", -4)),
        (IdempotencyKeyReused, movement("in", 4)),
    ):
        with pytest.raises(refused):
            inventory.adjust(SCOPE, entry)
    wanted = [Demand(ARMCHAIR, 2)]
    assert inventory.reserve(SCOPE, "a", wanted, allocation=soft) == Reserved()
    short = OutOfStock([Shortage(ARMCHAIR, 2, 1)])
    assert inventory.reserve(SCOPE, "b", wanted, allocation=Allocation()) == short
    inventory.harden(SCOPE, "a")
    inventory.commit_part(SCOPE, "a", "a/1", [Demand(ARMCHAIR, 1)], actor="worker")
    inventory.commit(SCOPE, "a", actor="worker")
    assert inventory.release(SCOPE, "a") == AlreadyCommitted()
    inventory.release(SCOPE, "c")
    inventory.levels(SCOPE, items=[ARMCHAIR])
    inventory.levels(SCOPE, sku="a", location="line\nbreak", limit=1)
    assert len(inventory.movements(SCOPE, ARMCHAIR)) == 3


# -- the server ------------------------------------------------------------------------------


def test_what_becomes_of_a_reservation_is_an_answer_and_not_a_refusal(api: Api) -> None:
    api.receive(quantity=2)
    admin = {"role": Role.ADMIN}

    answers = [
        api.post(RESERVATIONS, a_wish(), **admin),
        api.post(RESERVATIONS, a_wish(reservation_id="order-4712"), **admin),
        api.post(f"{RESERVATIONS}/harden", {"reservation_id": "order-4711"}, **admin),
        api.post(
            f"{RESERVATIONS}/commit", {"reservation_id": "order-4711", "actor": "pat"}, **admin
        ),
        api.post(f"{RESERVATIONS}/release", {"reservation_id": "order-4712"}, **admin),
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json["outcome"] for answer in answers] == [
        "reserved",
        "out_of_stock",
        "reserved",
        "already_committed",
        "already_released",
    ]
    assert answers[1].json["shortages"] == [
        {"sku": ARMCHAIR.sku, "location": "default", "wanted": 2, "available": 0}
    ]
    assert api.on_hand() == 0


def test_a_ledger_entry_is_kept_as_it_is_given(api: Api) -> None:
    booked = api.post(MOVEMENTS, a_movement(), role=Role.ADMIN)

    ledger = api.get(MOVEMENTS, params={"sku": ARMCHAIR.sku, "location": "default"})

    assert booked.json["level"]["on_hand"] == 3
    assert ledger.json == {"movements": [a_movement()]}


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.post(RESERVATIONS, a_wish()),
        lambda api: api.post(f"{RESERVATIONS}/harden", {"reservation_id": "a"}),
        lambda api: api.post(f"{RESERVATIONS}/release", {"reservation_id": "a"}),
        lambda api: api.post(f"{RESERVATIONS}/commit", {"reservation_id": "a", "actor": "b"}),
        lambda api: api.post(MOVEMENTS, a_movement()),
    ],
)
def test_an_editor_may_not_speak_in_the_name_of_a_whole_order_system(
    api: Api, call: Callable[[Api], Any]
) -> None:
    """Else a till could let go of somebody's reservation, or write under another's name."""
    result = call(api)

    assert (result.status_code, result.json["code"]) == (403, "permission_denied")
    assert api.nothing_happened()


@pytest.mark.parametrize(
    ("path", "document", "pointers"),
    [
        (
            RESERVATIONS,
            a_wish(reservation_id="", ttl_ms=0, allocation="firm", more=1),
            {"/reservation_id", "/ttl_ms", "/allocation", "/more"},
        ),
        (
            RESERVATIONS,
            {"demands": [{"sku": "a", "quantity": 0}]},
            {"/reservation_id", "/demands/0/location", "/demands/0/quantity"},
        ),
        (RESERVATIONS, a_wish(demands="all"), {"/demands"}),
        (
            MOVEMENTS,
            a_movement(at="yesterday", quantity_delta=1.5, actor="x" * 256),
            {"/at", "/quantity_delta", "/actor"},
        ),
        (
            LEVELS,
            {"limit": 101, "items": [{"sku": 1}]},
            {"/limit", "/items/0/sku", "/items/0/location"},
        ),
        (f"{RESERVATIONS}/commit", {"reservation_id": "a"}, {"/actor"}),
    ],
)
def test_every_mistake_is_told_and_nothing_happens(
    api: Api, path: str, document: JsonObject, pointers: set[str]
) -> None:
    result = api.post(path, document, role=Role.ADMIN)

    assert (result.status_code, result.json["code"]) == (400, "invalid_input")
    assert {mistake["pointer"] for mistake in result.json["errors"]} == pointers
    assert api.nothing_happened()


def test_a_ledger_without_its_names_is_a_mistake_and_not_a_crash(api: Api) -> None:
    result = api.get(MOVEMENTS)

    assert result.status_code == 400
    assert {mistake["pointer"] for mistake in result.json["errors"]} == {"/sku", "/location"}


def test_a_request_that_the_service_finds_wrong_needs_a_person() -> None:
    service = StockService()

    with (
        FaultyHttpServer(service.answer) as server,
        client_of(server.url) as inventory,
        pytest.raises(InventoryUnusable) as refused,
    ):
        inventory.release(SCOPE, "")

    assert "400, invalid_input" in refused.value.sentence


def test_as_many_items_as_the_contract_allows_are_looked_up_and_no_more() -> None:
    """The service would refuse more as wrong, which would call for a person."""
    service = StockService()
    items = [StockItem(f"SKU-{number:04}") for number in range(1_001)]

    with FaultyHttpServer(service.answer) as server, client_of(server.url) as inventory:
        page = inventory.levels(SCOPE, items=items[:1_000], limit=1_000)
        with pytest.raises(InvalidInput) as refused:
            inventory.levels(SCOPE, items=items)

    assert [level.item for level in page.levels] == items[:1_000]
    assert [mistake.pointer for mistake in refused.value.mistakes] == ["/items"]
