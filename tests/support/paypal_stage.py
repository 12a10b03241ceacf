"""The stage of the payments exam, with the PayPal adapter in front of its double."""

import json
from contextlib import suppress
from datetime import timedelta

from oms_adapters.payments.paypal import PaypalAccount, PaypalPayments
from oms_adapters.payments.paypal.amounts import write_amount
from oms_core.domain.money import Money
from oms_core.ports.payments import PaymentRef
from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentStage, SignedNotification
from tests.support.http_faults import LOST_ANSWER, Harm, HttpFault, HttpRequest, answers
from tests.support.paypal_double import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID, PaypalDouble

READ_TIMEOUT_S = 10.0
SILENCE_S = 0.3


def account_of(double: PaypalDouble, *, read_timeout_s: float = READ_TIMEOUT_S) -> PaypalAccount:
    return PaypalAccount(
        CLIENT_ID,
        CLIENT_SECRET,
        double.http.url,
        WEBHOOK_ID,
        connect_timeout_s=2.0,
        read_timeout_s=read_timeout_s,
    )


class PaypalStage(PaymentStage):
    detects_key_reuse = False
    """PayPal keeps keys by resource, and documents no check of the parameters."""
    finds_cancels = False
    """A void bears no name of ours."""
    holds_when_the_customer_acts = False
    """The buyer approves; then the order can be authorized."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.double = PaypalDouble(clock)
        self.books = self.double.books
        super().__init__(PaypalPayments(account_of(self.double), clock), clock)

    def close(self) -> None:
        self.double.close()

    def a_confirmable_payment(self, amount: Money) -> PaymentRef:
        return self.order(amount)

    def a_payment_to_be_declined(self, amount: Money) -> PaymentRef:
        ref = self.order(amount)
        self.books.decline[ref.reference] = "INSTRUMENT_DECLINED"
        return ref

    def an_unknown_payment(self) -> PaymentRef:
        return PaymentRef(self.tenant_id, "UNKNOWN0000000001")

    def effects(self, ref: PaymentRef, operation: str) -> int:
        return self.books.effects[ref.reference, operation]

    def settle(self, ref: PaymentRef) -> None:
        self.books.settle(ref.reference)

    def time_to_reauthorize(self, ref: PaymentRef) -> None:
        self.clock.advance(timedelta(days=4).total_seconds())

    def a_payment_requiring_action(self, amount: Money) -> PaymentRef:
        return self.order(amount, status="CREATED")

    def the_customer_acts(self, ref: PaymentRef) -> None:
        self.books.approve(ref.reference)

    def a_pending_payment(self, amount: Money) -> PaymentRef:
        ref = self.order(amount)
        self.books.authorized_as[ref.reference] = "PENDING"
        return ref

    def a_payment_with_an_unknown_status(self, amount: Money) -> PaymentRef:
        return self.order(amount, status="REQUIRES_ALCHEMY")

    def an_expired_payment(self, amount: Money) -> PaymentRef:
        """Authorized by the shop itself, for another purpose, a month ago."""
        ref = self.order(amount)
        self.books.authorize_order(ref.reference)
        self.books.effects[ref.reference, "authorize"] = 0
        self.clock.advance(timedelta(days=30).total_seconds())
        return ref

    def a_payment_that_holds_another_amount(self, amount: Money) -> PaymentRef:
        return self.order(amount + Money(1, amount.currency))

    def a_payment_whose_refunds_take_time(self, amount: Money) -> PaymentRef:
        ref = self.order(amount)
        self.books.refunded_as[ref.reference] = "PENDING"
        return ref

    def a_payment_whose_refunds_are_rejected(self, amount: Money) -> PaymentRef:
        ref = self.order(amount)
        self.books.refunded_as[ref.reference] = "FAILED"
        return ref

    def an_amount_that_cannot_be_represented(self) -> Money:
        return Money(1_050, "HUF")

    def lose_next_answer(self, ref: PaymentRef, operation: str) -> None:
        self.plan(LOST_ANSWER, operation)

    def refuse_next_call(self, ref: PaymentRef, operation: str) -> None:
        self.plan(answers(429, headers={"Retry-After": "7"}), operation)

    def break_next_call(self, ref: PaymentRef, operation: str) -> None:
        self.plan(answers(500, b'{"name": "INTERNAL_SERVER_ERROR"}'), operation)

    def reject_credentials(self, ref: PaymentRef) -> None:
        self.double.knows_the_client = False

    def a_notification(self, ref: PaymentRef) -> SignedNotification:
        order = self.books.get_order(ref.reference)
        (held,) = order["purchase_units"][0]["payments"]["authorizations"]
        return self.double.notify("PAYMENT.AUTHORIZATION.CREATED", held)

    def a_signed_body(self, body: bytes) -> SignedNotification:
        return self.double.sign(body)

    def order(self, amount: Money, **said: str) -> PaymentRef:
        money = write_amount(amount)
        order_id = self.books.create_order(money["value"], money["currency_code"], **said)  # type: ignore[arg-type]
        return PaymentRef(self.tenant_id, order_id)

    def plan(self, fault: HttpFault, operation: str, *, times: int = 1) -> None:
        """Let the next requests of *operation* meet *fault*, and soon give silence up."""
        if fault.harm is Harm.SILENCE:
            # Only then: on a busy machine an answer that takes its time is no fault.
            account = account_of(self.double, read_timeout_s=SILENCE_S)
            self.provider = PaypalPayments(account, self.clock)
        self.double.http.plan(
            fault, lambda request: operation_of(request) == operation, times=times
        )


def operation_of(request: HttpRequest) -> str:
    """Say which operation of the port a request is the action of."""
    last = request.path.rpartition("/")[2]
    if request.method == "PATCH":
        with suppress(ValueError):
            paths = [one["path"] for one in json.loads(request.body)]
            return "cancel" if "/intent" in paths else "claim"
    if request.path.endswith("/oauth2/token"):
        return "token"
    if request.method == "GET":
        return "lookup"
    return {"void": "cancel"}.get(last, last)
