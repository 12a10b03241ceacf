"""Short lives of one order after its placing, and every fault at every call of a port.

Whatever is asked is asked until it is acknowledged, under one key. The order ends as it would
have without the fault, every effect is there once, and all sums add up at every moment.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias
from uuid import UUID

import pytest
from attrs import field, frozen

from oms_core import Order, OrderStatus
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    DeliverGoods,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.order_operations import Asked
from oms_core.application.payment_policy import CapturePolicy
from oms_core.domain.inventory import StockItem
from oms_core.domain.operation import Operation, OperationKind
from oms_core.errors import OmsError, StoreUnavailable
from oms_core.ports.payments import OperationResult, OperationStatus
from oms_core.testing.faults import Fault, FaultPlan, SimulatedCrash
from tests.stateful.simulation.accounts import (
    check_goods_flow,
    check_money_flow,
    check_nothing_is_corrected,
    check_quantities,
    check_rest,
    check_sums,
    generations_of,
)
from tests.support.order_life import OrderLife
from tests.support.shop import ARMCHAIR, DRUM

SHORT_LEASE_S = 5.0
"""Shorter than half of a short hold, within which it must be made anew."""
OUTAGE, ROUNDS_MAX = 3, 200
"""For how many rounds of work a broken port stays broken; how many rounds a life takes at most."""


class Life(OrderLife):
    """One order's life under a plan of faults, watched at every moment."""

    def __init__(self, scenario: "Scenario", script: Mapping[int, Fault] | None = None) -> None:
        self.calls = 0
        """How many calls were made while faults could strike."""
        self.placed = 0
        """How many of them placed the order, where every fault is tried elsewhere."""
        self.scenario = scenario
        super().__init__(
            scenario.capture,
            plan=FaultPlan(script, meanwhile=self.everybody_else_finishes),
            lease_s=SHORT_LEASE_S,
        )
        self.others = self.a_process(FaultPlan())

    # -- what clients do -------------------------------------------------------------------

    def say(self, name: str, *what: object) -> UUID:
        """Ask until it is acknowledged, and let it be done; returns the operation's id."""
        key = f"{name}-{len(self.order().operations)}"
        asked: Asked | None = None
        while asked is None:
            try:
                asked = self.ask(name, *what, key=key)
            except SimulatedCrash:
                self.restart()
            except StoreUnavailable:
                self.clock.advance(1.0)
                self.plan.mend()
            except OmsError as refused:
                raise AssertionError(f"{name} was refused: {refused.sentence}") from refused
        self.settle()
        return asked.operation.id

    def hear(self) -> None:
        """Be told that something happened to the payment, until it is heard."""
        while True:
            try:
                self.oms.payment_changed(self.scope, self.order().id)
                break
            except SimulatedCrash:
                self.restart()
            except StoreUnavailable:
                self.clock.advance(1.0)
                self.plan.mend()
        self.settle()

    def settle(self) -> None:
        """Work until nothing is to be done at once; what is broken is mended after a while."""
        for number in range(ROUNDS_MAX):
            if number == OUTAGE:
                self.plan.mend()
            self.work_once()
            self.check()
            order = self.order()
            undecided = any(one.state.is_open for one in order.payment.refunds)
            if order.saga.phase.is_over and not undecided:
                return
            if (due_at := self.storage.earliest_due()) is None:
                assert order.saga.attention is not None
                raise AssertionError(f"I6: {order.saga.attention}")
            self.clock.advance_to(due_at)
        raise AssertionError("I6: the order does not come to rest")

    def everybody_else_finishes(self) -> None:
        """Let the lease run out, and another process do all the work meanwhile."""
        self.clock.advance(SHORT_LEASE_S + 1)
        self.others.run_until_idle()
        self.clock.advance(SHORT_LEASE_S + 1)
        self.others.run_until_idle()

    # -- what must hold --------------------------------------------------------------------

    def check(self) -> None:
        """Check I2, I3, I4 and I14 at this moment."""
        order, audit = self.order(), self.audit()
        check_quantities(order)
        check_money_flow(order, audit)
        check_nothing_is_corrected(order)
        for one in () if audit is None else audit.operations:
            assert one.effects <= 1, f"I2: {one.operation} twice"
            assert one.keys <= generations_of(order, one), f"I14: {one.operation}"
        for sku in (ARMCHAIR, DRUM):
            level = self.level(sku)
            assert level.available >= 0, "I4: oversold"
            movements = self.inventory.movements(self.scope, StockItem(sku))
            assert level.on_hand == sum(one.quantity_delta for one in movements), "I3"
            check_goods_flow(order, sku, movements)


