"""Orders are compared with what their provider says, and what can be proven is healed."""

from collections.abc import Callable
from typing import Any, NoReturn
from uuid import UUID, uuid4

import pytest

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import AdjustStock, NewLineItem, Order, OrderManagement, OrderStatus, PlaceOrder
from oms_core.application.operation_requests import (
    CapturePayment,
    CompleteOrder,
    DeliverGoods,
    FulfillOrder,
    RefundPayment,
)
from oms_core.application.order_operations import Caller
from oms_core.application.reconciliation import Compared, Pace, Selection, Tally, Verdict
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentStatus
from oms_core.domain.saga_position import SagaState
from oms_core.domain.scope import Scope
from oms_core.errors import PaymentNotFound
from oms_core.ports.payments import Authorize, Cancel, Capture, PaymentRef, Refund
from oms_core.ports.storage import OrderPlace
from oms_core.testing import SimulatedClock, a_scope, an_order
from oms_core.testing.faults import Fault, FaultPlan, faulty_payments

CHAIR = "CRUNCHY-ARMCHAIR"
PRICE = Money.of("20.00", "USD")


class Shop:
    """Two tenants with stock, whose orders cost 20.00, and a bank where hands can reach in."""

    def __init__(self) -> None:
        self.clock = SimulatedClock()
        self.bank = SimulatedPayments(MemoryLedger(), self.clock)
        self.plan = FaultPlan()
        self.providers: dict[str, Any] = {
            "simulated": faulty_payments(self.bank, self.plan),
            "other": self.bank,
        }
        self.oms = OrderManagement(
            storage=MemoryStorage(self.clock),
            inventory=MemoryInventory(self.clock),
            payments=self.providers,
            clock=self.clock,
        )
        self.scopes = sorted(
            (Scope(uuid4(), uuid4()) for _ in range(2)), key=lambda scope: scope.tenant_id
        )
        for scope in self.scopes:
            self.oms.adjust_stock(
                scope, AdjustStock(CHAIR, 100, "delivery"), idempotency_key=CHAIR, actor="clerk"
            )
        self.scope = self.scopes[0]

    def place(
        self, reference: str, scope: Scope | None = None, provider: str = "simulated"
    ) -> UUID:
        request = PlaceOrder(
            idempotency_key=f"{provider}-{reference}",
            payment_provider=provider,
            payment_reference=reference,
            channel="web",
            line_items=[NewLineItem(CHAIR, 1, "20.00")],
        )
        return self.oms.place_order(scope or self.scope, request).order_id

    def confirmed(self, reference: str = "card", scope: Scope | None = None) -> Order:
        order_id = self.place(reference, scope)
        self.oms.run_until_idle()
        order = self.oms.get_order(scope or self.scope, order_id)
        assert order.status is OrderStatus.CONFIRMED
        return order

    def captured(self, reference: str = "card") -> Order:
        order = self.confirmed(reference)
        self.oms.operations.capture(self.scope, order.id, CapturePayment(), Caller("capture"))
        self.oms.run_until_idle()
        return self.order(order)

    def completed(self, reference: str) -> Order:
        order = self.confirmed(reference)
        ask = self.oms.operations
        ask.fulfill(self.scope, order.id, FulfillOrder(), Caller("fulfill"))
        self.oms.run_until_idle()
        (parcel,) = self.order(order).fulfillments
        ask.deliver(self.scope, order.id, parcel.id, DeliverGoods(), Caller("deliver"))
        ask.complete(self.scope, order.id, CompleteOrder(), Caller("complete"))
        return self.order(order)

    def order(self, order: Order) -> Order:
        return self.oms.get_order(order.scope, order.id)

    def ref(self, order: Order) -> PaymentRef:
        return PaymentRef(order.scope.tenant_id, order.payment.reference)

    def captured_by_hand(self, order: Order) -> None:
        self.bank.capture(Capture(self.ref(order), PRICE, "by-hand", f"capture-{order.id}"))

    def refunded_by_hand(self, order: Order, amount: str = "5.00") -> None:
        money = Money.of(amount, "USD")
        self.bank.refund(Refund(self.ref(order), money, "by-hand", "by-hand-refund"))

    def voided_by_hand(self, order: Order) -> None:
        self.bank.cancel(Cancel(self.ref(order), order.id, "by-hand", "by-hand-void"))

    def compared(self, *, fix: bool = False, **selected: Any) -> list[Compared]:
        selection = Selection(**selected)
        return list(self.oms.reconciler().run(selection, fix=fix))


