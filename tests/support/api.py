"""The HTTP API over the real in-memory adapters, with every answer held against its document."""

import io
import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, cast
from uuid import UUID

import structlog
from falcon.testing import Result, TestClient
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from oms_adapters.auth.chain import AuthenticatorChain
from oms_adapters.auth.jwt import JwtAuthenticator, SharedSecret, mint_token
from oms_adapters.auth.static_tokens import StaticToken, StaticTokenAuthenticator, hash_of
from oms_adapters.event_log.memory import MemoryEventLog
from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.publisher.webhook import HttpWebhookSender
from oms_adapters.storage.memory import MemoryStorage
from oms_adapters.subscriptions.memory import MemorySubscriptions
from oms_core import AdjustStock, OrderManagement, OrderQuery, Scope
from oms_core.application.webhooks import Webhooks
from oms_core.domain.inventory import StockItem
from oms_core.ports.authentication import Authenticator, Principal, Role
from oms_core.ports.inbox import WebhookInbox
from oms_core.ports.inventory import Inventory
from oms_core.ports.storage import OrderStorage
from oms_core.testing import SimulatedClock, a_scope
from oms_entrypoints.http.app import create_app
from oms_entrypoints.http.openapi.document import openapi_document
from oms_entrypoints.http.settings import HttpSettings
from oms_entrypoints.logs import configure_logs

ORDERS = "/api/v1/oms/orders"
ADJUST = "/api/v1/inventory/adjust"
LEVELS = "/api/v1/inventory/levels"
SAGAS = "/api/v1/sagas"
SUBSCRIPTIONS = "/api/v1/webhook-subscriptions"
ARMCHAIR = "CRUNCHY-ARMCHAIR"
SECRET = b"an-unmistakable-signing-secret-of-48-bytes-or-so"
MACHINE_TOKEN = "oms_unmistakable-machine-token-4711"
WEBHOOK_SECRET = "unmistakable-webhook-secret-4711"
PROBLEM = "application/problem+json"
JsonObject = dict[str, Any]


