"""The use case: an order is accepted once, whatever its client does."""

from uuid import UUID

import pytest
from attrs import evolve

from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_core import (
    Money,
    NewAddress,
    NewAdjustment,
    NewLineItem,
    OrderManagement,
    OrderQuery,
    OrderStatus,
    PaymentDirectory,
    PlaceOrder,
)
from oms_core.application.place_order import Placed, place_order
from oms_core.application.place_order_saga import place_order_saga
from oms_core.domain.line_item import AdjustmentKind
from oms_core.domain.order import ShippingAddress
from oms_core.domain.saga_position import SagaPhase
from oms_core.domain.scope import order_id_for
from oms_core.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    OrderNotFound,
    PaymentReferenceInUse,
    StoreUnavailable,
)
from oms_core.testing import NOON, a_scope, at_once
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.shop import ARMCHAIR, Shop

ELSEWHERE = a_scope("acme", "another-org")
STRANGERS = a_scope("another-tenant", "acme-furniture")


def test_an_accepted_order_is_stored_whole_and_due_at_once() -> None:
    shop = Shop()
    request = PlaceOrder(
        idempotency_key="checkout-4711",
        payment_provider="simulated",
        payment_reference="good_card",
        channel="web",
        platform="ios",
        customer_id="7D9F6B1E-3C5A-4F0B-9A57-1F2D3C4B5A69",
        currency="EUR",
        line_items=[
            NewLineItem(sku=ARMCHAIR, quantity=2, unit_price="19.99", name="Armchair"),
            NewLineItem(sku=ARMCHAIR, quantity=1, unit_price=5, location="Lager 2"),
        ],
        adjustments=[NewAdjustment(kind="discount", amount="-4.99", label="spring")],
        shipping_address=NewAddress(name="Pat", line1="Main St 1", city="Berlin", country="DE"),
        metadata={"cart": "42"},
    )

    placed = shop.oms.place_order(shop.scope, request, actor="pat@example.com")

    order = shop.order()
    assert placed == Placed(order.id, OrderStatus.PENDING_PAYMENT, replayed=False)
    assert order.id == order_id_for(shop.scope, "checkout-4711")
    assert (order.idempotency_key, order.fingerprint) == ("checkout-4711", request.fingerprint)
    assert (order.channel, order.platform) == ("web", "ios")
    assert order.customer_id == UUID("7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69")
    assert [(line.number, line.quantity, line.location) for line in order.lines] == [
        (1, 2, "default"),
        (2, 1, "Lager 2"),
    ]
    assert [line.unit_price for line in order.lines] == [Money(1_999, "EUR"), Money(500, "EUR")]
    assert [(a.kind, a.amount, a.label) for a in order.adjustments] == [
        (AdjustmentKind.DISCOUNT, Money(-499, "EUR"), "spring")
    ]
    assert order.total == Money(3_999, "EUR")
    assert order.shipping_address == ShippingAddress("Pat", "Main St 1", "Berlin", "DE")
    assert order.metadata == {"cart": "42"}
    assert (order.payment.provider, order.payment.reference) == ("simulated", "good_card")
    assert order.saga.definition == "place_order/1"
    assert (order.saga.phase, order.saga.step) == (SagaPhase.RUNNING, "reserve_inventory")
    assert (order.saga.due_at, order.saga.generation_since) == (NOON, NOON)
    assert order.history[0].actor == "pat@example.com"


@pytest.mark.parametrize("driven", [False, True])
def test_the_same_request_gives_the_same_order_whenever(driven: bool) -> None:  # noqa: FBT001
    shop = Shop()
    first = shop.oms.place_order(shop.scope, shop.request())
    if driven:
        shop.work_to_the_end()
        shop.clock.advance(400 * 86_400)

    again = shop.oms.place_order(shop.scope, shop.request())

    status = OrderStatus.CONFIRMED if driven else OrderStatus.PENDING_PAYMENT
    assert again == Placed(first.order_id, status, replayed=True)
    assert len(shop.storage.list_orders(shop.scope, OrderQuery()).orders) == 1


def test_another_request_under_a_used_key_is_refused_and_changes_nothing() -> None:
    shop = Shop()
    shop.place()
    before = shop.order()

    with pytest.raises(IdempotencyKeyReused):
        shop.oms.place_order(shop.scope, shop.request(price="20.00"))

    assert shop.order() == before


def test_a_used_key_is_told_before_a_used_reference() -> None:
    shop = Shop()
    shop.place()

    with pytest.raises(IdempotencyKeyReused):
        shop.oms.place_order(shop.scope, evolve(shop.request(), channel="pos"))


def test_keys_of_other_tenants_and_orgs_are_other_keys() -> None:
    shop = Shop()
    ids = {
        shop.oms.place_order(scope, shop.request(f"card-{number}")).order_id
        for number, scope in enumerate((shop.scope, ELSEWHERE, STRANGERS))
    }

    assert len(ids) == 3


def test_a_payment_reference_backs_one_live_order_of_a_tenant_and_provider() -> None:
    shop = Shop()
    shop.place()

    for scope in (shop.scope, ELSEWHERE):
        with pytest.raises(PaymentReferenceInUse):
            shop.oms.place_order(scope, shop.request(key="another"))
        with pytest.raises(OrderNotFound):
            shop.storage.get(scope, order_id_for(scope, "another"))
    assert not shop.oms.place_order(STRANGERS, shop.request(key="another")).replayed