@pytest.fixture
def shop() -> Shop:
    return Shop()


def said(compared: Compared) -> list[str]:
    return [str(one) for one in compared.differences]


def test_orders_that_agree_with_their_provider_are_left_alone(shop: Shop) -> None:
    orders = [shop.confirmed("one"), shop.captured("two"), shop.confirmed("three", shop.scopes[1])]

    looked, fixed = shop.compared(), shop.compared(fix=True)

    assert {one.verdict for one in looked + fixed} == {Verdict.AGREES}
    assert sorted(one.place.order_id for one in looked) == sorted(order.id for order in orders)
    assert [shop.order(order) for order in orders] == orders


Hand = Callable[[Shop, Order], None]
HANDS: dict[str, tuple[Hand, str, PaymentStatus]] = {
    "captured": (
        Shop.captured_by_hand,
        "captured: the order says 0.00 USD, the provider 20.00 USD",
        PaymentStatus.CAPTURED,
    ),
    "voided": (
        Shop.voided_by_hand,
        "hold: the order says authorized, the provider cancelled",
        PaymentStatus.VOIDED,
    ),
}


@pytest.mark.parametrize("hand", HANDS)
def test_what_a_hand_did_at_the_provider_is_shown_and_healed(shop: Shop, hand: str) -> None:
    act, sentence, status = HANDS[hand]
    order, other = shop.confirmed("one"), shop.confirmed("two")
    act(shop, order)

    looked = {one.place.order_id: one for one in shop.compared()}

    assert looked[order.id].verdict is Verdict.DIFFERS
    assert said(looked[order.id]) == [sentence]
    assert looked[other.id].verdict is Verdict.AGREES
    assert shop.order(order) == order, "a dry look changes nothing"

    healed = {one.place.order_id: one for one in shop.compared(fix=True)}

    assert healed[order.id].verdict is Verdict.HEALED
    assert said(healed[order.id]) == [sentence]
    assert shop.order(order).payment.status is status
    assert {one.verdict for one in shop.compared()} == {Verdict.AGREES}


def test_money_given_back_by_hand_is_taken_over(shop: Shop) -> None:
    order = shop.captured()
    shop.refunded_by_hand(order)

    (healed,) = shop.compared(fix=True)

    assert said(healed) == ["refunded: the order says 0.00 USD, the provider 5.00 USD"]
    assert healed.verdict is Verdict.HEALED
    assert shop.order(order).payment.refunded == Money.of("5.00", "USD")


def test_a_hold_that_lapsed_unnoticed_is_taken_over(shop: Shop) -> None:
    order = shop.confirmed("sim_short_hold")
    shop.clock.advance(61)

    (looked,) = shop.compared()
    (healed,) = shop.compared(fix=True)

    assert said(looked) == ["hold: the order says authorized, the provider expired"]
    assert healed.verdict is Verdict.HEALED
    assert shop.order(order).payment.authorization is None


def test_a_refund_whose_end_nobody_heard_of_is_settled(shop: Shop) -> None:
    order = shop.completed("sim_refund_pending")
    shop.oms.operations.refund(shop.scope, order.id, RefundPayment(), Caller("refund"))
    shop.oms.run_until_idle()
    (pending,) = shop.order(order).payment.refunds
    before = shop.compared()
    shop.clock.advance(11)

    (looked,) = shop.compared()
    (healed,) = shop.compared(fix=True)

    assert [one.verdict for one in before] == [Verdict.AGREES], "what is pending there is no error"
    assert f"refund {pending.id}: the order says pending, the provider done" in said(looked)
    assert healed.verdict is Verdict.HEALED
    assert shop.order(order).payment.refunded == PRICE