class Api:
    """One tenant's view of a server; ``oms`` is what stands behind it."""

    def __init__(
        self,
        *,
        settings: HttpSettings | None = None,
        authenticator: Authenticator | None = None,
        storage: OrderStorage | None = None,
        inventory: Inventory | None = None,
        inbox: WebhookInbox | None = None,
        feed: bool = True,
    ) -> None:
        self.scope = a_scope()
        self.clock = SimulatedClock()
        self.storage = storage or MemoryStorage(self.clock)
        self.inventory = inventory or MemoryInventory(self.clock)
        self.payments = SimulatedPayments(MemoryLedger(), self.clock, webhook_secret=WEBHOOK_SECRET)
        self.inbox = inbox or MemoryInbox(self.clock)
        event_log = MemoryEventLog()
        self.webhooks = Webhooks(
            MemorySubscriptions(self.clock),
            event_log,
            HttpWebhookSender(timeout_s=5, allow_http=True, allow_private=True),
            clock=self.clock,
        )
        self.oms = OrderManagement(
            storage=self.storage,
            inventory=self.inventory,
            payments={"simulated": self.payments},
            inbox=self.inbox,
            event_log=event_log if feed else None,
            webhooks=self.webhooks if feed else None,
            clock=self.clock,
        )
        self.log = io.StringIO()
        configure_logs("debug", "json", self.log)
        self.app = create_app(self.oms, authenticator or self.an_authenticator(), settings=settings)
        self._client = TestClient(self.app)
        structlog.reset_defaults()

    def an_authenticator(self) -> Authenticator:
        """Accept the machine token (an editor's) and tokens signed with the secret."""
        machine = StaticToken(hash_of(MACHINE_TOKEN), "till-7", self.scope, Role.EDITOR)
        return AuthenticatorChain(
            (
                StaticTokenAuthenticator([machine]),
                JwtAuthenticator([SharedSecret(SECRET)], clock=self.clock),
            )
        )

    def token(
        self,
        role: Role = Role.EDITOR,
        *,
        scope: Scope | None = None,
        subject: str = "pat@example.com",
        lifetime_s: float = 3_600.0,
    ) -> str:
        principal = Principal(subject, scope or self.scope, role)
        return mint_token(SECRET, principal, now=self.clock.now(), lifetime_s=lifetime_s)

    def headers(self, role: Role = Role.EDITOR, *, scope: Scope | None = None) -> dict[str, str]:
        """Return the three headers that every call needs."""
        scope = scope or self.scope
        return {
            "Authorization": f"Bearer {self.token(role, scope=scope)}",
            "X-Tenant-ID": str(scope.tenant_id),
            "X-Org-ID": str(scope.org_id),
        }

    # -- calls -----------------------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        role: Role = Role.EDITOR,
        scope: Scope | None = None,
        **options: Any,
    ) -> Result:
        """Send a request with the three headers, changed by *headers*; check the answer's form.

        A header of value ``""`` is left out.
        """
        sent = {**self.headers(role, scope=scope), **(headers or {})}
        result = self._client.simulate_request(
            method, path, headers={k: v for k, v in sent.items() if v != ""}, **options
        )
        check_answer(method, path, result)
        return result

    def get(self, path: str, **options: Any) -> Result:
        return self.call("GET", path, **options)

    def post(self, path: str, document: object, **options: Any) -> Result:
        return self.call("POST", path, json=document, **options)

    def post_raw(self, path: str, body: bytes, **options: Any) -> Result:
        given = dict(options.pop("headers", {}))
        given.setdefault("Content-Type", "application/json")
        return self.call("POST", path, body=body, headers=given, **options)

    def place(self, **changes: Any) -> UUID:
        """Place an order over HTTP and return its id."""
        result = self.post(ORDERS, an_order_request(**changes))
        assert result.status_code == 201, result.text
        return UUID(result.json["order_id"])

    def receive(self, sku: str = ARMCHAIR, quantity: int = 100, *, key: str = "delivery-1") -> None:
        """Book goods in, past HTTP."""
        request = AdjustStock(sku=sku, quantity_delta=quantity, reason="delivery")
        self.oms.adjust_stock(self.scope, request, idempotency_key=key, actor="clerk")

    # -- what is behind it -----------------------------------------------------------------

    def orders(self, scope: Scope | None = None) -> int:
        """Count the orders of a scope, past HTTP."""
        return len(self.storage.list_orders(scope or self.scope, OrderQuery(limit=100)).orders)

    def on_hand(self, sku: str = ARMCHAIR) -> int:
        levels = self.inventory.levels(self.scope, items=[StockItem(sku)]).levels
        return levels[0].on_hand

    def nothing_happened(self) -> bool:
        """Whether there is neither an order nor a ledger entry."""
        return self.orders() == 0 and not self.inventory.levels(self.scope).levels


def an_order_request(**changes: Any) -> JsonObject:
    """Return a request for two armchairs; a change to ``...`` leaves the field out."""
    request = {
        "idempotency_key": "checkout-4711",
        "payment_provider": "simulated",
        "payment_reference": "good_card_4711",
        "channel": "web",
        "line_items": [{"sku": ARMCHAIR, "quantity": 2, "unit_price": "19.99"}],
        **changes,
    }
    return {name: value for name, value in request.items() if value is not ...}


