"""Stripe's HTTP interface as far as the adapter uses it, with Stripe's idempotency keys.

Stripe: "Idempotent requests". The first answer under a key is repeated for 24 hours, errors
included, unless the request was not executed at all; the same key with other parameters, or at
another address, is an error, and so is a key whose first request is still running.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import stripe
from attrs import frozen

from oms_core.ports.clock import Clock
from tests.support.http_faults import FaultyHttpServer, HttpAnswer, HttpRequest
from tests.support.stripe_double.objects import Intent
from tests.support.stripe_double.refusal import Refused

KEY_LASTS_S: Final = 86_400
API_KEY: Final = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
WEBHOOK_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_INTENT: Final = re.compile(r"/v1/payment_intents/(pi_\w+)(?:/(confirm|capture|cancel))?")
_NESTED: Final = re.compile(r"(\w+)\[(\w+)\]")
_OPERATIONS: Final = {
    "confirm": "authorize",
    "capture": "capture",
    "cancel": "cancel",
    None: "mark",
}


@frozen
class _Stored:
    """The first answer under a key."""

    request: tuple[str, bytes]
    answer: HttpAnswer
    at: float


class StripeDouble:
    """One Stripe account on a free port of 127.0.0.1."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.intents: dict[str, Intent] = {}
        self.effects: Counter[tuple[str, str]] = Counter()
        """How often an operation did anything to a payment."""
        self.api_key_is_good = True
        self.permitted = True
        self.takes_references: Callable[[HttpRequest], bool] = lambda _: True
        """Whether an account, or a payment method, may have ``payment_details``."""
        self.fails_inside: Counter[str] = Counter()
        """Operations that fail with a 500 which Stripe stores under the key."""
        self.pauses_inside: Callable[[str], None] = lambda _: None
        """Called with the operation while its key is in use and before it has its effect."""
        self.arrives: Callable[[HttpRequest], None] = lambda _: None
        """Called with every request before anything is done for it."""
        self._keys: dict[str, _Stored] = {}
        self._running: set[str] = set()
        self._lock = threading.RLock()
        self._numbers = count(1)
        self.server = FaultyHttpServer(self._answer)

    @property
    def now(self) -> int:
        return int(self.clock.now().timestamp())

    def close(self) -> None:
        self.server.close()

    def create(self, amount: int, currency: str = "usd", **behaviour: Any) -> Intent:
        """Be the shop's server that makes a PaymentIntent."""
        name = f"pi_3Mt{next(self._numbers):09d}"
        intent = Intent(name, amount, currency, self.now, **behaviour)
        self.intents[name] = intent
        return intent

    def confirm_in_the_browser(self, intent: Intent) -> None:
        """Be the customer whose browser confirms, before there is an order."""
        with self._lock:
            self.effects[intent.id, "authorize"] += intent.confirm({}, self.now)

    def operations(self, reference: str) -> list[tuple[str, str | None]]:
        """Tell what was asked to change a payment: operations with their keys, in order."""
        return [
            (operation_of(one), one.headers.get("idempotency-key"))
            for one in self.server.requests
            if one.method == "POST" and reference_of(one) == reference
        ]

    def event(self, kind: str, thing: dict[str, Any], number: int = 1) -> bytes:
        """Write the body of a notification."""
        document = {
            "id": f"evt_{thing['id']}n{number}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": self.now,
            "data": {"object": thing},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        return json.dumps(document).encode()

    def sign(self, body: str) -> str:
        """Sign a notification now, as the SDK does it."""
        header: str = stripe.WebhookSignature.generate_signature_header(
            body, WEBHOOK_SECRET, self.now
        )
        return header

    # -- HTTP --------------------------------------------------------------------------------

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        self.arrives(request)
        try:
            self._check_credentials(request)
            key = request.headers.get("idempotency-key")
            if request.method != "POST" or key is None:
                return _json(200, self._execute(request))
            return self._once(request, key)
        except Refused as refused:
            return _refusal(refused)

    def _check_credentials(self, request: HttpRequest) -> None:
        if request.headers.get("authorization") != f"Bearer {API_KEY}" or not self.api_key_is_good:
            raise Refused(401, message=f"Invalid API Key provided: {API_KEY}")
        if not self.permitted:
            raise Refused(403, message="The provided key does not have the permissions.")

    def _once(self, request: HttpRequest, key: str) -> HttpAnswer:
        same = (request.path, request.body)
        with self._lock:
            stored = self._keys.get(key)
            if stored and self.clock.now().timestamp() - stored.at < KEY_LASTS_S:
                if stored.request != same:
                    raise Refused(400, type="idempotency_error")
                headers = {**stored.answer.headers, "Idempotent-Replayed": "true"}
                return HttpAnswer(stored.answer.status, stored.answer.body, headers)
            if key in self._running:
                raise Refused(409, code="idempotency_key_in_use", type="idempotency_error")
            self._running.add(key)
        try:
            self.pauses_inside(operation_of(request))
            try:
                answer, keep = _json(200, self._execute(request)), True
            except Refused as refused:
                answer, keep = _refusal(refused), refused.stored
            with self._lock:
                if keep:
                    now = self.clock.now().timestamp()
                    self._keys[key] = _Stored(same, answer, now)
            return answer
        finally:
            with self._lock:
                self._running.discard(key)

    # -- what requests do --------------------------------------------------------------------

    def _execute(self, request: HttpRequest) -> dict[str, Any]:
        operation = operation_of(request)
        with self._lock:
            for intent in self.intents.values():
                intent.lapse(self.now)
            if self.fails_inside[operation]:
                self.fails_inside[operation] -= 1
                raise Refused(500, type="api_error", message="Something went wrong at Stripe.")
            params = request.form if request.method == "POST" else dict(request.query)
            match request.method, request.path:
                case "GET", "/v1/balance":
                    return {"object": "balance", "available": [], "livemode": False, "pending": []}
                case "GET", "/v1/payment_intents":
                    found = [one.document([]) for one in self.intents.values()]
                    return _list(found[: int(params["limit"])], request.path)
                case "GET", "/v1/refunds":
                    return self._refunds(params)
                case "POST", "/v1/refunds":
                    return self._refund(params)
                case method, path if match := _INTENT.fullmatch(path):
                    intent = self._find(match[1])
                    if _nested("payment_details", params) and not self.takes_references(request):
                        raise Refused(
                            400,
                            param="payment_details[order_reference]",
                            message="This payment method does not support payment_details.",
                        )
                    if method == "POST":
                        self._change(intent, match[2], params)
                    return intent.document(_expand(params))
                case _:
                    raise Refused(404, message="Unrecognized request URL.")

    def _change(self, intent: Intent, verb: str | None, params: dict[str, str]) -> None:
        metadata = _nested("metadata", params)
        match verb:
            case "confirm":
                self.effects[intent.id, "authorize"] += intent.confirm(
                    _nested("payment_details", params), self.now
                )
            case "capture":
                self.effects[intent.id, "capture"] += intent.capture(params, self.now)
                intent.metadata = {**intent.metadata, **metadata}
            case "cancel":
                self.effects[intent.id, "cancel"] += intent.cancel(params, self.now)
            case _:
                intent.update(params, metadata)

    def _refund(self, params: dict[str, str]) -> dict[str, Any]:
        intent = self._find(params["payment_intent"])
        refund = intent.refund(params, _nested("metadata", params), self.now)
        self.effects[intent.id, "refund"] += 1
        return intent.refund_document(refund)

    def _refunds(self, params: dict[str, str]) -> dict[str, Any]:
        intent = self._find(params["payment_intent"])
        found = [intent.refund_document(one) for one in reversed(intent.refunds)]
        if after := params.get("starting_after"):
            found = found[[one["id"] for one in found].index(after) + 1 :]
        return _list(found, "/v1/refunds", int(params.get("limit", "10")))

    def _find(self, name: str) -> Intent:
        intent = self.intents.get(name)
        if intent is None:
            raise Refused(
                404,
                code="resource_missing",
                param="intent",
                message=f"No such payment_intent: '{name}'",
                stored=False,
            )
        return intent


def operation_of(request: HttpRequest) -> str:
    """Name what a request asks for, in the port's words."""
    if request.method == "GET":
        return "lookup"
    if request.path == "/v1/refunds":
        return "refund"
    match = _INTENT.fullmatch(request.path)
    return _OPERATIONS[match[2]] if match else "unknown"


def reference_of(request: HttpRequest) -> str | None:
    """Name the payment that a request is about."""
    match = _INTENT.fullmatch(request.path)
    if match:
        return match[1]
    params = request.form if request.method == "POST" else request.query
    return params.get("payment_intent")


def error_body(**error: Any) -> bytes:
    """Write an error as Stripe does."""
    return json.dumps({"error": {"type": "invalid_request_error", **error}}).encode()


def _nested(outer: str, params: dict[str, str]) -> dict[str, str]:
    matches = ((_NESTED.fullmatch(name), value) for name, value in params.items())
    return {match[2]: value for match, value in matches if match and match[1] == outer}


def _expand(params: dict[str, str]) -> list[str]:
    return [value for name, value in params.items() if name.startswith("expand[")]


def _list(found: list[dict[str, Any]], url: str, limit: int = 100) -> dict[str, Any]:
    more = len(found) > limit
    return {"object": "list", "url": url, "has_more": more, "data": found[:limit]}


def _json(status: int, document: dict[str, Any]) -> HttpAnswer:
    headers = {"Content-Type": "application/json", "Request-Id": "req_1"}
    return HttpAnswer(status, json.dumps(document).encode(), headers)


def _refusal(refused: Refused) -> HttpAnswer:
    return _json(refused.status, {"error": refused.error})
