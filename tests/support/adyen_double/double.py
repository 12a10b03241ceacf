"""The double's books, and what each request does to them."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from enum import Enum
from itertools import count
from typing import Any, Final

from attrs import define, field

from tests.support.adyen_double.notifications import (
    API_KEY,
    HMAC_KEY,
    MERCHANT_ACCOUNT,
    Item,
    batch,
    item,
    signed,
)
from tests.support.http_faults import FaultyHttpServer, HttpAnswer, HttpRequest

VERSION: Final = "/v72"
_MODIFICATION: Final = re.compile(
    VERSION + r"/payments/(?P<psp>[^/]+)/(?P<kind>captures|cancels|refunds)"
)
_OPERATION: Final = {"captures": "capture", "cancels": "cancel", "refunds": "refund"}


class Outcome(Enum):
    """What became of the customer's attempt to pay."""

    AUTHORISED = "authorised"
    REFUSED = "refused"
    ABANDONED = "abandoned"


@define
class Payment:
    """One payment of a customer."""

    psp: str
    value: int
    currency: str
    reference: str
    outcome: Outcome
    captured: int = 0
    refunded: int = 0
    is_cancelled: bool = False
    has_lapsed: bool = False
    rejects_refunds: bool = False
    effects: Counter[str] = field(factory=Counter)
    """Requests that were received, once each."""
    heard: list[Item] = field(factory=list)
    """Items to notify, in the order in which they happened."""


