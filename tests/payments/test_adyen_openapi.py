"""Every request that the adapter sends is one that Adyen's own document allows."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict

from oms_core.domain.money import Money
from oms_core.ports.payments import Cancel, Capture, Refund
from oms_core.testing import SimulatedClock
from tests.support.adyen_stage import AdyenStage
from tests.support.http_faults import HttpRequest
from tests.support.shared_data import shared_json

HOST = "https://checkout-test.adyen.com"


class Sent:
    """A request that was sent, as openapi-core looks at it."""

    def __init__(self, request: HttpRequest) -> None:
        self.host_url = HOST
        self.path = request.path
        self.method = request.method.lower()
        self.body = request.body
        self.content_type = request.headers["content-type"]
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(request.query), header=Headers(dict(request.headers))
        )


@pytest.fixture(scope="module")
def document() -> OpenAPI:
    return OpenAPI.from_dict(shared_json("specs/adyen-checkout-v72-payments.json"))


@pytest.fixture
def stage() -> Iterator[AdyenStage]:
    made = AdyenStage(SimulatedClock())
    yield made
    made.close()


def test_every_request_is_allowed_by_the_document(document: OpenAPI, stage: AdyenStage) -> None:
    held, voided = (stage.a_confirmable_payment(Money(10_000, "USD")) for _ in range(2))
    stage.provider.capture(Capture(held, Money(4_000, "USD"), f"{uuid4()}:capture", "key-1"))
    stage.settle(held)
    stage.provider.refund(Refund(held, Money(1_000, "USD"), f"{uuid4()}:refund/0/1", "key-2"))
    stage.provider.cancel(Cancel(voided, uuid4(), f"{uuid4()}:void", "key-3"))

    sent = stage.double.server.requests

    assert [request.path.rsplit("/", 1)[1] for request in sent] == [
        "captures",
        "refunds",
        "cancels",
    ]
    for request in sent:
        document.validate_request(Sent(request))


def test_a_request_that_the_document_does_not_allow_is_noticed(
    document: OpenAPI, stage: AdyenStage
) -> None:
    ref = stage.a_confirmable_payment(Money(10_000, "USD"))
    stage.provider.capture(Capture(ref, Money(4_000, "USD"), "ship-1", "key-1"))
    (sent,) = stage.double.server.requests
    body = json.loads(sent.body)

    for wrong in (
        body | {"amount": {"currency": "USD", "value": "4000"}},
        body | {"surprise": 1},
        {name: value for name, value in body.items() if name != "merchantAccount"},
    ):
        request = HttpRequest(sent.method, sent.path, sent.headers, json.dumps(wrong).encode())
        with pytest.raises(OpenAPIError):
            document.validate_request(Sent(request))