Deed: TypeAlias = Callable[[Life], object]


@frozen
class Scenario:
    """What is done to an order that was placed, one after the other."""

    deeds: tuple[Deed, ...]
    ends: OrderStatus
    books: tuple[str, str, str, str]
    """Authorized, captured, voided and refunded at the end."""
    reference: str = "good_card"
    capture: CapturePolicy = CapturePolicy.FULFILLMENT
    stock: tuple[int, int] = (10, 10)
    """Armchairs and drums on hand at the end."""
    is_confirmed: bool = field(default=True, kw_only=True)
    """The order is left to be confirmed before the first deed."""


def say(name: str, *what: object) -> Deed:
    """Ask this."""
    return lambda life: life.say(name, *what)


def deliver_everything(life: Life) -> None:
    """Tell that every parcel has arrived."""
    for one in life.order().fulfillments:
        life.say("deliver", one.id, DeliverGoods())


def decide_and_receive(life: Life) -> None:
    """Approve the return, and book it in two parcels, one of which is not for sale again."""
    [asked] = life.order().returns
    life.say("approve_return", asked.id, DecideReturn())
    life.say("receive_return", asked.id, ReceiveReturn([PiecesReceived(1, 1)]))
    broken = PiecesReceived(1, 1, "damaged", restock=False)
    life.say("receive_return", asked.id, ReceiveReturn([broken]))


def wait_for_the_renewal(life: Life) -> None:
    """Let the hold come near its end, twice."""
    for _ in range(2):
        due_at = life.storage.earliest_due()
        assert due_at is not None
        life.clock.advance_to(due_at)
        life.work_once()
        life.settle()


def notify(life: Life) -> None:
    """Let the provider notify of something."""
    life.hear()


def the_release_had_no_effect(life: Life) -> None:
    """Let the provider say DONE to the release, and hold the money all the same."""
    done = OperationResult(OperationStatus.DONE)
    life.instead["cancel"] = lambda *_: done


def the_provider_is_itself_again(life: Life) -> None:
    """End what was done instead."""
    life.instead.clear()