class AdyenDouble:
    """Receives modifications, does them, and notifies when told to.

    Answers get lost, late or broken as ``server.plan`` says. A key that is sent again gets its
    first answer; sent with something else, it is noted in ``mismatches``.

    *captures_in_parts* is what Adyen's support enables: without it the first capture gives up
    what it leaves, and a second one fails by notification.
    """

    def __init__(self, *, captures_in_parts: bool = False) -> None:
        self.captures_in_parts = captures_in_parts
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._payments: dict[str, Payment] = {}
        self._answers: dict[str, tuple[str, HttpAnswer]] = {}
        self._running: set[str] = set()
        self.mismatches: list[str] = []
        self.api_key = API_KEY
        """Which key is good."""
        self.after_effect: Callable[[], object] = lambda: None
        """What happens between an effect and its answer."""
        self.server = FaultyHttpServer(self._answer)

    @property
    def base_url(self) -> str:
        """Where the API is, version included."""
        return self.server.url + VERSION

    def close(self) -> None:
        """Stop serving."""
        self.server.close()

    # -- the customer ------------------------------------------------------------------------

    def customer_pays(
        self,
        value: int,
        currency: str = "USD",
        *,
        outcome: Outcome = Outcome.AUTHORISED,
        reason: str = "",
        reference: str | None = None,
    ) -> str:
        """Let a customer pay; return the pspReference. It is not notified yet."""
        psp = self._new_psp()
        payment = Payment(psp, value, currency, reference or f"cart-{psp}", outcome)
        self._payments[psp] = payment
        match outcome:
            case Outcome.AUTHORISED:
                # As in reality, the reason of a success holds digits and expiry of the card.
                self._say(payment, "AUTHORISATION", psp, reason="076181:1111:03/2030")
            case Outcome.REFUSED:
                self._say(payment, "AUTHORISATION", psp, success=False, reason=reason)
            case Outcome.ABANDONED:
                self._say(payment, "OFFER_CLOSED", psp)
        return psp

    def happens(self, psp: str, code: str, **more: Any) -> None:
        """Let something happen to a payment at Adyen, such as a chargeback."""
        payment = self._payments[psp]
        if code == "CAPTURE":
            payment.captured = more.get("value", payment.value)
        self._say(payment, code, self._new_psp(), original=psp, **more)

    def lapses(self, psp: str) -> None:
        """Let what is still held expire."""
        payment = self._payments[psp]
        value = self._held(payment)
        payment.has_lapsed = True
        self._say(payment, "EXPIRE", psp, value=value)

    def reject_refunds(self, psp: str) -> None:
        """Let every refund of a payment be received, and rejected afterwards."""
        self._payments[psp].rejects_refunds = True

    # -- what the tests look at --------------------------------------------------------------

    def effects(self, psp: str, operation: str) -> int:
        """Count the requests that were received for a payment, replays aside."""
        payment = self._payments.get(psp)
        if payment is None:
            return 0
        if operation == "authorize":
            return int(payment.outcome is Outcome.AUTHORISED)
        return payment.effects[operation]

    def books(self, psp: str) -> tuple[int, int, bool]:
        """Tell what was captured, what was refunded, and whether it was cancelled."""
        payment = self._payments[psp]
        return payment.captured, payment.refunded, payment.is_cancelled

    def held(self, psp: str) -> int:
        """Tell what can still be captured."""
        return self._held(self._payments[psp])

    def items(self, psp: str) -> list[Item]:
        """Return everything that there is to notify of a payment, signed."""
        with self._lock:
            return [signed(one, HMAC_KEY) for one in self._payments[psp].heard]

    def notification(self, psp: str) -> bytes:
        """Return everything of a payment as one notification."""
        return batch(self.items(psp))

    # -- the API -----------------------------------------------------------------------------

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        if request.headers.get("x-api-key") != self.api_key:
            return _error(401, "000", "HTTP Status Response - Unauthorized", "security")
        body = json.loads(request.body)
        if body.get("merchantAccount") != MERCHANT_ACCOUNT:
            return _error(403, "901", "Invalid Merchant Account", "security")
        if request.path == VERSION + "/paymentMethods":
            return _json(200, {"paymentMethods": [{"name": "Cards", "type": "scheme"}]})
        match = _MODIFICATION.fullmatch(request.path)
        if match is None or request.method != "POST":
            return HttpAnswer(404, b"", {})
        key = request.headers.get("idempotency-key", "")
        said = f"{request.path} {json.dumps(body, sort_keys=True)}"
        with self._lock:
            if key in self._running:
                # Both are seen in the wild.
                status = 409 if len(self._running) % 2 else 422
                return _error(status, "704", "request already processed or in progress", "internal")
            known = self._answers.get(key)
            if known is not None:
                if known[0] != said:
                    self.mismatches.append(key)
                return known[1]
            self._running.add(key)
        try:
            with self._lock:
                answer = self._modify(_OPERATION[match["kind"]], match["psp"], body)
                if answer.status < 300:
                    self._answers[key] = (said, answer)
                    self.after_effect()
            return answer
        finally:
            with self._lock:
                self._running.discard(key)

    def _modify(self, operation: str, psp: str, body: dict[str, Any]) -> HttpAnswer:
        payment = self._payments.get(psp)
        if payment is None:
            return _error(422, "167", "Original pspReference required for this operation")
        if operation != "cancel" and body["amount"]["value"] <= 0:
            return _error(422, "137", "Invalid amount specified")
        received = self._new_psp()
        payment.effects[operation] += 1
        reference = body.get("reference") or payment.reference
        getattr(self, f"_{operation}")(payment, received, reference, body.get("amount"))
        answer = {
            "merchantAccount": MERCHANT_ACCOUNT,
            "paymentPspReference": psp,
            "pspReference": received,
            "reference": reference,
            "status": "received",
        }
        if "amount" in body:
            answer["amount"] = body["amount"]
        return _json(201, answer)

    def _capture(
        self, payment: Payment, received: str, reference: str, amount: dict[str, Any]
    ) -> None:
        value = amount["value"]
        if value <= self._held(payment):
            payment.captured += value
            refusal = None
        else:
            refusal = "Not allowed"
        self._end(payment, "CAPTURE", received, reference, refusal, value)

    def _held(self, payment: Payment) -> int:
        if payment.outcome is not Outcome.AUTHORISED:
            return 0
        if payment.is_cancelled or payment.has_lapsed:
            return 0
        if payment.captured and not self.captures_in_parts:
            return 0
        return payment.value - payment.captured

    def _cancel(self, payment: Payment, received: str, reference: str, _: object) -> None:
        refusal = "Already over" if payment.captured or payment.is_cancelled else None
        payment.is_cancelled |= refusal is None
        self._end(payment, "CANCELLATION", received, reference, refusal, payment.value)

    def _refund(
        self, payment: Payment, received: str, reference: str, amount: dict[str, Any]
    ) -> None:
        value = amount["value"]
        if value > payment.captured - payment.refunded or payment.rejects_refunds:
            refusal = "Insufficient balance on payment"
        else:
            payment.refunded += value
            refusal = None
        self._end(payment, "REFUND", received, reference, refusal, value)

    def _end(
        self,
        payment: Payment,
        code: str,
        received: str,
        reference: str,
        refusal: str | None,
        value: int,
    ) -> None:
        self._say(
            payment,
            code,
            received,
            success=refusal is None,
            original=payment.psp,
            reference=reference,
            reason=refusal or "",
            value=value,
        )

    def _say(self, payment: Payment, code: str, psp: str, **more: Any) -> None:
        facts = {
            "value": payment.value,
            "currency": payment.currency,
            "reference": payment.reference,
        }
        payment.heard.append(item(code, psp, **{**facts, **more}))

    def _new_psp(self) -> str:
        return f"QFQT{next(self._numbers):010d}82"


def _json(status: int, document: dict[str, Any]) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(document).encode())


def _error(status: int, code: str, message: str, kind: str = "validation") -> HttpAnswer:
    return _json(
        status, {"status": status, "errorCode": code, "message": message, "errorType": kind}
    )