def test_money_held_for_an_order_that_is_over_is_let_go(shop: Shop) -> None:
    """An authorization that succeeds after we gave up: nobody may go on holding the money."""
    order_id = shop.place("sim_declined_once")
    shop.oms.run_until_idle()
    order = shop.oms.get_order(shop.scope, order_id)
    assert order.status is OrderStatus.FAILED
    shop.bank.give_another_card(shop.ref(order))
    shop.bank.authorize(Authorize(shop.ref(order), PRICE, order.id, "late"))

    (looked,) = shop.compared()
    (healed,) = shop.compared(fix=True)

    assert said(looked) == [
        "hold: the order says nothing, it is failed, the provider authorized 20.00 USD"
    ]
    assert (looked.verdict, healed.verdict) == (Verdict.DIFFERS, Verdict.HEALED)
    assert [one.verdict for one in shop.compared()] == [Verdict.AGREES]
    (row,) = [row for row in shop.bank.audit() if row.order_id == order.id]
    assert row.voided == PRICE


def test_a_payment_that_the_provider_forgot_is_flagged_for_a_person_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = shop.confirmed()
    monkeypatch.setattr(SimulatedPayments, "lookup", _with_lost_books)

    first, second = shop.compared(fix=True), shop.compared(fix=True)

    assert [one.verdict for one in first + second] == [Verdict.FLAGGED, Verdict.FLAGGED]
    flagged = shop.order(order)
    assert flagged.saga.attention is not None
    assert flagged.saga.attention.code == "payment_unknown"
    checks = [one for one in flagged.operations if one.kind == "check_payment"]
    assert len(checks) == 1, "what waits for a person is not checked again and again"


def _with_lost_books(_bank: SimulatedPayments, ref: PaymentRef) -> NoReturn:
    raise PaymentNotFound(f"no such payment {ref.reference}")


def test_trouble_with_one_order_does_not_keep_the_others_from_being_compared(shop: Shop) -> None:
    orders = [shop.confirmed(reference) for reference in ("one", "two", "three")]
    for order in orders:
        shop.captured_by_hand(order)
    shop.plan.strike(Fault.TIMEOUT, after_calls=1)

    first, second, third = shop.compared()

    assert [first.verdict, second.verdict, third.verdict].count(Verdict.DIFFERS) == 2
    (failed,) = [one for one in (first, second, third) if one.verdict is Verdict.NOT_COMPARED]
    assert failed.trouble is not None
    assert "simulated_timeout" in failed.trouble
    assert {one.verdict for one in shop.compared(fix=True)} == {Verdict.HEALED}


def test_an_order_under_way_is_left_to_whoever_drives_it(shop: Shop) -> None:
    order_id = shop.place("sim_pending_forever")
    shop.oms.run_until_idle()
    assert shop.oms.get_order(shop.scope, order_id).saga.state is SagaState.WAITING

    (looked,) = shop.compared(fix=True)

    assert (looked.verdict, looked.differences) == (Verdict.UNDER_WAY, ())


def test_only_what_is_selected_is_compared(shop: Shop) -> None:
    here, there = shop.confirmed("one"), shop.confirmed("two", shop.scopes[1])
    shop.clock.advance(3_600)
    since = shop.clock.now()
    late = shop.confirmed("three")
    other = shop.place("four", provider="other")
    shop.oms.run_until_idle()

    def ids(**selected: Any) -> set[UUID]:
        return {one.place.order_id for one in shop.compared(**selected)}

    assert ids(tenant_id=there.scope.tenant_id) == {there.id}
    assert ids(tenant_id=here.scope.tenant_id, org_id=there.scope.org_id) == set()
    assert ids(provider="other") == {other}
    assert ids(since=since) == {late.id, other}
    assert ids() == {here.id, there.id, late.id, other}


def test_an_account_that_is_configured_no_more_is_told_of(shop: Shop) -> None:
    shop.confirmed()
    del shop.providers["simulated"]

    (told,) = shop.compared()

    assert told.verdict is Verdict.NOT_COMPARED
    assert told.trouble == (
        "The payment provider simulated is not configured any more; configure it again as long as "
        "there are orders that were paid through it."
    )


def test_calls_are_spread_out() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    pace = Pace(4, sleep=sleep, now=lambda: now[0])
    for _ in range(3):
        pace.wait()
    now[0] += 10
    pace.wait()
    pace.wait()

    assert slept == [0.25, 0.25, 0.25]


def test_a_tally_is_good_unless_somebody_must_act() -> None:
    good = {Verdict.AGREES, Verdict.UNDER_WAY, Verdict.HEALED}
    place = OrderPlace(a_scope(), an_order().id)

    for verdict in Verdict:
        tally = Tally()
        tally.add(Compared(place, verdict))

        assert tally.orders == 1
        assert tally.is_good is (verdict in good)
