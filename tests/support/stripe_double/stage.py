"""The stage of the payments exam, set with the double of Stripe."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from oms_adapters.payments.stripe import StripePayments
from oms_core.domain.money import Money
from oms_core.ports.payments import PaymentRef
from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentStage, SignedNotification
from tests.support.http_faults import LOST_ANSWER, HttpFault, HttpRequest, answers, html
from tests.support.stripe_double.double import (
    API_KEY,
    WEBHOOK_SECRET,
    StripeDouble,
    error_body,
    operation_of,
    reference_of,
)
from tests.support.stripe_double.objects import Intent


class StripeStage(PaymentStage):
    """A double of Stripe, with the real SDK and the adapter in front of it."""

    provider: StripePayments

    def __init__(self, clock: SimulatedClock, *, read_timeout_s: float = 5.0) -> None:
        self.double = StripeDouble(clock)
        provider = StripePayments(
            API_KEY,
            clock,
            multicapture=True,
            webhook_secret=WEBHOOK_SECRET,
            base_url=self.double.server.url,
            return_url="https://shop.example/back",
            read_timeout_s=read_timeout_s,
        )
        super().__init__(provider, clock)

    def close(self) -> None:
        self.double.close()

    def intent(self, ref: PaymentRef) -> Intent:
        return self.double.intents[ref.reference]

    def a_payment(self, amount: Money, **behaviour: Any) -> PaymentRef:
        """Make a PaymentIntent whose customer's bank behaves like that."""
        intent = self.double.create(amount.minor, amount.currency.lower(), **behaviour)
        return PaymentRef(self.tenant_id, intent.id)

    def a_confirmable_payment(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount)

    def a_payment_to_be_declined(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, decides="decline")

    def an_unknown_payment(self) -> PaymentRef:
        return PaymentRef(self.tenant_id, "pi_3MtNobodyKnows")

    def effects(self, ref: PaymentRef, operation: str) -> int:
        return self.double.effects[ref.reference, operation]

    def settle(self, ref: PaymentRef) -> None:
        self.intent(ref).settle(self.double.now)

    def a_payment_requiring_action(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, decides="ask")

    def the_customer_acts(self, ref: PaymentRef) -> None:
        self.intent(ref).decide(self.double.now)

    def a_pending_payment(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, decides="wait")

    def a_payment_with_an_unknown_status(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, decides="requires_reauthorization")

    def an_expired_payment(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, status="canceled", cancellation_reason="expired")

    def a_payment_that_holds_another_amount(self, amount: Money) -> PaymentRef:
        """The customer's browser confirmed it for something else, before there was an order."""
        intent = self.double.create(amount.minor - 1, amount.currency.lower())
        self.double.confirm_in_the_browser(intent)
        return PaymentRef(self.tenant_id, intent.id)

    def a_payment_that_is_captured_at_once(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, capture_method="automatic")

    def a_payment_whose_refunds_take_time(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, refunds_go="later")

    def a_payment_whose_refunds_are_rejected(self, amount: Money) -> PaymentRef:
        return self.a_payment(amount, refunds_go="failed")

    def an_amount_that_cannot_be_represented(self) -> Money:
        return Money(1_235, "KWD")

    def plan(self, fault: HttpFault, ref: PaymentRef, operation: str) -> None:
        """Let the next *operation* on the payment meet *fault*."""

        def is_meant(request: HttpRequest) -> bool:
            return (operation_of(request), reference_of(request)) == (operation, ref.reference)

        self.double.server.plan(fault, is_meant)

    def lose_next_answer(self, ref: PaymentRef, operation: str) -> None:
        self.plan(LOST_ANSWER, ref, operation)

    def refuse_next_call(self, ref: PaymentRef, operation: str) -> None:
        body = error_body(code="rate_limit")
        self.plan(answers(429, body, {"Retry-After": "7"}), ref, operation)

    def break_next_call(self, ref: PaymentRef, operation: str) -> None:
        self.plan(html(418, executed=False), ref, operation)

    def reject_credentials(self, ref: PaymentRef) -> None:
        self.double.api_key_is_good = False

    def a_notification(self, ref: PaymentRef) -> SignedNotification:
        body = self.double.event(
            "payment_intent.amount_capturable_updated", self.intent(ref).document([])
        )
        return SignedNotification({"Stripe-Signature": self.double.sign(body.decode())}, body)

    def a_signed_body(self, body: bytes) -> SignedNotification:
        signed = f"{self.double.now}.".encode() + body
        signature = hmac.digest(WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hex()
        return SignedNotification({"Stripe-Signature": f"t={self.double.now},v1={signature}"}, body)
