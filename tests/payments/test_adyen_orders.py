"""Orders that are paid through Adyen, from the request to the end, whatever is heard and when."""

from collections.abc import Iterator, Mapping

import pytest

from oms_adapters.payments.adyen import AdyenPayments
from oms_core import Order
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    FulfillOrder,
    Pieces,
)
from oms_core.application.order_operations import Caller
from oms_core.domain.money import Money
from oms_core.ports.payments import PaymentProvider, PaymentRef
from tests.support.adyen_double import HMAC_KEY, Outcome, batch, item, signed
from tests.support.adyen_stage import NAME, AdyenStage
from tests.support.http_faults import LOST_ANSWER, answers
from tests.support.shop import Shop

TOTAL = Money.of("59.97", "USD")
A_DAY_OF_POLLS = 500


class AdyenShop(Shop):
    """A shop whose one provider is Adyen."""

    def __init__(self, *, in_parts: bool = False) -> None:
        super().__init__()
        self.adyen = AdyenStage(self.clock, in_parts=in_parts)
        self.adyen.tenant_id = self.scope.tenant_id
        self.providers: Mapping[str, PaymentProvider] = {NAME: self.adyen.provider}
        self.oms = self.a_process(self.plan)

    def order_for(self, ref: PaymentRef) -> None:
        """Place an order that *ref* pays, and do what is due."""
        request = self.request(ref.reference, provider=NAME)
        self.oms.place_order(self.scope, request)
        self.work_once()

    def goes_on(self, rounds: int = 5) -> Order:
        """Let some time pass."""
        self.work(rounds)
        return self.order()

    def ask(self, what: str, request: object) -> None:
        """Ask something of the order."""
        getattr(self.oms.operations, what)(self.scope, self.order().id, request, Caller(what))

    def hears_everything_until_the_end(self, ref: PaymentRef) -> Order:
        """Let time pass, every notification coming in its time."""
        for _ in range(20):
            self.adyen.settle(ref)
            self.work(5)
        self.work_to_the_end()
        return self.order()


@pytest.fixture
def shop() -> Iterator[AdyenShop]:
    made = AdyenShop()
    yield made
    made.adyen.close()


@pytest.fixture
def parts() -> Iterator[AdyenShop]:
    """A shop whose account may capture a payment several times."""
    made = AdyenShop(in_parts=True)
    yield made
    made.adyen.close()


def test_an_order_waits_until_adyen_notified_its_payment(shop: AdyenShop) -> None:
    ref = shop.adyen.pay(TOTAL)
    shop.order_for(ref)
    assert shop.goes_on().status == "pending_payment"

    shop.adyen.settle(ref)

    order = shop.goes_on()
    assert order.status == "confirmed"
    assert order.payment.authorization is not None
    assert order.payment.authorization.amount == TOTAL
    assert order.payment.authorization.provider_id == ref.reference


def test_a_payment_that_was_notified_before_its_order_came_is_found(shop: AdyenShop) -> None:
    ref = shop.adyen.a_confirmable_payment(TOTAL)

    shop.order_for(ref)

    assert shop.order().status == "confirmed"
    assert shop.adyen.double.server.requests == []


def test_a_notification_that_anybody_could_have_made_moves_nothing(shop: AdyenShop) -> None:
    ref = shop.adyen.pay(TOTAL, outcome=Outcome.ABANDONED)
    shop.order_for(ref)
    forged = signed(item("AUTHORISATION", ref.reference, value=TOTAL.minor), "0" * len(HMAC_KEY))

    with pytest.raises(Exception, match="signature_does_not_match"):
        shop.adyen.deliver(batch([forged]))

    assert shop.goes_on().status == "pending_payment"


def test_a_declined_payment_fails_the_order_with_adyens_words(shop: AdyenShop) -> None:
    ref = shop.adyen.a_payment_to_be_declined(TOTAL)

    shop.order_for(ref)

    order = shop.goes_on()
    assert order.status == "failed"
    assert order.failure is not None
    assert order.failure.code == "payment_declined"
    assert order.failure.provider_code == "Not enough balance"


@pytest.mark.parametrize("minor", [TOTAL.minor - 1, TOTAL.minor + 1, TOTAL.minor * 100])
def test_another_amount_is_let_go_of_and_the_order_fails(shop: AdyenShop, minor: int) -> None:
    ref = shop.adyen.a_confirmable_payment(Money(minor, "USD"))
    shop.order_for(ref)

    order = shop.hears_everything_until_the_end(ref)

    assert order.status == "failed"
    assert order.failure is not None
    assert order.failure.code == "amount_mismatch"
    assert shop.adyen.double.books(ref.reference) == (0, 0, True)


def test_a_wrong_amount_that_was_captured_already_is_given_back_once(shop: AdyenShop) -> None:
    ref = shop.adyen.a_payment_that_is_captured_at_once(Money(7_000, "USD"))
    shop.adyen.plan(LOST_ANSWER, "refund")
    shop.order_for(ref)

    order = shop.hears_everything_until_the_end(ref)

    assert order.status == "failed"
    assert shop.adyen.double.books(ref.reference) == (7_000, 7_000, False)
    assert shop.adyen.effects(ref, "refund") == 1


def test_a_payment_that_is_never_notified_is_cancelled_at_the_deadline(shop: AdyenShop) -> None:
    """Its authorization is notified only after that: the money is not left held."""
    ref = shop.adyen.pay(TOTAL)
    shop.order_for(ref)
    shop.goes_on(A_DAY_OF_POLLS)
    assert shop.adyen.double.books(ref.reference) == (0, 0, True)

    order = shop.hears_everything_until_the_end(ref)

    assert order.status == "failed"
    assert order.failure is not None
    assert order.failure.code == "payment_deadline"
    assert shop.adyen.effects(ref, "cancel") == 1


