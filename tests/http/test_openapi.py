"""The document, held against the application and the application against the document."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from falcon.inspect import inspect_routes
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import validate

from oms_core.application.adjust_stock import AdjustStock
from oms_core.application.place_order import PlaceOrder
from oms_core.domain.rules import fields_of
from oms_core.domain.scope import order_id_for
from oms_entrypoints.http.openapi.view_schemas import schema_of_view
from tests.support.api import ADJUST, ORDERS, Api, document, validator


def test_the_document_is_openapi(api: Api) -> None:
    shown = api.get("/openapi.json").json

    assert shown["openapi"] == "3.1.0"
    assert shown == document()
    validate(shown)


def test_the_document_knows_every_route_and_no_other(api: Api) -> None:
    routes = {
        (route.path, method.method)
        for route in inspect_routes(api.app)
        for method in route.methods
        if not method.internal
    }
    documented = {
        (path, method.upper())
        for path, operations in document()["paths"].items()
        for method in operations
    }

    assert len(documented) == 29
    # Where there is GET there is HEAD, as HTTP wants it; the document need not say so.
    assert routes == documented | {(p, "HEAD") for p, method in documented if method == "GET"}


@pytest.mark.parametrize(("cls", "path"), [(PlaceOrder, ORDERS), (AdjustStock, ADJUST)])
def test_every_field_that_is_read_is_documented(cls: type, path: str) -> None:
    schema = document()["components"]["schemas"][cls.__name__]

    assert set(schema["properties"]) == {field.name for field in fields_of(cls)}
    assert schema["required"] == [field.name for field in fields_of(cls) if field.required]
    assert schema["additionalProperties"] is False


def every_example() -> list[Any]:
    """List where each example stands, its schema and its value."""
    found = []
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            contents = {
                **operation.get("requestBody", {}).get("content", {}),
                **{
                    f"{status} {media_type}": content
                    for status, response in operation["responses"].items()
                    for media_type, content in response.get("content", {}).items()
                },
            }
            found += [
                pytest.param(
                    content["schema"], example["value"], id=f"{method} {path} {kind} {name}"
                )
                for kind, content in contents.items()
                for name, example in content.get("examples", {}).items()
            ]
    return found


def test_every_refusal_has_an_example() -> None:
    for operations in document()["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert response["content"]["application/problem+json"]["examples"]


@pytest.mark.parametrize(("schema", "value"), every_example())
def test_every_example_fits_its_schema(schema: dict[str, Any], value: Any) -> None:
    OAS31Validator(
        {**schema, "components": document()["components"]},
        format_checker=oas31_format_checker,
    ).validate(value)


def test_the_example_of_an_order_is_accepted_and_becomes_the_example_of_the_answer(
    api: Api,
) -> None:
    operation = document()["paths"][ORDERS]["post"]
    request = operation["requestBody"]["content"]["application/json"]["examples"]["smallest"]
    order_id = order_id_for(api.scope, request["value"]["idempotency_key"])

    result = api.post(ORDERS, request["value"])

    assert result.status_code == 201
    assert result.json["order_id"] == str(order_id)
    shown = api.get(result.headers["location"]).json
    answers = document()["paths"][ORDERS + "/{order_id}"]["get"]["responses"]["200"]
    example = answers["content"]["application/json"]["examples"]["answer"]["value"]
    assert set(shown) == set(example)
    assert shown["line_items"] == example["line_items"]
    assert shown["total"] == example["total"]


def test_the_example_of_a_ledger_entry_is_accepted(api: Api) -> None:
    operation = document()["paths"][ADJUST]["post"]
    request = operation["requestBody"]["content"]["application/json"]["examples"]["smallest"]

    result = api.post(ADJUST, request["value"], headers={"Idempotency-Key": "delivery-4711"})

    assert result.status_code == 200


@pytest.mark.parametrize(
    "name", ["Order", "OrderPage", "Placed", "StockLevel", "StockPage", "Problem", "InvalidInput"]
)
def test_schemas_of_answers_leave_nothing_open(name: str) -> None:
    schema = validator(name).schema["components"]["schemas"][name]

    assert schema["additionalProperties"] is False
    assert schema["required"] == list(schema["properties"])


class Unknown:
    """A type that no schema is known for."""


def test_a_type_without_a_schema_stops_the_start() -> None:
    """Rather than being left out of the document."""
    with pytest.raises(TypeError, match="no schema for"):
        schema_of_view(type("Odd", (), {"__annotations__": {"field": Unknown}}), None)  # type: ignore[arg-type]


def test_no_schema_is_there_that_nothing_refers_to() -> None:
    text = str(document())
    names = set(document()["components"]["schemas"])

    assert names == {name for name in names if f"#/components/schemas/{name}'" in text}
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) == names


# -- the page --------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a browser would load and where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: set[str] = set()
        self.targets: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "href":
                self.links.add(str(value))
            if name == "id":
                self.targets.add(f"#{value}")
            if name in {"src", "srcset", "action", "data", "style"} or name.startswith("on"):
                self.loaded.append(f"{tag} {name}={value}")


def test_the_page_shows_the_whole_document_without_loading_anything(api: Api) -> None:
    result = api.get("/docs")
    page = Page(result.text)

    assert result.headers["content-type"] == "text/html; charset=utf-8"
    assert result.headers["content-security-policy"].startswith("default-src 'none';")
    assert page.loaded == []
    assert page.tags.isdisjoint({"script", "img", "iframe", "link", "object", "form"})
    assert page.links - page.targets == {"/openapi.json"}
    for path, operations in document()["paths"].items():
        assert path in result.text
        assert {f"#{operation['operationId']}" for operation in operations.values()} <= page.targets
    for name in document()["components"]["schemas"]:
        assert f"#schema-{name}" in page.targets


def test_the_pages_only_style_is_the_one_that_its_policy_allows(api: Api) -> None:
    result = api.get("/docs")
    styles = re.findall(r"<style>(.*?)</style>", result.text, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in styles]

    assert len(digests) == 1
    assert f"style-src 'sha256-{digests[0]}'" in result.headers["content-security-policy"]
