"""Every request that the adapter sends is one that PayPal's own document describes."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from oms_core.domain.money import Money
from oms_core.ports.payments import Authorize, Cancel, Capture, PaymentRef, Reauthorize, Refund
from oms_core.testing import SimulatedClock
from tests.support.http_faults import HttpRequest
from tests.support.paypal_stage import PaypalStage, operation_of
from tests.support.shared_data import shared_json

openapi_core = pytest.importorskip("openapi_core", reason="openapi-core is not installed")
openapi_requests = pytest.importorskip("openapi_core.testing")
# That library knows no OAuth 2; the double refuses whoever has no token.
pytestmark = pytest.mark.filterwarnings("ignore:Unsupported scheme type:UserWarning")

TOTAL = Money(10_000, "USD")
ORDER = uuid4()


@pytest.fixture(scope="module")
def document() -> Any:
    document = shared_json("specs/paypal-combined.json")
    # It calls every field of an event read-only, also where it asks for a whole event.
    for field in document["components"]["schemas"]["whk_event"]["properties"].values():
        field.pop("readOnly", None)
    return openapi_core.OpenAPI.from_dict(document)


@pytest.fixture
def stage() -> Iterator[PaypalStage]:
    stage = PaypalStage(SimulatedClock())
    yield stage
    stage.close()


def requests_of_everything(stage: PaypalStage) -> list[HttpRequest]:
    """Do everything that the adapter can do, and return what it sent."""
    provider = stage.provider
    fresh = stage.a_confirmable_payment(TOTAL)
    provider.cancel(Cancel(fresh, ORDER, "undo", str(uuid4())))
    voided = stage.a_confirmable_payment(TOTAL)
    provider.authorize(Authorize(voided, TOTAL, ORDER, str(uuid4())))
    provider.cancel(Cancel(voided, ORDER, "undo", str(uuid4())))
    ref = stage.order(TOTAL, custom_id="CART-17")
    held = provider.authorize(Authorize(ref, TOTAL, ORDER, str(uuid4())))
    stage.time_to_reauthorize(ref)
    provider.reauthorize(Reauthorize(ref, TOTAL, ORDER, "renew", str(uuid4())))
    provider.capture(Capture(ref, Money(4_000, "USD"), "ship-1", str(uuid4()), final=False))
    provider.capture(Capture(ref, Money(6_000, "USD"), "ship-2", str(uuid4())))
    provider.refund(Refund(ref, Money(9_000, "USD"), f"{ORDER}:refund/0/1", str(uuid4())))
    yen = stage.order(Money(500, "JPY"))
    provider.authorize(Authorize(yen, Money(500, "JPY"), ORDER, str(uuid4())))
    provider.capture(Capture(yen, Money(500, "JPY"), "ship", str(uuid4())))
    provider.refund(Refund(yen, Money(500, "JPY"), "return", str(uuid4())))
    assert held.provider_id is not None
    provider.lookup(PaymentRef(stage.tenant_id, held.provider_id))
    by_hand = {"id": "REFUND", "links": [{"rel": "up", "href": "/captures/CAPTURE1"}]}
    for kind, resource in (
        ("CHECKOUT.ORDER.APPROVED", {"id": ref.reference}),
        ("PAYMENT.CAPTURE.REFUNDED", by_hand),
    ):
        sent = stage.double.notify(kind, resource)
        provider.parse_webhook(stage.tenant_id, sent.headers, sent.body)
    provider.probe()
    return stage.double.http.requests


def as_openapi_core_reads_it(request: HttpRequest) -> Any:
    return openapi_requests.MockRequest(
        "https://api-m.sandbox.paypal.com",
        request.method,
        request.path,
        args=dict(request.query),
        headers=dict(request.headers),
        data=request.body or None,
        content_type=request.headers.get("content-type", ""),
    )


def test_every_request_is_one_of_paypals_document(document: Any, stage: PaypalStage) -> None:
    sent = requests_of_everything(stage)

    for request in sent:
        document.validate_request(as_openapi_core_reads_it(request))

    assert {operation_of(request) for request in sent} == {
        "token",
        "lookup",
        "claim",
        "authorize",
        "capture",
        "cancel",
        "reauthorize",
        "refund",
        "verify-webhook-signature",
    }


def test_a_request_that_is_none_of_the_documents_is_noticed(
    document: Any, stage: PaypalStage
) -> None:
    """Otherwise the test above would promise nothing."""
    stage.provider.lookup(stage.a_confirmable_payment(TOTAL))
    request = as_openapi_core_reads_it(stage.double.http.requests[-1])
    request.path = "/v2/checkout/orders/lower-case"

    with pytest.raises(openapi_core.exceptions.OpenAPIError):
        document.validate_request(request)