def test_a_reference_of_another_provider_is_another_payment() -> None:
    shop = Shop()
    second = SimulatedPayments(MemoryLedger(), shop.clock, "second")
    shop.providers = {"simulated": shop.payments, "second": second}
    shop.oms = shop.a_process(FaultPlan())
    shop.place()

    placed = shop.oms.place_order(shop.scope, shop.request(key="another", provider="second"))

    assert not placed.replayed


def test_a_failed_order_frees_its_payment_reference_but_not_its_key() -> None:
    shop = Shop()
    shop.drive("sim_declined_once")
    shop.payments.give_another_card(shop.ref("sim_declined_once"))

    placed = shop.oms.place_order(shop.scope, shop.request("sim_declined_once", key="again"))

    shop.work_to_the_end()
    assert shop.order(placed.order_id).status is OrderStatus.CONFIRMED
    assert shop.oms.place_order(shop.scope, shop.request("sim_declined_once")) == Placed(
        order_id_for(shop.scope, "checkout-4711"), OrderStatus.FAILED, replayed=True
    )


def test_a_provider_nobody_configured_is_refused_and_the_key_stays_free() -> None:
    shop = Shop()

    with pytest.raises(InvalidInput) as refusal:
        shop.oms.place_order(shop.scope, shop.request(provider="strype"))

    assert str(refusal.value) == (
        '/payment_provider: "strype" is not configured; configured: simulated'
    )
    assert not shop.oms.place_order(shop.scope, shop.request()).replayed


def test_orders_of_a_provider_that_left_the_configuration_are_still_replayed() -> None:
    shop = Shop()
    shop.drive()
    shop.providers = {"other": shop.payments}
    shop.oms = shop.a_process(FaultPlan())

    again = shop.oms.place_order(shop.scope, shop.request())

    assert again.replayed
    with pytest.raises(IdempotencyKeyReused):
        shop.oms.place_order(shop.scope, shop.request(price="20.00"))
    with pytest.raises(InvalidInput):
        shop.oms.place_order(shop.scope, shop.request(key="new", reference="new"))


def test_a_tenants_own_providers_win_over_the_common_ones_and_are_its_own() -> None:
    common = SimulatedPayments(MemoryLedger())
    own = SimulatedPayments(MemoryLedger())
    tenant, stranger = a_scope("acme").tenant_id, a_scope("another").tenant_id
    directory = PaymentDirectory(
        {"card": common, "invoice": common}, {tenant: {"card": own, "wallet": own}}
    )

    assert directory.find(tenant, "card") is own
    assert directory.find(tenant, "invoice") is common
    assert directory.find(stranger, "card") is common
    assert directory.find(stranger, "wallet") is None
    assert not directory.knows(stranger, "wallet")
    assert set(directory.names(tenant)) == {"card", "invoice", "wallet"}
    assert set(directory.names(stranger)) == {"card", "invoice"}


@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.TIMEOUT, Fault.ERROR_ONCE])
def test_a_store_that_gives_no_answer_acknowledges_nothing_and_a_repeat_decides(
    fault: Fault,
) -> None:
    shop = Shop(plan=FaultPlan({1: fault}))

    with pytest.raises(StoreUnavailable):
        shop.place()

    again = shop.oms.place_order(shop.scope, shop.request())
    assert again.replayed == (fault is Fault.ANSWER_LOST)


def test_one_key_from_many_threads_at_once_is_one_order() -> None:
    shop = Shop()

    placed = at_once(lambda _: shop.oms.place_order(shop.scope, shop.request()), list(range(16)))

    assert {one.order_id for one in placed} == {order_id_for(shop.scope, "checkout-4711")}
    assert sorted(one.replayed for one in placed) == [False] + [True] * 15


def test_a_named_holder_gets_the_new_order_claimed_and_a_repeat_gets_none() -> None:
    """The process that accepted an order starts on it at once, without polling."""
    shop = Shop()
    payments = PaymentDirectory({"simulated": shop.payments})
    saga = place_order_saga(shop.inventory, payments, shop.settings.saga)

    first, again = (
        place_order(
            shop.request(),
            shop.scope,
            actor="system",
            at=shop.clock.now(),
            saga=saga,
            storage=shop.storage,
            payments=payments,
            holder="this-process",
            lease_s=30.0,
        )
        for _ in range(2)
    )

    assert first.claim is not None
    assert first.claim.lease.holder == "this-process"
    assert again.claim is None
    assert (
        shop.storage.claim_due("another", limit=1, lease_s=1.0, definitions=[saga.definition]) == []
    )


def test_an_order_accepted_without_workers_waits_for_whoever_comes() -> None:
    shop = Shop()
    shop.place()

    assert shop.order().status is OrderStatus.PENDING_PAYMENT
    assert shop.storage.earliest_due() == shop.clock.now()


def test_the_system_does_not_keep_a_claim_for_its_callers() -> None:
    shop = Shop()
    system: OrderManagement = shop.oms
    with system.running():
        placed = system.place_order(shop.scope, shop.request())
        order = system.wait_for(shop.scope, placed.order_id, timeout_s=30)

    assert placed.claim is None
    assert order.status is OrderStatus.CONFIRMED