def a_full_order_request(**changes: Any) -> JsonObject:
    """Return a request in which no field is left out."""
    return an_order_request(
        **{
            "currency": "EUR",
            "platform": "ios",
            "customer_id": "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
            "line_items": [
                {
                    "sku": ARMCHAIR,
                    "quantity": 2,
                    "unit_price": "19.99",
                    "name": "Armchair, crunchy",
                    "location": "hamburg",
                }
            ],
            "adjustments": [
                {"kind": "shipping", "amount": "4.90", "label": "parcel"},
                {"kind": "discount", "amount": "-5.00"},
            ],
            "shipping_address": {
                "name": "Unmistakable Customer",
                "line1": "Secret Lane 7",
                "city": "Hamburg",
                "country": "DE",
                "line2": "c/o Neighbour",
                "region": "HH",
                "postal_code": "20095",
                "phone": "+49 40 5550123",
            },
            "metadata": {"campaign": "autumn"},
            **changes,
        }
    )


@cache
def document() -> JsonObject:
    """The document as the server shows it."""
    return openapi_document(version("oms-core"))


def check_answer(method: str, path: str, result: Result) -> None:
    """Hold an answer against the document: status, headers, content type and body."""
    assert result.headers["x-request-id"]
    assert result.headers["x-content-type-options"] == "nosniff"
    operation = operation_of(method, path)
    status = str(result.status_code)
    if operation is None:
        assert status in {"200", "404", "405", "400"}, result.text
        if status != "200":
            validator("Problem").validate(result.json)
            assert result.headers["content-type"] == PROBLEM
        return
    assert status in operation["responses"], f"{method} {path}: {status} is not documented"
    response = operation["responses"][status]
    for name, header in response["headers"].items():
        schema = _resolved(header)["schema"]
        if name.lower() in result.headers:
            OAS31Validator(schema).validate(result.headers[name.lower()])
        else:
            assert name == "Idempotent-Replayed", f"{method} {path}: {status} lacks {name}"
    if "content" not in response:
        assert result.content == b""
        return
    media_type = result.headers["content-type"].partition(";")[0]
    assert media_type in response["content"]
    if method != "HEAD" and media_type in {"application/json", PROBLEM}:
        _content_validator(_path_of(path), method.lower(), status, media_type).validate(result.json)
    if media_type == PROBLEM and method != "HEAD":
        problem = result.json
        assert problem["status"] == result.status_code
        assert problem["error"] == problem["detail"]
        assert problem["request_id"] == result.headers["x-request-id"]
        documented = response["content"][media_type]["examples"]
        assert problem["code"] in documented, f"{method} {path}: {problem['code']}"


def operation_of(method: str, path: str) -> JsonObject | None:
    """Find what the document says about a call; HEAD is what GET is."""
    operations = document()["paths"].get(_path_of(path), {})
    name = "get" if method == "HEAD" else method.lower()
    return cast("JsonObject | None", operations.get(name))


def _path_of(path: str) -> str:
    if re.fullmatch(r"/webhooks/[^/]+/[^/]+", path):
        return "/webhooks/{provider}/{tenant_id}"
    path = re.sub(rf"^({ORDERS}/export)\?.*$", r"\1", path)
    path = re.sub(rf"^{ORDERS}/(?!export$)[^/]+", ORDERS + "/{order_id}", path)
    for part in ("fulfillment", "return", "operation"):
        path = re.sub(rf"(?<=/{part}s)/[^/]+", f"/{{{part}_id}}", path)
    path = re.sub(rf"^{SAGAS}/[^/]+/", SAGAS + "/{order_id}/", path)
    return re.sub(rf"^{SUBSCRIPTIONS}/[^/]+", SUBSCRIPTIONS + "/{subscription_id}", path)


@cache
def validator(name: str) -> Any:
    """Return the validator of a named schema."""
    return _validator_of({"$ref": f"#/components/schemas/{name}"})


@cache
def _content_validator(path: str, method: str, status: str, media_type: str) -> Any:
    response = document()["paths"][path][method]["responses"][status]
    return _validator_of(response["content"][media_type]["schema"])


def _validator_of(schema: JsonObject) -> Any:
    return OAS31Validator(
        {**schema, "components": document()["components"]},
        format_checker=oas31_format_checker,
    )


def _resolved(part: JsonObject) -> JsonObject:
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return cast("JsonObject", document()["components"][kind][name])
