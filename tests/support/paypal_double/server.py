"""The double's HTTP side: tokens, idempotency keys, routes, notifications."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from oms_core.ports.clock import Clock
from oms_core.testing.payment_contract import SignedNotification
from tests.support.http_faults import FaultyHttpServer, HttpAnswer, HttpRequest
from tests.support.paypal_double.books import Json, PaypalBooks, Problem

CLIENT_ID: Final = "AeA-client-of-the-double"
CLIENT_SECRET: Final = "EGn-secret-of-the-double"
WEBHOOK_ID: Final = "1JE4291016473214C"
_SIGNING_KEY: Final = b"the private key of the double"
_TOKEN_LASTS: Final = timedelta(seconds=31_668)
_KEYS_LAST: Final = {"checkout": timedelta(hours=6), "payments": timedelta(days=45)}

_TOKEN: Final = "/v1/oauth2/token"
_VERIFY: Final = "/v1/notifications/verify-webhook-signature"
_ROUTE: Final = re.compile(
    r"/v2/(?P<api>checkout|payments)/(?P<kind>orders|authorizations|captures|refunds)"
    r"/(?P<id>[^/]+)(?:/(?P<action>[a-z]+))?"
)


class PaypalDouble:
    """Answers as PayPal does, on ``http.url``; ``http`` plans the faults, ``books`` the rest."""

    def __init__(self, clock: Clock) -> None:
        self.books = PaypalBooks(clock)
        self.clock = clock
        self.knows_the_client = True
        self.tokens: dict[str, datetime] = {}
        self.on_arrival: Callable[[HttpRequest], None] = lambda _: None
        """Called before an authenticated request has any effect."""
        self.while_running: Callable[[HttpRequest], None] = lambda _: None
        """Called while a request with a key is in progress."""
        self._running: set[str] = set()
        self._answers: dict[str, tuple[HttpAnswer, datetime]] = {}
        self._numbers = count(1)
        self.http = FaultyHttpServer(self._answer)

    def close(self) -> None:
        self.http.close()

    def revoke_tokens(self) -> None:
        """Let PayPal forget every token before its time."""
        self.tokens.clear()

    def keys(self, path_ends: str) -> list[str]:
        """List the idempotency keys that arrived for an action, in order."""
        return [
            one.headers["paypal-request-id"]
            for one in self.http.requests
            if one.path.endswith(path_ends) and "paypal-request-id" in one.headers
        ]

    def fetched_tokens(self) -> int:
        return sum(one.path == _TOKEN for one in self.http.requests)

    # Notifications

    def sign(self, body: bytes, *, at: datetime | None = None) -> SignedNotification:
        number = next(self._numbers)
        moment = at or self.clock.now()
        headers = {
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
            "PAYPAL-CERT-URL": "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
            "PAYPAL-TRANSMISSION-ID": f"transmission-{number}",
            "PAYPAL-TRANSMISSION-TIME": f"{moment:%Y-%m-%dT%H:%M:%S}Z",
        }
        signature = _signature(
            headers["PAYPAL-TRANSMISSION-ID"], headers["PAYPAL-TRANSMISSION-TIME"], body
        )
        return SignedNotification({**headers, "PAYPAL-TRANSMISSION-SIG": signature}, body)

    def notify(self, kind: str, resource: Mapping[str, Any], number: int = 1) -> SignedNotification:
        """Sign an event, written as PayPal writes it and ``json.dumps`` does not."""
        event = {
            "id": f"WH-{number}-{resource['id']}",
            "event_version": "1.0",
            "create_time": f"{self.clock.now():%Y-%m-%dT%H:%M:%S}Z",
            "resource_type": kind.split(".")[1].lower(),
            "event_type": kind,
            "summary": "Caf\u00e9 \u2603",
            "resource": resource,
        }
        text = json.dumps(event, ensure_ascii=False, separators=(" ,", " : "))
        return self.sign(text.encode())

    # The wire

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        try:
            if request.path == _TOKEN:
                return self._token(request)
            self._check_token(request)
            self.on_arrival(request)
            if request.path == _VERIFY:
                return self._verify(request)
            key = request.headers.get("paypal-request-id")
            return self._act(request) if key is None else self._once(key, request)
        except Problem as problem:
            return _json(problem.status, problem.document)

    def _token(self, request: HttpRequest) -> HttpAnswer:
        wanted = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        sent = request.headers.get("authorization")
        if sent != f"Basic {wanted}" or not self.knows_the_client:
            return _json(401, {"error": "invalid_client"})
        if request.form != {"grant_type": "client_credentials"}:
            return _json(400, {"error": "unsupported_grant_type"})
        token = f"A21AA{next(self._numbers)}"
        self.tokens[token] = self.clock.now() + _TOKEN_LASTS
        lasts_s = int(_TOKEN_LASTS.total_seconds())
        return _json(200, {"access_token": token, "token_type": "Bearer", "expires_in": lasts_s})

    def _check_token(self, request: HttpRequest) -> None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        good_until = self.tokens.get(token)
        if not self.knows_the_client or good_until is None or good_until <= self.clock.now():
            raise Problem(401, "AUTHENTICATION_FAILURE", "invalid_token")

    def _once(self, key: str, request: HttpRequest) -> HttpAnswer:
        """Answer as the first time; only success is remembered, and it says 200 from then on."""
        api = request.path.split("/")[2]
        slot = f"{request.path} {key}"
        with self.books.lock:
            known = self._answers.get(slot)
            if known is not None and self.clock.now() < known[1]:
                return HttpAnswer(200, known[0].body, known[0].headers)
            if slot in self._running:
                raise Problem(409, "RESOURCE_CONFLICT", "PREVIOUS_REQUEST_IN_PROGRESS")
            self._running.add(slot)
        try:
            self.while_running(request)
            answer = self._act(request)
            with self.books.lock:
                self._answers[slot] = (answer, self.clock.now() + _KEYS_LAST[api])
            return answer
        finally:
            self._running.discard(slot)

    def _act(self, request: HttpRequest) -> HttpAnswer:
        match = _ROUTE.fullmatch(request.path)
        if match is None:
            raise Problem(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
        name, action, books = match["id"], match["action"], self.books
        body: Any = json.loads(request.body) if request.body else {}
        reads = {
            "orders": books.get_order,
            "authorizations": books.get_authorization,
            "captures": books.get_capture,
            "refunds": books.get_refund,
        }
        acts: dict[tuple[str, str], Callable[[], Json]] = {
            ("orders", "authorize"): lambda: books.authorize_order(name),
            ("authorizations", "capture"): lambda: books.capture(name, body),
            ("authorizations", "void"): lambda: books.void(name),
            ("authorizations", "reauthorize"): lambda: books.reauthorize(name, body),
            ("captures", "refund"): lambda: books.refund(name, body),
        }
        with books.lock:
            if request.method == "GET" and action is None:
                return _json(200, reads[match["kind"]](name))
            if request.method == "PATCH" and (match["kind"], action) == ("orders", None):
                books.patch_order(name, body)
                return HttpAnswer(204)
            if request.method != "POST" or (match["kind"], action) not in acts:
                raise Problem(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
            done = acts[match["kind"], action]()
            if "representation" not in request.headers.get("prefer", ""):
                # A void has nothing left to tell.
                done = {"id": done["id"], "status": done["status"]}
                return HttpAnswer(204) if action == "void" else _json(201, done)
            return _json(200 if action == "void" else 201, done)

    def _verify(self, request: HttpRequest) -> HttpAnswer:
        """Verify the bytes of the event as they stand in the question."""
        asked = json.loads(request.body)
        _, _, event = request.body.partition(b'"webhook_event": ')
        wanted = _signature(asked["transmission_id"], asked["transmission_time"], event[:-1])
        good = asked["webhook_id"] == WEBHOOK_ID and hmac.compare_digest(
            wanted, asked["transmission_sig"]
        )
        return _json(200, {"verification_status": "SUCCESS" if good else "FAILURE"})


def _signature(transmission_id: str, transmission_time: str, body: bytes) -> str:
    signed = f"{transmission_id}|{transmission_time}|{WEBHOOK_ID}|{zlib.crc32(body)}"
    digest = hmac.digest(_SIGNING_KEY, signed.encode(), hashlib.sha256)
    return "sig" + base64.b64encode(digest).decode()


def _json(status: int, document: Json) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(document).encode())