def test_a_made_up_reference_fails_the_order_in_the_end(shop: AdyenShop) -> None:
    shop.order_for(PaymentRef(shop.scope.tenant_id, "MADEUPPAYMENT082"))
    shop.work_to_the_end()

    order = shop.order()

    assert order.status == "failed"
    assert order.failure is not None
    assert order.failure.code == "payment_deadline"


def test_a_reference_that_cannot_be_one_fails_the_order_at_once(shop: AdyenShop) -> None:
    shop.order_for(PaymentRef(shop.scope.tenant_id, "pi_3MtwBwLkdIwHu7ix28a3tqPa"))

    order = shop.goes_on()

    assert order.status == "failed"
    assert order.failure is not None
    assert order.failure.code == "payment_not_found"


def test_a_void_is_made_once_whatever_its_answers_meet(shop: AdyenShop) -> None:
    ref = shop.adyen.a_confirmable_payment(Money(1_000, "USD"))
    for fault in (answers(429, headers={"Retry-After": "2"}), answers(500), LOST_ANSWER):
        shop.adyen.plan(fault, "cancel")
    shop.order_for(ref)

    order = shop.hears_everything_until_the_end(ref)

    assert order.status == "failed"
    assert shop.adyen.effects(ref, "cancel") == 1


def test_wrong_credentials_flag_the_order_and_it_goes_on_once_they_are_right(
    shop: AdyenShop,
) -> None:
    ref = shop.adyen.a_confirmable_payment(Money(1_000, "USD"))
    shop.adyen.plan(answers(401), "cancel")
    shop.order_for(ref)

    order = shop.goes_on(1)

    assert order.status == "pending_payment"
    assert order.saga.attention is not None
    assert order.saga.attention.code == "payment_credentials_rejected"
    assert shop.adyen.effects(ref, "cancel") == 0
    order = shop.hears_everything_until_the_end(ref)
    assert order.status == "failed"
    assert order.saga.attention is None
    assert shop.adyen.effects(ref, "cancel") == 1


def test_after_a_final_capture_of_a_part_goods_leave_and_nothing_more_is_taken(
    parts: AdyenShop,
) -> None:
    ref = parts.adyen.a_confirmable_payment(TOTAL)
    parts.order_for(ref)
    parts.ask("capture", CapturePayment("19.99", final=True))
    parts.hears_everything_until_the_end(ref)

    parts.ask("fulfill", FulfillOrder())
    order = parts.hears_everything_until_the_end(ref)

    assert order.status == "fulfilled"
    assert order.payment.captured == Money.of("19.99", "USD")
    assert parts.adyen.double.books(ref.reference) == (1_999, 0, False)
    assert order.saga.attention is None


def test_goods_whose_capture_is_rejected_do_not_leave(parts: AdyenShop) -> None:
    """As where the option is set and Adyen's support has enabled nothing."""
    parts.adyen.double.captures_in_parts = False
    ref = parts.adyen.a_confirmable_payment(TOTAL)
    parts.order_for(ref)
    parts.ask("fulfill", FulfillOrder(lines=[Pieces(1, 1)]))
    assert parts.hears_everything_until_the_end(ref).status == "partially_fulfilled"

    parts.oms.operations.fulfill(parts.scope, parts.order().id, FulfillOrder(), Caller("rest"))
    order = parts.hears_everything_until_the_end(ref)

    assert order.status == "partially_fulfilled"
    assert order.operations[-1].refusal is not None
    assert order.operations[-1].refusal.code == "capture_rejected"
    assert order.payment.captured == Money.of("19.99", "USD")
    assert parts.level().on_hand == 9


def test_an_order_cancelled_after_a_part_was_taken_gives_it_back_and_calls_a_person(
    parts: AdyenShop,
) -> None:
    """Nothing that is documented voids the rest. Once it has lapsed, the order ends."""
    ref = parts.adyen.a_confirmable_payment(TOTAL)
    parts.order_for(ref)
    parts.ask("capture", CapturePayment("19.99"))
    parts.hears_everything_until_the_end(ref)

    parts.ask("cancel", CancelOrder())
    order = parts.hears_everything_until_the_end(ref)
    assert order.saga.attention is not None
    assert order.saga.attention.code == "rest_still_held"
    assert parts.adyen.double.books(ref.reference) == (1_999, 1_999, False)
    parts.adyen.double.lapses(ref.reference)
    parts.adyen.settle(ref)
    parts.oms.retry_saga(parts.scope, order.id, reason="the rest has lapsed", actor="pat")
    order = parts.hears_everything_until_the_end(ref)

    assert (order.status, order.payment.status) == ("cancelled", "refunded")
    assert order.saga.attention is None
    assert parts.adyen.effects(ref, "refund") == 1
    assert parts.adyen.effects(ref, "cancel") == 0


def test_a_restarted_process_knows_what_was_notified(shop: AdyenShop) -> None:
    ref = shop.adyen.pay(TOTAL)
    shop.order_for(ref)
    shop.adyen.settle(ref)

    fresh = AdyenPayments(shop.adyen.account, shop.adyen.inbox, shop.clock, NAME)
    shop.providers = {NAME: fresh}
    shop.restart()

    assert shop.goes_on().status == "confirmed"
