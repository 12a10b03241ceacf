"""The exam that every payment provider's adapter sits, taken at the bank's double."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

import pytest

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import OutcomeUnknown
from oms_core.ports.payments import Authorize, PaymentRef
from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentContract, PaymentStage, SignedNotification
from tests.examples.harbour_bank.double import API_KEY, HarbourBank
from tests.examples.harbour_bank.payments import HarbourPayments, make_provider, sign

SECRET: Final = "a secret of the bank and the shop"
PATHS: Final = {
    "authorize": "/hold",
    "capture": "/captures",
    "cancel": "/cancellations",
    "refund": "/refunds",
}


class HarbourStage(PaymentStage):
    """Prepares payments in every state, and lets things go wrong."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.bank = HarbourBank(clock)
        provider = HarbourPayments(API_KEY, self.bank.url, webhook_secret=SECRET, clock=clock)
        super().__init__(provider, clock)

    def close(self) -> None:
        self.bank.close()

    def payment(self, amount: Money, **more: Any) -> PaymentRef:
        return PaymentRef(self.tenant_id, self.bank.create(amount.minor, amount.currency, **more))

    def effects(self, ref: PaymentRef, operation: str) -> int:
        return self.bank.effects[ref.reference, operation]

    def settle(self, ref: PaymentRef) -> None:
        payment = self.bank.payments[ref.reference]
        if payment["state"] == "being_decided":
            self.bank.hold(payment)
        for one in payment["operations"]:
            if one["status"] == "on_its_way":
                one["status"] = "done"

    # Payments in every state

    def a_confirmable_payment(self, amount: Money) -> PaymentRef:
        return self.payment(amount)

    def a_payment_to_be_declined(self, amount: Money) -> PaymentRef:
        return self.payment(amount, will="decline")

    def an_unknown_payment(self) -> PaymentRef:
        return PaymentRef(self.tenant_id, "nobody/knows")

    def a_payment_requiring_action(self, amount: Money) -> PaymentRef:
        return self.payment(amount, will="ask")

    def the_customer_acts(self, ref: PaymentRef) -> None:
        payment = self.bank.payments[ref.reference]
        if payment["state"] == "customer_must_act":
            self.bank.hold(payment)

    def a_pending_payment(self, amount: Money) -> PaymentRef:
        return self.payment(amount, will="wait")

    def a_payment_with_an_unknown_status(self, amount: Money) -> PaymentRef:
        return self.payment(amount, state="requires_alchemy")

    def an_expired_payment(self, amount: Money) -> PaymentRef:
        return self.payment(amount, state="expired")

    def a_payment_that_holds_another_amount(self, amount: Money) -> PaymentRef:
        """The customer's own device had it held, before there was an order."""
        ref = self.payment(Money(amount.minor - 1, amount.currency))
        self.bank.hold(self.bank.payments[ref.reference])
        return ref

    def a_payment_that_is_captured_at_once(self, amount: Money) -> PaymentRef:
        return self.payment(amount, will="take")

    def a_payment_whose_refunds_take_time(self, amount: Money) -> PaymentRef:
        return self.payment(amount, refunds_are="on_its_way")

    def a_payment_whose_refunds_are_rejected(self, amount: Money) -> PaymentRef:
        return self.payment(amount, refunds_are="rejected")

    def an_amount_that_cannot_be_represented(self) -> Money:
        return Money(1_234, "KWD")

    # Trouble

    def lose_next_answer(self, ref: PaymentRef, operation: str) -> None:
        self.bank.trouble.append(("lose", ref.reference + PATHS[operation]))

    def refuse_next_call(self, ref: PaymentRef, operation: str) -> None:
        self.bank.trouble.append(("refuse", ref.reference + PATHS[operation]))

    def break_next_call(self, ref: PaymentRef, operation: str) -> None:
        self.bank.trouble.append(("break", ref.reference + PATHS[operation]))

    def reject_credentials(self, ref: PaymentRef) -> None:
        self.bank.api_key = "another"

    # Notifications

    def a_notification(self, ref: PaymentRef) -> SignedNotification:
        event = {"id": f"evt-{ref.reference}", "type": "payment.held", "payment": ref.reference}
        return self.a_signed_body(json.dumps(event).encode())

    def a_signed_body(self, body: bytes) -> SignedNotification:
        sent_at = str(int(self.clock.now().timestamp()))
        headers = {"Harbour-Time": sent_at, "Harbour-Signature": sign(SECRET, sent_at, body)}
        return SignedNotification(headers, body)


class TestHarbourPayments(PaymentContract):
    """Every promise of the port, some sixty tests, by inheritance."""

    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return HarbourStage(clock)


@pytest.mark.parametrize("answer", ["", "<html>", '{"state": "he', "[]", "{}", "[" * 100_000])
def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown(answer: str) -> None:
    """It was done all the same, and the same key finds it."""
    stage = HarbourStage(SimulatedClock())
    ref = stage.a_confirmable_payment(Money(10_000, "USD"))
    command = Authorize(ref, Money(10_000, "USD"), UUID(int=1), "key")
    stage.bank.trouble.append((answer, "/hold"))

    with pytest.raises(OutcomeUnknown):
        stage.provider.authorize(command)

    assert stage.provider.authorize(command).state is PaymentState.AUTHORIZED
    assert stage.effects(ref, "authorize") == 1
    stage.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"base_url": "https://bank.example"}, "api_key is missing"),
        ({"api_key": "k", "base_url": "https://bank.example", "colour": "red"}, "colour is not"),
    ],
)
def test_a_mistake_in_the_options_is_told_in_a_sentence(options: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make_provider("harbour", options)
