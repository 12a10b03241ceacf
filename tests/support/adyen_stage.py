"""The payments exam's stage for Adyen: the adapter, its SDK, and the double over a socket."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Final

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.payments.adyen import AdyenAccount, AdyenPayments, BasicCredentials
from oms_core.domain.money import Money
from oms_core.ports.payments import PaymentRef
from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentStage, SignedNotification
from tests.support.adyen_double import (
    API_KEY,
    HMAC_KEY,
    MERCHANT_ACCOUNT,
    WEBHOOK_PASSWORD,
    WEBHOOK_USERNAME,
    AdyenDouble,
    Outcome,
    batch,
    item,
    signed,
)
from tests.support.http_faults import LOST_ANSWER, HttpFault, HttpRequest, answers

PATHS: Final = {"capture": "/captures", "cancel": "/cancels", "refund": "/refunds"}
_BASIC: Final = base64.b64encode(f"{WEBHOOK_USERNAME}:{WEBHOOK_PASSWORD}".encode()).decode()
HEADERS: Final = {"Content-Type": "application/json", "Authorization": f"Basic {_BASIC}"}
NAME: Final = "card"


def an_account(double: AdyenDouble, **more: object) -> AdyenAccount:
    """Make the double's account."""
    given = {
        "api_key": API_KEY,
        "merchant_account": MERCHANT_ACCOUNT,
        "hmac_keys": (HMAC_KEY,),
        "base_url": double.base_url,
        "timeout_s": 5.0,
        "webhook_credentials": BasicCredentials(WEBHOOK_USERNAME, WEBHOOK_PASSWORD),
    }
    return AdyenAccount(**{**given, **more})  # type: ignore[arg-type]


class AdyenStage(PaymentStage):
    """The customer has paid before the order comes; ``settle`` delivers the notifications."""

    holds_when_asked = False
    proves_absence = False
    signs_every_byte = False
    tells_owner = False
    detects_key_reuse = False

    def __init__(
        self, clock: SimulatedClock, *, timeout_s: float = 5.0, in_parts: bool = False
    ) -> None:
        self.double = AdyenDouble(captures_in_parts=in_parts)
        self.inbox = MemoryInbox()
        self.account = an_account(self.double, timeout_s=timeout_s)
        self.in_parts = in_parts
        self.clock = clock
        super().__init__(self.another_process(), clock)

    def another_process(self, inbox: MemoryInbox | None = None) -> AdyenPayments:
        """Make the adapter anew, as after a crash: the inbox alone is left."""
        return AdyenPayments(
            self.account,
            inbox or self.inbox,
            self.clock,
            NAME,
            captures_in_parts=self.in_parts,
        )

    def plan(self, fault: HttpFault, operation: str, *, times: int = 1) -> None:
        """Let the next calls of *operation* meet *fault*."""

        def on(request: HttpRequest) -> bool:
            return request.path.endswith(PATHS[operation])

        self.double.server.plan(fault, on, times=times)

    def pay(self, amount: Money, **more: object) -> PaymentRef:
        """Let a customer pay *amount*; nothing is heard of it yet."""
        psp = self.double.customer_pays(amount.minor, amount.currency, **more)  # type: ignore[arg-type]
        return PaymentRef(self.tenant_id, psp)

    def close(self) -> None:
        assert self.double.mismatches == []
        self.double.close()

    def settle(self, ref: PaymentRef) -> None:
        self.deliver(self.double.notification(ref.reference))

    def deliver(self, body: bytes, *, at: datetime | None = None) -> int:
        """Receive a notification as the webhook endpoint does."""
        events = self.provider.parse_webhook(self.tenant_id, HEADERS, body)
        return self.inbox.store(NAME, events, at=at or self.clock.now())

    def effects(self, ref: PaymentRef, operation: str) -> int:
        return self.double.effects(ref.reference, operation)

    def a_confirmable_payment(self, amount: Money) -> PaymentRef:
        return self._heard(self.pay(amount))

    def a_payment_to_be_declined(self, amount: Money) -> PaymentRef:
        return self._heard(self.pay(amount, outcome=Outcome.REFUSED, reason="Not enough balance"))

    def an_unknown_payment(self) -> PaymentRef:
        return PaymentRef(self.tenant_id, "no-such-payment")

    def a_pending_payment(self, amount: Money) -> PaymentRef:
        return self.pay(amount)

    def a_payment_with_an_unknown_status(self, amount: Money) -> PaymentRef:
        ref = PaymentRef(self.tenant_id, "FUTURE0000000082")
        self.deliver(batch([signed(item("TELEPORTATION", ref.reference))]))
        return ref

    def an_expired_payment(self, amount: Money) -> PaymentRef:
        return self._heard(self.pay(amount, outcome=Outcome.ABANDONED))

    def a_payment_that_holds_another_amount(self, amount: Money) -> PaymentRef:
        return self._heard(self.pay(Money(amount.minor + 1, amount.currency)))

    def a_payment_that_is_captured_at_once(self, amount: Money) -> PaymentRef:
        ref = self.pay(amount)
        self.double.happens(ref.reference, "CAPTURE")
        return self._heard(ref)

    def a_payment_whose_refunds_take_time(self, amount: Money) -> PaymentRef:
        return self.a_confirmable_payment(amount)

    def a_payment_whose_refunds_are_rejected(self, amount: Money) -> PaymentRef:
        ref = self.a_confirmable_payment(amount)
        self.double.reject_refunds(ref.reference)
        return ref

    def an_amount_that_cannot_be_represented(self) -> Money:
        return Money(10_001, "IDR")

    def lose_next_answer(self, ref: PaymentRef, operation: str) -> None:
        self._meet(LOST_ANSWER, ref, operation)

    def refuse_next_call(self, ref: PaymentRef, operation: str) -> None:
        self._meet(answers(429, headers={"Retry-After": "1"}), ref, operation)

    def break_next_call(self, ref: PaymentRef, operation: str) -> None:
        self._meet(answers(500), ref, operation)

    def a_notification(self, ref: PaymentRef) -> SignedNotification:
        return SignedNotification(HEADERS, batch(self.double.items(ref.reference)[-1:]))

    def a_signed_body(self, body: bytes) -> SignedNotification:
        return SignedNotification(HEADERS, body)

    def _meet(self, fault: HttpFault, ref: PaymentRef, operation: str) -> None:
        if operation not in PATHS:
            self._cannot("meet trouble with a call that is never made", ref, operation)
        self.plan(fault, operation)

    def _heard(self, ref: PaymentRef) -> PaymentRef:
        self.settle(ref)
        return ref
