"""What the double knows of orders, authorizations, captures and refunds, and PayPal's rules."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final

from oms_core.ports.clock import Clock

Json = dict[str, Any]
HONOR_PERIOD: Final = timedelta(days=3)
LASTS: Final = timedelta(days=29)
_UNIT_PATH: Final = re.compile(r"/purchase_units/@reference_id=='([^']*)'/custom_id")
_WITHOUT_DECIMALS: Final = ("HUF", "JPY", "TWD")


class Problem(Exception):
    """An error as PayPal answers it."""

    def __init__(self, status: int, name: str, issue: str) -> None:
        super().__init__(issue)
        self.status = status
        self.document: Json = {
            "name": name,
            "message": "The requested action could not be performed.",
            "debug_id": "90957fca61718",
            "details": [{"issue": issue, "description": issue}],
            "links": [],
        }


def unprocessable(issue: str) -> Problem:
    return Problem(422, "UNPROCESSABLE_ENTITY", issue)


def not_found() -> Problem:
    return Problem(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")


class PaypalBooks:
    """Every method that PayPal's API has is one step under one lock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.orders: dict[str, Json] = {}
        self.effects: Counter[tuple[str, str]] = Counter()
        """(order, operation) → how often it did anything."""
        self.decline: dict[str, str] = {}
        """Order → the issue with which its authorization is refused."""
        self.authorized_as: dict[str, str] = {}
        """Order → the status of its authorization, if not CREATED."""
        self.refunded_as: dict[str, str] = {}
        self.captured_as: dict[str, str] = {}
        self.keeps_older_authorizations = False
        """A hold made anew leaves the older one open."""
        self.holds_last = LASTS
        self._numbers = count(1)

    # The shop and the buyer

    def create_order(
        self,
        value: str,
        currency: str = "USD",
        *,
        intent: str = "AUTHORIZE",
        status: str = "APPROVED",
        custom_id: str | None = None,
        units: int = 1,
    ) -> str:
        order_id = self._id("ORDER")
        amount = {"currency_code": currency, "value": value}
        self.orders[order_id] = {
            "id": order_id,
            "status": status,
            "intent": intent,
            "create_time": self._now(),
            "purchase_units": [
                {
                    "reference_id": "default" if units == 1 else f"unit-{i}",
                    "amount": dict(amount),
                    **({"custom_id": custom_id} if custom_id else {}),
                }
                for i in range(units)
            ],
        }
        return order_id

    def approve(self, order_id: str) -> None:
        with self.lock:
            order = self.orders[order_id]
            if order["status"] in {"CREATED", "PAYER_ACTION_REQUIRED"}:
                order["status"] = "APPROVED"

    def settle(self, order_id: str) -> None:
        """Let reviews end well, and refunds arrive."""
        with self.lock:
            payments = self._payments(order_id)
            for one in payments.get("authorizations", ()):
                if one["status"] == "PENDING":
                    one["status"] = "CREATED"
            for one in (*payments.get("captures", ()), *payments.get("refunds", ())):
                if one["status"] == "PENDING":
                    one["status"] = "COMPLETED"

    def open_authorizations(self, order_id: str) -> list[Json]:
        return [
            one
            for one in self._payments(order_id).get("authorizations", ())
            if one["status"] in {"CREATED", "PENDING", "PARTIALLY_CAPTURED"}
        ]

    def total(self, order_id: str, kind: str) -> Decimal:
        """Add up the captures or refunds of an order that moved money."""
        return sum(
            (
                Decimal(one["amount"]["value"])
                for one in self._payments(order_id).get(kind, ())
                if one["status"] not in {"DECLINED", "FAILED", "CANCELLED"}
            ),
            Decimal(0),
        )

    # The orders API

    def get_order(self, order_id: str) -> Json:
        order = self._order(order_id)
        links = [_link("self", f"checkout/orders/{order_id}")]
        if order["status"] in {"CREATED", "PAYER_ACTION_REQUIRED"}:
            url = f"https://www.sandbox.paypal.com/checkoutnow?token={order_id}"
            links.append({"href": url, "rel": "payer-action", "method": "GET"})
        return {**order, "links": links}

    def patch_order(self, order_id: str, operations: list[Json]) -> None:
        order = self._order(order_id)
        if order["status"] not in {"CREATED", "APPROVED"}:
            raise unprocessable("ORDER_ALREADY_COMPLETED")
        changes: list[Callable[[], None]] = []
        for one in operations:
            match = _UNIT_PATH.fullmatch(one["path"])
            units = order["purchase_units"]
            found = [unit for unit in units if match and unit["reference_id"] == match[1]]
            if one["path"] == "/intent" and one["op"] == "replace":
                target = order
            elif found and one["op"] in {"add", "replace"}:
                target = found[0]
                if ("custom_id" in target) == (one["op"] == "add"):
                    raise Problem(400, "INVALID_REQUEST", "INVALID_PATCH_OPERATION")
            else:
                raise Problem(400, "INVALID_REQUEST", "FIELD_NOT_PATCHABLE")
            name = one["path"].rpartition("/")[2]
            changes.append(lambda to=target, name=name, one=one: to.update({name: one["value"]}))  # type: ignore[misc]
        for change in changes:
            change()
        if order["intent"] == "CAPTURE":
            self.effects[order_id, "cancel"] += 1

    def authorize_order(self, order_id: str) -> Json:
        order = self._order(order_id)
        if order["intent"] != "AUTHORIZE":
            raise unprocessable("ACTION_DOES_NOT_MATCH_INTENT")
        if order["status"] == "COMPLETED":
            raise unprocessable("ORDER_ALREADY_AUTHORIZED")
        if order_id in self.decline:
            raise unprocessable(self.decline[order_id])
        if order["status"] != "APPROVED":
            raise unprocessable("ORDER_NOT_APPROVED")
        for unit in order["purchase_units"]:
            made = self._authorization(order, unit, unit["amount"])
            made["status"] = self.authorized_as.get(order_id, "CREATED")
            unit.setdefault("payments", {})["authorizations"] = [made]
        order["status"] = "COMPLETED"
        self.effects[order_id, "authorize"] += 1
        return self.get_order(order_id)

    # The payments API

    def get_authorization(self, authorization_id: str) -> Json:
        return self._find("authorizations", authorization_id)[1]

    def get_capture(self, capture_id: str) -> Json:
        return self._find("captures", capture_id)[1]

    def get_refund(self, refund_id: str) -> Json:
        return self._find("refunds", refund_id)[1]

    def capture(self, authorization_id: str, body: Mapping[str, Any]) -> Json:
        order, held = self._find("authorizations", authorization_id)
        self._check_open(held)
        amount = body["amount"]
        self._check_amount(amount, held["amount"], "AUTH_CAPTURE_CURRENCY_MISMATCH")
        payments = self._payments(order["id"])
        taken = self.total(order["id"], "captures") + Decimal(amount["value"])
        if taken > Decimal(held["amount"]["value"]):
            raise unprocessable("MAX_CAPTURE_AMOUNT_EXCEEDED")
        self._check_invoice(body.get("invoice_id"))
        made = {
            "id": self._id("CAPTURE"),
            "status": self.captured_as.get(order["id"], "COMPLETED"),
            "amount": dict(amount),
            "final_capture": body.get("final_capture", False),
            "invoice_id": body.get("invoice_id"),
            **({"custom_id": held["custom_id"]} if "custom_id" in held else {}),
            "create_time": self._now(),
            "update_time": self._now(),
            "supplementary_data": {
                "related_ids": {"order_id": order["id"], "authorization_id": held["id"]}
            },
            "links": [_link("up", f"payments/authorizations/{held['id']}")],
        }
        payments.setdefault("captures", []).append(made)
        is_over = made["final_capture"] or taken == Decimal(held["amount"]["value"])
        held["status"] = "CAPTURED" if is_over else "PARTIALLY_CAPTURED"
        self.effects[order["id"], "capture"] += 1
        return made

    def void(self, authorization_id: str) -> Json:
        order, held = self._find("authorizations", authorization_id)
        if held["status"] == "CAPTURED":
            raise unprocessable("PREVIOUSLY_CAPTURED")
        if held["status"] == "VOIDED":
            raise unprocessable("PREVIOUSLY_VOIDED")
        held["status"] = "VOIDED"
        self.effects[order["id"], "cancel"] += 1
        return held

    def reauthorize(self, authorization_id: str, body: Mapping[str, Any]) -> Json:
        order, held = self._find("authorizations", authorization_id)
        self._check_open(held)
        self._check_amount(body["amount"], held["amount"], "AUTH_CURRENCY_MISMATCH")
        newest = self._payments(order["id"])["authorizations"][-1]
        if self.clock.now() - datetime.fromisoformat(newest["create_time"]) < HONOR_PERIOD:
            raise unprocessable("REAUTHORIZATION_TOO_SOON")
        made = self._authorization(order, order["purchase_units"][0], body["amount"])
        if "custom_id" in held:
            made["custom_id"] = held["custom_id"]
        if not self.keeps_older_authorizations:
            held["status"] = "VOIDED"
        self._payments(order["id"])["authorizations"].append(made)
        self.effects[order["id"], "reauthorize"] += 1
        return made

    def refund(self, capture_id: str, body: Mapping[str, Any]) -> Json:
        order, taken = self._find("captures", capture_id)
        if taken["status"] == "PENDING":
            raise unprocessable("PENDING_CAPTURE")
        amount = body["amount"]
        self._check_amount(amount, taken["amount"], "REFUND_CAPTURE_CURRENCY_MISMATCH")
        self._check_invoice(body.get("invoice_id"))
        refunds = self._payments(order["id"]).setdefault("refunds", [])
        up = _link("up", f"payments/captures/{capture_id}")
        before = sum(
            Decimal(one["amount"]["value"])
            for one in refunds
            if up in one["links"] and one["status"] not in {"FAILED", "CANCELLED"}
        )
        left = Decimal(taken["amount"]["value"]) - before
        if not left:
            raise unprocessable("CAPTURE_FULLY_REFUNDED")
        if Decimal(amount["value"]) > left:
            raise unprocessable("REFUND_AMOUNT_EXCEEDED")
        made = {
            "id": self._id("REFUND"),
            "status": self.refunded_as.get(order["id"], "COMPLETED"),
            "amount": dict(amount),
            "custom_id": body.get("custom_id"),
            "invoice_id": body.get("invoice_id"),
            "create_time": self._now(),
            "update_time": self._now(),
            "links": [up],
        }
        if made["status"] == "FAILED":
            made["status_details"] = {"reason": "ECHECK"}
        else:
            full = Decimal(amount["value"]) == left
            taken["status"] = "REFUNDED" if full else "PARTIALLY_REFUNDED"
            self.effects[order["id"], "refund"] += 1
        refunds.append(made)
        return made

    # What all of them need

    def _order(self, order_id: str) -> Json:
        if order_id not in self.orders:
            raise not_found()
        return self.orders[order_id]

    def _payments(self, order_id: str) -> Json:
        """Return the payments of the first purchase unit; few tests have a second."""
        payments: Json = self._order(order_id)["purchase_units"][0].setdefault("payments", {})
        return payments

    def _find(self, kind: str, name: str) -> tuple[Json, Json]:
        for order in self.orders.values():
            for unit in order["purchase_units"]:
                for one in unit.get("payments", {}).get(kind, ()):
                    if one["id"] == name:
                        return order, one
        raise not_found()

    def _authorization(self, order: Json, unit: Json, amount: Json) -> Json:
        authorization_id = self._id("AUTH")
        return {
            "id": authorization_id,
            "status": "CREATED",
            "amount": dict(amount),
            **({"custom_id": unit["custom_id"]} if "custom_id" in unit else {}),
            "create_time": self._now(),
            "update_time": self._now(),
            "expiration_time": _moment(self.clock.now() + self.holds_last),
            "supplementary_data": {"related_ids": {"order_id": order["id"]}},
            "links": [_link("self", f"payments/authorizations/{authorization_id}")],
        }

    def _check_open(self, held: Json) -> None:
        refusals = {
            "VOIDED": "AUTHORIZATION_VOIDED",
            "CAPTURED": "AUTHORIZATION_ALREADY_CAPTURED",
            "DENIED": "AUTHORIZATION_DENIED",
        }
        if held["status"] in refusals:
            raise unprocessable(refusals[held["status"]])
        if self.clock.now() >= datetime.fromisoformat(held["expiration_time"]):
            raise unprocessable("AUTHORIZATION_EXPIRED")

    def _check_amount(self, amount: Json, of: Json, mismatch: str) -> None:
        if amount["currency_code"] != of["currency_code"]:
            raise unprocessable(mismatch)
        if amount["currency_code"] in _WITHOUT_DECIMALS and "." in amount["value"]:
            raise unprocessable("DECIMALS_NOT_SUPPORTED")
        if Decimal(amount["value"]) <= 0:
            raise unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE")

    def _check_invoice(self, invoice_id: str | None) -> None:
        for order in self.orders.values():
            for unit in order["purchase_units"]:
                payments = unit.get("payments", {})
                for one in (*payments.get("captures", ()), *payments.get("refunds", ())):
                    if invoice_id and one.get("invoice_id") == invoice_id:
                        raise unprocessable("DUPLICATE_INVOICE_ID")

    def _id(self, kind: str) -> str:
        return f"{kind}{next(self._numbers):06d}"

    def _now(self) -> str:
        return _moment(self.clock.now())


def _moment(moment: datetime) -> str:
    """Write a moment as PayPal does: whole seconds, in UTC."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _link(rel: str, path: str) -> Json:
    url = f"https://api-m.sandbox.paypal.com/v2/{path}"
    return {"href": url, "rel": rel, "method": "GET"}
