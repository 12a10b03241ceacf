"""Every request that the adapter sends is one that Stripe's own document describes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve
from openapi_core import OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest
from openapi_core.exceptions import OpenAPIError
from openapi_schema_validator import OAS30Validator
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from oms_core.domain.money import Money
from oms_core.ports.payments import Authorize, Cancel, Capture, PaymentRef, Refund
from oms_core.testing import SimulatedClock
from tests.support.http_faults import HttpRequest
from tests.support.shared_data import shared_json
from tests.support.stripe_double import StripeStage

TOTAL = Money(10_000, "USD")
EXPAND = re.compile(r"(?:^|&)expand(?:\[|%5B)0(?:\]|%5D)=latest_charge\.refunds")


@pytest.fixture
def sent() -> Iterator[list[HttpRequest]]:
    """All that the adapter ever asks, in all its variants."""
    stage = StripeStage(SimulatedClock())
    stripe = stage.provider
    order = uuid4()

    def authorized(**behaviour: Any) -> PaymentRef:
        ref = stage.a_payment(TOTAL, **behaviour)
        stripe.authorize(Authorize(ref, TOTAL, order, str(uuid4())))
        return ref

    for final in (True, False):
        ref = authorized()
        stripe.capture(Capture(ref, Money(4_000, "USD"), "ship-1", str(uuid4()), final=final))
        stripe.refund(Refund(ref, Money(100, "USD"), "return-1", str(uuid4())))
        stripe.find_operation(ref, "return-1")
    stripe.cancel(Cancel(authorized(), order, "void-1", str(uuid4())))
    authorized(decides="decline")
    authorized(decides="ask")
    authorized(payment_details={"order_reference": "CART-17"})
    stripe.probe()
    yield list(stage.double.server.requests)
    stage.close()


class Described:
    """Stripe's document, cut to what a validator understands: no ``expand`` and no lists.

    What is inside ``payment_details`` is checked with the whole document.
    """

    def __init__(self) -> None:
        self._whole = shared_json("specs/stripe-2026-08-26-payments.json")
        self._raw = shared_json("specs/stripe-openapicore-min.json")
        self._document = OpenAPI.from_dict(self._raw)

    def check(self, request: HttpRequest) -> str:
        """Say which operation a request is; raise if it is none, or not as described."""
        path = re.sub(r"pi_\w+", "{intent}", request.path)
        if request.method == "POST":
            # The validator ignores parameters that it does not know; Stripe refuses them.
            known = self._parameters(self._raw, path)
            names = {name.partition("[")[0] for name in request.form} - {"expand"}
            assert names - {"payment_details"} <= set(known)
            if "payment_details" in names:
                self._check_details(self._parameters(self._whole, path), request.form)
        self._document.validate_request(_as_openapi(request))
        return f"{request.method} {path}"

    @staticmethod
    def _parameters(document: Mapping[str, Any], path: str) -> Mapping[str, Any]:
        content = document["paths"][path]["post"]["requestBody"]["content"]
        parameters: Mapping[str, Any] = content["application/x-www-form-urlencoded"]["schema"]
        return parameters["properties"]  # type: ignore[no-any-return]

    @staticmethod
    def _check_details(known: Mapping[str, Any], form: Mapping[str, str]) -> None:
        schema, _ = known["payment_details"]["anyOf"]
        details = {
            name.removeprefix("payment_details[").removesuffix("]"): value
            for name, value in form.items()
            if name.startswith("payment_details")
        }
        strict = OAS30Validator({**schema, "additionalProperties": False})
        assert [str(error.message) for error in strict.iter_errors(details)] == []


def test_every_request_is_one_that_stripes_document_describes(sent: list[HttpRequest]) -> None:
    described = Described()

    checked = {
        described.check(one) for one in sent if (one.method, one.query.get("limit")) != ("GET", "1")
    }

    assert checked == {
        "GET /v1/payment_intents/{intent}",
        "POST /v1/payment_intents/{intent}",
        "POST /v1/payment_intents/{intent}/cancel",
        "POST /v1/payment_intents/{intent}/capture",
        "POST /v1/payment_intents/{intent}/confirm",
        "POST /v1/refunds",
    }


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"amount_to_capture=", b"amount_to_take="),
        (b"amount_to_capture=4000", b"amount_to_capture=40.00"),
    ],
)
def test_a_request_that_stripe_does_not_know_would_be_noticed(
    sent: list[HttpRequest], right: bytes, wrong: bytes
) -> None:
    described = Described()
    capture = next(one for one in sent if one.path.endswith("/capture"))
    assert right in capture.body

    with pytest.raises((AssertionError, OpenAPIError)):
        described.check(evolve(capture, body=capture.body.replace(right, wrong)))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (b"payment_details[order_reference]", b"payment_details[reference]"),
        (b"payment_details[order_reference]=", b"payment_details[order_reference]=" + b"x" * 5_000),
        (b"payment_details[order_reference]", b"payment_details"),
    ],
    ids=["unknown", "too_long", "flat"],
)
def test_a_reference_that_stripe_does_not_know_would_be_noticed(
    sent: list[HttpRequest], right: bytes, wrong: bytes
) -> None:
    described = Described()
    confirm = next(one for one in sent if one.path.endswith("/confirm"))
    assert right in confirm.body

    with pytest.raises(AssertionError):
        described.check(evolve(confirm, body=confirm.body.replace(right, wrong)))


def test_what_is_expanded_and_listed_may_be(sent: list[HttpRequest]) -> None:
    paths = shared_json("specs/stripe-2026-08-26-payments.json")["paths"]

    expanded = {
        (one.method.lower(), re.sub(r"pi_\w+", "{intent}", one.path))
        for one in sent
        if any(name.startswith("expand[") for name in (*one.form, *one.query))
    }
    listed = {(one.path, *sorted(one.query)) for one in sent if "limit" in one.query}

    assert expanded
    for method, path in expanded:
        operation = paths[path][method]
        content = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]
        in_query = [one["name"] for one in operation.get("parameters", [])]
        assert "expand" in (*in_query, *content["schema"]["properties"])
    assert listed == {("/v1/payment_intents", "limit")}
    names = [one["name"] for one in paths["/v1/payment_intents"]["get"]["parameters"]]
    assert "limit" in names


def test_every_change_has_a_key_that_fits(sent: list[HttpRequest]) -> None:
    keys = [one.headers.get("idempotency-key") for one in sent if one.method == "POST"]

    assert keys
    assert all(key and len(key) <= 255 for key in keys)


def test_the_double_answers_as_stripes_document_says() -> None:
    """Otherwise all that is learned from it is about the double."""
    document = shared_json("specs/stripe-2026-08-26-payments.json")
    stage = StripeStage(SimulatedClock())
    try:
        ref = stage.a_confirmable_payment(TOTAL)
        intent = stage.intent(ref)
        answers = [intent.document([])]
        stage.provider.authorize(Authorize(ref, TOTAL, uuid4(), str(uuid4())))
        answers.append(intent.document([]))
        stage.provider.capture(Capture(ref, TOTAL, "ship-1", str(uuid4())))
        stage.provider.refund(Refund(ref, TOTAL, "return-1", str(uuid4())))
        answers.append(intent.document([]))
        refund = intent.refund_document(intent.refunds[0])
    finally:
        stage.close()

    for kind, given in [*(("payment_intent", one) for one in answers), ("refund", refund)]:
        schema = {
            "$ref": f"#/components/schemas/{kind}",
            "components": document["components"],
        }
        # Stripe marks what may be null beside an enumeration that does not list it.
        present = {name: value for name, value in given.items() if value is not None}
        errors = [str(error.message) for error in OAS30Validator(schema).iter_errors(present)]
        assert errors == []


def _as_openapi(request: HttpRequest) -> WerkzeugOpenAPIRequest:
    body = EXPAND.sub("", request.body.decode()).lstrip("&")
    builder = EnvironBuilder(
        path=request.path,
        base_url="https://api.stripe.com/",
        method=request.method,
        headers=Headers(
            [
                (name, value)
                for name, value in request.headers.items()
                if name in {"authorization", "content-type"}
            ]
        ),
        data=body.encode() if request.method == "POST" else None,
    )
    return WerkzeugOpenAPIRequest(Request(builder.get_environ()))
