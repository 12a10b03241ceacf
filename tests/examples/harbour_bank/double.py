"""Harbour Bank on a free port of 127.0.0.1: it keeps books, remembers keys, and fails as told."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Final

from oms_core.ports.clock import Clock

Json = dict[str, Any]
API_KEY: Final = "hb_an-unmistakable-key"
HOLD_LASTS: Final = timedelta(days=7)
KEY_LASTS: Final = timedelta(days=1)


class Refusal(Exception):
    """An error as the bank answers it."""

    def __init__(self, status: int, error: str, reason: str | None = None) -> None:
        super().__init__(error)
        self.status, self.body = status, {"error": error, "reason": reason}


class HarbourBank:
    """Every request is one step under one lock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.api_key = API_KEY
        self.payments: dict[str, Json] = {}
        self.effects: Counter[tuple[str, str]] = Counter()
        self.trouble: list[tuple[str, str]] = []
        """What goes wrong, once each, and with which request: ``lose``, ``refuse``, ``break``, or
        what is answered instead."""
        self._keys: dict[str, tuple[str, Json, float]] = {}
        self._lock = threading.RLock()
        self._numbers = count(1)
        owner = self

        class Handler(_Handler):
            bank = owner

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def create(self, amount: int, currency: str, **more: Any) -> str:
        """Be the shop that makes a payment."""
        name = f"pay-{next(self._numbers)}"
        self.payments[name] = {
            "id": name,
            "amount": amount,
            "currency": currency,
            "state": "open",
            "held": 0,
            "taken": 0,
            "given_back": 0,
            "order": None,
            "expires_at": None,
            "declined_because": None,
            "customer_url": None,
            "operations": [],
            "will": "hold",
            "refunds_are": "done",
            **more,
        }
        return name

    def hold(self, payment: Json) -> None:
        """Hold the money, or not, as the customer's own bank decides."""
        if payment["will"] == "decline":
            payment.update(state="declined", declined_because="not_enough_money")
        elif payment["will"] == "ask":
            payment.update(will="hold", state="customer_must_act", customer_url="https://bank/3ds")
        elif payment["will"] == "wait":
            payment.update(will="hold", state="being_decided")
        else:
            expires_at = self.clock.now() + HOLD_LASTS
            payment.update(state="held", held=payment["amount"], customer_url=None)
            payment["expires_at"] = expires_at.isoformat()
            self.effects[payment["id"], "authorize"] += 1
            if payment["will"] == "take":
                payment.update(state="taken", taken=payment["amount"])

    # -- requests ------------------------------------------------------------------------------

    def answer(self, method: str, path: str, key: str, authorization: str, body: Json) -> Json:
        with self._lock:
            if authorization != f"Bearer {self.api_key}":
                raise Refusal(401, "bad_api_key")
            if path == "/me":
                return {"name": "the shop"}
            _, _, name, *what = path.split("/")
            payment = self.payments.get(name)
            if payment is None:
                raise Refusal(404, "no_such_payment")
            self._lapse(payment)
            return self._once(key, path, payment, what[0], body) if method == "POST" else payment

    def _once(self, key: str, path: str, payment: Json, what: str, body: Json) -> Json:
        """Do it, or repeat the answer that the key had."""
        said, now = f"{path} {body}", self.clock.now().timestamp()
        if key in self._keys and self._keys[key][2] > now:
            if self._keys[key][0] != said:
                raise Refusal(422, "key_used_for_something_else")
            return self._keys[key][1]
        done: Json = json.loads(json.dumps(self._do(payment, what, body)))
        self._keys[key] = (said, done, now + KEY_LASTS.total_seconds())
        return done

    def _do(self, payment: Json, what: str, body: Json) -> Json:
        if what == "hold":
            if payment["state"] != "open":
                raise Refusal(409, "wrong_state", f"payment_is_{payment['state']}")
            payment["order"] = body["order"]
            self.hold(payment)
            return payment
        for one in payment["operations"]:
            if one["name"] == body["name"]:
                known: Json = one
                return known
        made = {"id": f"op-{next(self._numbers)}", "name": body["name"], "because": None}
        getattr(self, f"_{what}")(payment, made, body)
        payment["operations"].append(made)
        return made

    def _captures(self, payment: Json, made: Json, body: Json) -> None:
        left = payment["held"] - payment["taken"]
        if payment["state"] not in {"held", "taken_in_part"} or not 0 < body["amount"] <= left:
            raise Refusal(409, "wrong_state", f"payment_is_{payment['state']}")
        payment["taken"] += body["amount"]
        is_over = body["final"] or payment["taken"] == payment["held"]
        payment["state"] = "taken" if is_over else "taken_in_part"
        made["status"] = "done"
        self.effects[payment["id"], "capture"] += 1

    def _cancellations(self, payment: Json, made: Json, body: Json) -> None:
        if payment["taken"] or payment["order"] not in {None, body["order"]}:
            raise Refusal(409, "wrong_state", f"payment_is_{payment['state']}")
        made["status"] = "done"
        if payment["state"] not in {"cancelled", "expired", "declined"}:
            payment.update(state="cancelled", customer_url=None)
            self.effects[payment["id"], "cancel"] += 1

    def _refunds(self, payment: Json, made: Json, body: Json) -> None:
        if not 0 < body["amount"] <= payment["taken"] - payment["given_back"]:
            raise Refusal(409, "wrong_state", "not_so_much_was_taken")
        made["status"] = payment["refunds_are"]
        if made["status"] == "rejected":
            made["because"] = "account_closed"
            return
        made["amount"] = body["amount"]
        self.effects[payment["id"], "refund"] += 1
        payment["given_back"] += body["amount"]

    def _lapse(self, payment: Json) -> None:
        until = payment["expires_at"]
        if payment["state"] == "held" and until and self.clock.now().isoformat() >= until:
            payment["state"] = "expired"


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


class _Handler(BaseHTTPRequestHandler):
    bank: HarbourBank
    protocol_version = "HTTP/1.1"

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        trouble = self._trouble()
        if trouble == "refuse":
            self._send(429, {"error": "too_many_requests"}, {"Retry-After": "1"})
        elif trouble == "break":
            self._send(500, {"error": "somebody_tripped_over_a_cable"})
        else:
            try:
                key = self.headers.get("Idempotency-Key", "")
                sent = self.headers.get("Authorization", "")
                status, answer = 200, self.bank.answer(self.command, self.path, key, sent, body)
            except Refusal as refusal:
                status, answer = refusal.status, refusal.body
            if trouble == "lose":
                self.close_connection = True
            elif trouble is not None:
                self._send_raw(200, trouble.encode())
            else:
                self._send(status, answer)

    do_GET = do_POST = _respond  # noqa: N815 - the stdlib's names

    def _trouble(self) -> str | None:
        for one in self.bank.trouble:
            if self.command == "POST" and self.path.endswith(one[1]):
                self.bank.trouble.remove(one)
                return one[0]
        return None

    def _send(self, status: int, answer: Json, headers: dict[str, str] | None = None) -> None:
        self._send_raw(status, json.dumps(answer).encode(), headers)

    def _send_raw(self, status: int, raw: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the stdlib's name
        """Say nothing."""
