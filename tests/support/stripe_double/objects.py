"""Stripe's objects as they go over the wire, and how they change."""

from __future__ import annotations

from typing import Any, Final

from attrs import define, field

from tests.support.stripe_double.refusal import Refused

HOLD_LASTS_S: Final = 7 * 86_400
CARD_NUMBER: Final = "4242424242424242"
CUSTOMER: Final = "Jenny Rosen"
_CANCELABLE: Final = {
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "requires_capture",
}
_AMOUNT_MAY_CHANGE: Final = {
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
}


@define
class Refund:
    """A refund, newest last in its payment's list."""

    id: str
    amount: int
    created: int
    status: str = "succeeded"
    metadata: dict[str, str] = field(factory=dict)
    failure_reason: str | None = None
    settles_as: str = "succeeded"


@define
class Intent:
    """A PaymentIntent with its latest charge and refunds, and how its customer's bank behaves."""

    id: str
    amount: int
    currency: str
    created: int
    status: str = "requires_confirmation"
    metadata: dict[str, str] = field(factory=dict)
    payment_details: dict[str, str] = field(factory=dict)
    capture_method: str = "manual"
    amount_capturable: int = 0
    amount_received: int = 0
    cancellation_reason: str | None = None
    charges: int = 0
    charge_status: str | None = None
    charge_amount: int = 0
    capture_before: int = 0
    refunds: list[Refund] = field(factory=list)
    error: dict[str, Any] | None = None
    # The bank and the account
    decides: str = "approve"
    """approve, decline, ask (3-D Secure), wait (asynchronous), or a status of the future."""
    decline_code: str = "insufficient_funds"
    refunds_go: str = "succeeded"
    """succeeded; later: pending first; failed: pending first."""
    multicapture: bool = True
    lists_release: bool = True
    may_be_confirmed_again: bool = False
    """Whether it may be while the customer must act."""
    keeps_details: bool = True
    """Whether what a confirm says of the payment stands in it afterwards."""
    keeps_details_of_a_decline: bool = True
    cancelable_while_processing: bool = True

    @property
    def charge_id(self) -> str | None:
        return f"ch_{self.id[3:]}n{self.charges}" if self.charges else None

    def lapse(self, now: int) -> None:
        """Let go of a hold that is too old."""
        if self.status == "requires_capture" and now >= self.capture_before:
            self._release("automatic", now)

    def confirm(self, details: dict[str, str], now: int) -> bool:
        """Have the bank decide; tells whether that had an effect."""
        again = self.may_be_confirmed_again and self.status == "requires_action"
        if self.status != "requires_confirmation" and not again:
            raise self.unexpected_state("confirm")
        declined = self.decides == "decline"
        if self.keeps_details_of_a_decline if declined else self.keeps_details:
            self.payment_details = {**self.payment_details, **details}
        self.charges += 1
        self.charge_amount = self.amount
        match self.decides:
            case "approve":
                self._hold(now)
            case "ask":
                self.status, self.charge_status = "requires_action", "pending"
            case "wait":
                self.status, self.charge_status = "processing", "pending"
            case "decline":
                self.decline()
                raise Refused(
                    402,
                    **(self.error or {}),
                    payment_intent=self.document([]),
                    charge=self.charge_id,
                )
            case future:
                self.status, self.charge_status = future, "pending"
        return True

    def decline(self) -> None:
        self.status, self.charge_status = "requires_payment_method", "failed"
        self.error = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": self.decline_code,
            "message": f"{CUSTOMER}'s card {CARD_NUMBER} was declined.",
            "payment_method": {
                "id": "pm_1",
                "object": "payment_method",
                "type": "card",
                "created": self.created,
                "livemode": False,
                "billing_details": {"name": CUSTOMER, "email": None, "phone": None},
            },
        }

    def decide(self, now: int) -> None:
        """Let the bank, or the customer, come to an end."""
        if self.status in {"processing", "requires_action"}:
            self._hold(now)

    def settle(self, now: int) -> None:
        """Let all that is under way end, except what awaits the customer."""
        if self.status == "processing":
            self.decide(now)
        for refund in self.refunds:
            if refund.status == "pending":
                refund.status = refund.settles_as
                if refund.status == "failed":
                    refund.failure_reason = "expired_or_canceled_card"

    def capture(self, params: dict[str, str], now: int) -> bool:
        if self.status != "requires_capture":
            raise self.unexpected_state("capture")
        amount = int(params.get("amount_to_capture") or self.amount_capturable)
        if amount > self.amount_capturable:
            raise Refused(400, code="amount_too_large", param="amount_to_capture")
        final = params.get("final_capture", "true") == "true"
        if not final and not self.multicapture:
            raise Refused(400, code="parameter_unknown", param="final_capture", stored=False)
        self.amount_received += amount
        self.amount_capturable -= amount
        if final or not self.amount_capturable:
            released, self.amount_capturable = self.amount_capturable, 0
            self.status = "succeeded"
            if released and self.lists_release:
                name = f"re_{self.id[3:]}released"
                self.refunds.append(Refund(name, released, now))
        return True

    def cancel(self, params: dict[str, str], now: int) -> bool:
        processing = self.status == "processing" and self.cancelable_while_processing
        if self.status not in _CANCELABLE and not processing:
            raise self.unexpected_state("cancel")
        self._release(params.get("cancellation_reason"), now)
        return True

    def refund(self, params: dict[str, str], metadata: dict[str, str], now: int) -> Refund:
        if not self.amount_received:
            raise Refused(400, code="charge_not_refundable")
        left = self.charge_amount - self.amount_capturable
        left -= sum(one.amount for one in self.refunds if one.status not in {"failed", "canceled"})
        if not self.lists_release:
            left -= self.charge_amount - self.amount_capturable - self.amount_received
        amount = int(params.get("amount") or left)
        if not left:
            raise Refused(400, code="charge_already_refunded")
        if amount > left:
            raise Refused(400, param="amount")
        at_once = self.refunds_go == "succeeded"
        refund = Refund(
            f"re_{self.id[3:]}n{len(self.refunds)}",
            amount,
            now,
            "succeeded" if at_once else "pending",
            metadata,
            settles_as="failed" if self.refunds_go == "failed" else "succeeded",
        )
        self.refunds.append(refund)
        return refund

    def update(self, params: dict[str, str], metadata: dict[str, str]) -> None:
        if "amount" in params:
            # Stripe: "You may only update the amount of a PaymentIntent with one of the following
            # statuses: requires_payment_method, requires_confirmation, requires_action."
            if self.status not in _AMOUNT_MAY_CHANGE:
                raise self.unexpected_state("update the amount of")
            self.amount = int(params["amount"])
        self.metadata = {**self.metadata, **metadata}
        # Stripe: last_payment_error "will be cleared if the PaymentIntent is later updated".
        self.error = None

    def unexpected_state(self, verb: str) -> Refused:
        return Refused(
            400,
            code="payment_intent_unexpected_state",
            message=f"You cannot {verb} this PaymentIntent because it has a status of "
            f"{self.status}.",
            payment_intent=self.document([]),
        )

    def _hold(self, now: int) -> None:
        self.charge_status = "succeeded"
        if self.capture_method == "manual":
            self.status, self.amount_capturable = "requires_capture", self.amount
            self.charge_amount = self.amount
            self.capture_before = now + HOLD_LASTS_S
        else:
            self.status, self.amount_received = "succeeded", self.amount

    def _release(self, reason: str | None, now: int) -> None:
        if self.amount_capturable and self.lists_release:
            name = f"re_{self.id[3:]}released"
            self.refunds.append(Refund(name, self.amount_capturable, now))
        self.status, self.cancellation_reason = "canceled", reason
        self.amount_capturable = 0

    # -- documents ---------------------------------------------------------------------------

    def document(self, expand: list[str]) -> dict[str, Any]:
        charge: Any = self.charge_id
        if charge and any(one.startswith("latest_charge") for one in expand):
            charge = self._charge(with_refunds="latest_charge.refunds" in expand)
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": self.amount_capturable,
            "amount_received": self.amount_received,
            "cancellation_reason": self.cancellation_reason,
            "capture_method": self.capture_method,
            "client_secret": f"{self.id}_secret_x1y2z3",
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "last_payment_error": self.error,
            "latest_charge": charge,
            "livemode": False,
            "metadata": self.metadata,
            "next_action": self._next_action(),
            "payment_details": {
                name: self.payment_details.get(name)
                for name in ("customer_reference", "order_reference")
            },
            "payment_method_types": ["card"],
            "status": self.status,
        }

    def refund_document(self, refund: Refund) -> dict[str, Any]:
        document = {
            "id": refund.id,
            "object": "refund",
            "amount": refund.amount,
            "charge": self.charge_id,
            "created": refund.created,
            "currency": self.currency,
            "metadata": refund.metadata,
            "payment_intent": self.id,
            "status": refund.status,
        }
        if refund.failure_reason:
            document["failure_reason"] = refund.failure_reason
        return document

    def _next_action(self) -> dict[str, Any] | None:
        if self.status != "requires_action":
            return None
        url = f"https://hooks.stripe.example/3d_secure/{self.id}"
        return {
            "type": "redirect_to_url",
            "redirect_to_url": {"url": url, "return_url": "https://shop.example/back"},
        }

    def _charge(self, *, with_refunds: bool) -> dict[str, Any]:
        good = [one for one in self.refunds if one.status not in {"failed", "canceled"}]
        charge: dict[str, Any] = {
            "id": self.charge_id,
            "object": "charge",
            "amount": self.charge_amount,
            "amount_captured": self.amount_received,
            "amount_refunded": sum(one.amount for one in good),
            "captured": bool(self.amount_received),
            "created": self.created,
            "currency": self.currency,
            "payment_intent": self.id,
            "payment_method_details": {
                "type": "card",
                "card": {"last4": CARD_NUMBER[-4:], "capture_before": self.capture_before},
            },
            "status": self.charge_status,
        }
        if with_refunds:
            newest_first = list(reversed(self.refunds))
            charge["refunds"] = {
                "object": "list",
                "url": f"/v1/charges/{self.charge_id}/refunds",
                "has_more": len(newest_first) > 10,
                "data": [self.refund_document(one) for one in newest_first[:10]],
            }
        return charge