ALL = FulfillOrder()
WHOLE_WAY: tuple[Deed, ...] = (
    say("fulfill", FulfillOrder([Pieces(1, 1)])),
    say("fulfill", ALL),
    deliver_everything,
    say("request_return", RequestReturn([Pieces(1, 2)])),
    decide_and_receive,
    say("refund", RefundPayment(lines=[Pieces(1, 2)])),
)
SENT: tuple[Deed, ...] = (say("fulfill", ALL), deliver_everything, say("complete", CompleteOrder()))
SCENARIOS = {
    "cancelled": Scenario(
        (say("cancel", CancelOrder()),),
        OrderStatus.CANCELLED,
        ("64.96", "0.00", "64.96", "0.00"),
    ),
    "cancelled_at_once": Scenario(
        (say("cancel", CancelOrder()),),
        OrderStatus.CANCELLED,
        ("0.00", "0.00", "0.00", "0.00"),
        is_confirmed=False,
    ),
    "cancelled_after_a_capture": Scenario(
        (say("cancel", CancelOrder()),),
        OrderStatus.CANCELLED,
        ("64.96", "64.96", "0.00", "64.96"),
        capture=CapturePolicy.CONFIRMATION,
    ),
    "captured_in_parts": Scenario(
        (say("capture", CapturePayment("10.00")), say("capture", CapturePayment())),
        OrderStatus.CONFIRMED,
        ("64.96", "64.96", "0.00", "0.00"),
        capture=CapturePolicy.MANUAL,
    ),
    "captured_later": Scenario(
        (say("capture", CapturePayment("10.00", final=True)),),
        OrderStatus.CONFIRMED,
        ("64.96", "10.00", "54.96", "0.00"),
        reference="sim_asynchronous",
        capture=CapturePolicy.MANUAL,
    ),
    "the_whole_way": Scenario(
        WHOLE_WAY,
        OrderStatus.PARTIALLY_REFUNDED,
        ("64.96", "64.96", "0.00", "43.30"),
        stock=(9, 9),
    ),
    "refunded_later": Scenario(
        (*SENT, say("refund", RefundPayment("5.00")), say("refund", RefundPayment())),
        OrderStatus.REFUNDED,
        ("64.96", "64.96", "0.00", "64.96"),
        reference="sim_refund_pending",
        stock=(8, 9),
    ),
    "refund_fails_later": Scenario(
        (*SENT, say("refund", RefundPayment())),
        OrderStatus.COMPLETED,
        ("64.96", "64.96", "0.00", "0.00"),
        reference="sim_refund_fails_later",
        stock=(8, 9),
    ),
    "hold_made_anew": Scenario(
        (wait_for_the_renewal, say("capture", CapturePayment())),
        OrderStatus.CONFIRMED,
        ("64.96", "64.96", "0.00", "0.00"),
        reference="sim_short_hold",
        capture=CapturePolicy.MANUAL,
    ),
    "payment_looked_at": Scenario(
        (notify, notify),
        OrderStatus.CONFIRMED,
        ("64.96", "0.00", "0.00", "0.00"),
    ),
    "money_of_a_dead_order": Scenario(
        (
            the_release_had_no_effect,
            say("cancel", CancelOrder()),
            the_provider_is_itself_again,
            notify,
        ),
        OrderStatus.CANCELLED,
        ("64.96", "0.00", "64.96", "0.00"),
    ),
}


def lived(scenario: Scenario, script: Mapping[int, Fault] | None = None) -> Life:
    """Let an order live, meet its faults, and come to rest."""
    life = Life(scenario, script)
    life.place_until_acknowledged(life.request(scenario.reference))
    if scenario.is_confirmed:
        life.settle()
        life.placed = len(life.plan.calls)
    for deed in scenario.deeds:
        deed(life)
    life.calls = len(life.plan.calls)
    life.plan.heal()
    life.settle()
    return life


def end_of(life: Life) -> tuple[object, ...]:
    """Tell all that must not depend on a fault."""
    order = life.order()
    return (
        order.status,
        order.failure,
        order.payment.captured,
        order.payment.refunded,
        None if order.status.is_dead else order.payment.status,
        order.quantities,
        order.fulfillment_status,
        order.return_status,
        [_state_of(order, one) for one in order.operations if one.actor != "system"],
        [one.state for one in order.payment.captures],
        [one.state for one in order.payment.refunds],
        life.level(ARMCHAIR),
        life.level(DRUM),
    )


def _state_of(order: Order, operation: Operation) -> tuple[OperationKind, str]:
    """Tell how an operation ended; a refund may be rejected before or after it was accepted."""
    refund = order.payment.refund(operation.id)
    return operation.kind, refund.state if refund is not None else operation.state


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_order_lives_as_it_should_without_faults(name: str) -> None:
    scenario = SCENARIOS[name]

    life = lived(scenario)

    order = life.order()
    assert order.status is scenario.ends
    if any(scenario.books):
        row = life.audit()
        assert (row is None) == (scenario.books[0] == "0.00")
        assert row is None or life.books() == scenario.books
    assert (life.level(ARMCHAIR).on_hand, life.level(DRUM).on_hand) == scenario.stock


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("name", SCENARIOS)
def test_any_single_fault_at_any_call_changes_nothing(name: str, fault: Fault) -> None:
    scenario = SCENARIOS[name]
    undisturbed = lived(scenario)
    expected = end_of(undisturbed)

    for number in range(undisturbed.placed + 1, undisturbed.calls + 1):
        life = lived(scenario, {number: fault})

        assert life.plan.faults_met, f"call {number} was never made"
        assert end_of(life) == expected, f"call {number}: {undisturbed.plan.calls[number - 1]}"
        check_rest(life.order())
        check_sums(life.order(), life.audit())
