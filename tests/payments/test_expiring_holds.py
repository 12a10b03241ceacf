"""Holds that are about to lapse, at the real providers: nobody loses the money unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from uuid import UUID

import pytest

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.storage.memory import MemoryStorage
from oms_core import (
    AdjustStock,
    Change,
    NewLineItem,
    Order,
    OrderManagement,
    OrderStatus,
    PaymentDirectory,
    PlaceOrder,
)
from oms_core.application.operation_requests import CancelOrder, CapturePayment
from oms_core.application.order_operations import Caller
from oms_core.application.payment_policy import PaymentPolicy
from oms_core.application.receive_webhook import Webhook
from oms_core.domain.money import Money
from oms_core.domain.operation import OperationKind
from oms_core.domain.payment import PaymentStatus
from oms_core.ports.inbox import WebhookInbox
from oms_core.ports.payments import PaymentProvider
from oms_core.testing import SimulatedClock, a_scope
from tests.support.adyen_stage import HEADERS, AdyenStage
from tests.support.adyen_stage import NAME as ADYEN
from tests.support.paypal_stage import PaypalStage
from tests.support.stripe_double import StripeStage

TOTAL = Money.of("19.99", "USD")
DAY_S = 86_400.0


class Shop:
    """One order of one armchair; days pass as the test says."""

    def __init__(
        self,
        clock: SimulatedClock,
        providers: Mapping[str, PaymentProvider],
        *,
        inbox: WebhookInbox | None = None,
        policy: PaymentPolicy | None = None,
    ) -> None:
        self.clock = clock
        self.scope = a_scope()
        self.oms = OrderManagement(
            storage=MemoryStorage(clock),
            inventory=MemoryInventory(clock),
            payments=PaymentDirectory(
                providers, policies=dict.fromkeys(providers, policy or PaymentPolicy())
            ),
            inbox=inbox,
            clock=clock,
        )
        request = AdjustStock("CRUNCHY-ARMCHAIR", 5, "delivery")
        self.oms.adjust_stock(self.scope, request, idempotency_key="delivery", actor="clerk")
        self.order_id = UUID(int=0)

    def confirm(self, provider: str, reference: str) -> None:
        request = PlaceOrder(
            idempotency_key="checkout-4711",
            payment_provider=provider,
            payment_reference=reference,
            channel="web",
            line_items=[NewLineItem("CRUNCHY-ARMCHAIR", 1, "19.99")],
        )
        self.order_id = self.oms.place_order(self.scope, request).order_id
        self.oms.run_until_idle()
        assert self.order.status is OrderStatus.CONFIRMED

    @property
    def order(self) -> Order:
        return self.oms.get_order(self.scope, self.order_id)

    @property
    def attention(self) -> str | None:
        attention = self.order.saga.attention
        return None if attention is None else attention.code

    def lives_until(self, day: float) -> None:
        """Let time pass, an hour at a time, until so many days are over."""
        ends_at = self.clock.now() + timedelta(days=day)
        while self.clock.now() < ends_at:
            self.clock.advance(min(3_600.0, (ends_at - self.clock.now()).total_seconds()))
            self.oms.run_until_idle()

    def times_renewed(self) -> int:
        return sum(one.change is Change.AUTHORIZATION_RENEWED for one in self.order.history)

    def renewals_asked(self) -> int:
        return sum(one.kind is OperationKind.RENEW_AUTHORIZATION for one in self.order.operations)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def stripe(clock: SimulatedClock) -> Iterator[StripeStage]:
    stage = StripeStage(clock)
    yield stage
    stage.close()


@pytest.fixture
def paypal(clock: SimulatedClock) -> Iterator[PaypalStage]:
    stage = PaypalStage(clock)
    yield stage
    stage.close()


@pytest.fixture
def adyen(clock: SimulatedClock) -> Iterator[AdyenStage]:
    stage = AdyenStage(clock)
    yield stage
    stage.close()


def test_a_person_hears_a_day_before_a_hold_of_stripe_lapses(
    clock: SimulatedClock, stripe: StripeStage
) -> None:
    shop = Shop(clock, {"stripe": stripe.provider})
    shop.confirm("stripe", stripe.double.create(TOTAL.minor).id)

    shop.lives_until(5.9)
    assert shop.attention is None
    shop.lives_until(0.2)

    assert shop.attention == "authorization_expires"


def test_what_stripe_released_by_itself_is_not_taken_and_can_be_cancelled(
    clock: SimulatedClock, stripe: StripeStage
) -> None:
    shop = Shop(clock, {"stripe": stripe.provider})
    shop.confirm("stripe", stripe.double.create(TOTAL.minor).id)
    shop.lives_until(7.1)

    shop.oms.operations.capture(shop.scope, shop.order_id, CapturePayment(), Caller("take"))
    shop.oms.run_until_idle()
    refused = shop.order
    shop.oms.operations.cancel(shop.scope, shop.order_id, CancelOrder(), Caller("cancel"))
    shop.oms.run_until_idle()

    assert (refused.status, refused.payment.captured.minor) == (OrderStatus.CONFIRMED, 0)
    assert Change.AUTHORIZATION_LAPSED in {entry.change for entry in refused.history}
    assert shop.order.status is OrderStatus.CANCELLED


def test_paypals_hold_is_made_anew_the_day_before_it_lapses_and_again(
    clock: SimulatedClock, paypal: PaypalStage
) -> None:
    shop = Shop(clock, {"paypal": paypal.provider})
    ref = paypal.order(TOTAL)
    shop.confirm("paypal", ref.reference)

    shop.lives_until(27.9)
    assert paypal.effects(ref, "reauthorize") == 0
    shop.lives_until(0.2)
    assert paypal.effects(ref, "reauthorize") == shop.times_renewed() == 1
    shop.lives_until(28)

    assert paypal.effects(ref, "reauthorize") == shop.times_renewed() == 2
    assert shop.attention is None
    assert len(paypal.books.open_authorizations(ref.reference)) == 1


def test_a_hold_that_is_too_young_to_be_made_anew_is_tried_again_when_it_is_old_enough(
    clock: SimulatedClock, paypal: PaypalStage
) -> None:
    """PayPal holds nothing anew in the first three days."""
    shop = Shop(clock, {"paypal": paypal.provider}, policy=PaymentPolicy(renew_before_s=2 * DAY_S))
    paypal.books.holds_last = timedelta(days=4)
    ref = paypal.order(TOTAL)
    shop.confirm("paypal", ref.reference)

    shop.lives_until(2.9)
    assert (shop.renewals_asked(), shop.times_renewed(), shop.attention) == (2, 0, None)
    shop.lives_until(0.2)

    assert (shop.times_renewed(), shop.attention) == (1, None)
    assert paypal.effects(ref, "reauthorize") == 1


def test_a_hold_that_lapses_before_it_is_old_enough_calls_a_person(
    clock: SimulatedClock, paypal: PaypalStage
) -> None:
    shop = Shop(clock, {"paypal": paypal.provider})
    paypal.books.holds_last = timedelta(days=2)
    shop.confirm("paypal", paypal.order(TOTAL).reference)

    shop.lives_until(1.1)

    assert shop.attention == "authorization_expires"


def test_a_hold_made_anew_that_lasts_no_longer_calls_a_person_once(
    clock: SimulatedClock, paypal: PaypalStage
) -> None:
    """It would be tried at half of what is left, and half of that, for ever."""
    shop = Shop(clock, {"paypal": paypal.provider})
    ref = paypal.order(TOTAL)
    shop.confirm("paypal", ref.reference)
    paypal.books.holds_last = timedelta(hours=12)

    shop.lives_until(29.1)

    assert shop.attention == "authorization_expires"
    assert (shop.renewals_asked(), paypal.effects(ref, "reauthorize")) == (1, 1)


def test_what_adyen_says_has_expired_is_recorded_and_does_not_ship(
    clock: SimulatedClock, adyen: AdyenStage
) -> None:
    inbox = adyen.inbox
    shop = Shop(clock, {ADYEN: adyen.provider}, inbox=inbox)
    adyen.tenant_id = shop.scope.tenant_id
    ref = adyen.pay(TOTAL)
    hear = _hearing(shop, adyen, ref.reference)
    hear()
    shop.confirm(ADYEN, ref.reference)

    adyen.double.happens(ref.reference, "EXPIRE")
    hear()

    order = shop.order
    assert order.payment.status is PaymentStatus.VOIDED
    assert [entry.change for entry in order.history].count(Change.AUTHORIZATION_LAPSED) == 1


def _hearing(shop: Shop, adyen: AdyenStage, reference: str) -> Callable[[], None]:
    """Return what posts everything that Adyen has to say of a payment, and works on it."""

    def hear() -> None:
        body = adyen.double.notification(reference)
        headers = {name.lower(): value for name, value in HEADERS.items()}
        shop.oms.receive_webhook(Webhook(shop.scope.tenant_id, ADYEN, headers, body))
        shop.oms.run_until_idle()

    return hear
