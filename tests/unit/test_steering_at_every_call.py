"""An operator who steers while a worker is in the middle of a call: at every call, both ways.

The worker is stopped before or after each call that it makes of any port, the operator acts from
another process, and the worker goes on as if nothing had happened: in time, or as a zombie after
others have finished. In the end the order is where the operator wanted it, nothing happened
twice, and the order's sums are those of the provider and of the warehouse.
"""

from collections.abc import Callable
from itertools import pairwise, product

import pytest
from attrs import field, frozen

from oms_core import Change, Order, OrderManagement, OrderStatus, PlaceOrderSettings
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
from oms_core.application.order_operations import Caller
from oms_core.application.steering import Operator
from oms_core.domain.operation import OperationState
from oms_core.domain.order_status import TRANSITIONS
from oms_core.domain.saga_position import SagaPhase, SagaState
from oms_core.errors import Conflict, NotPossible
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.shop import ARMCHAIR, DRUM, LEASE_S, SOFT, Shop

PAT = Operator("pat", "a customer called")
PAUSES = (Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER)
STOCK = 10
ROUNDS = 40
LATER_S = 400.0
"""Until the provider was asked once more whether money moved after a compensation."""

# -- lives of an order -----------------------------------------------------------------------


def stay_as_placed(oms: OrderManagement, order: Order) -> None:
    del oms, order


def capture(oms: OrderManagement, order: Order) -> None:
    request = CapturePayment("10.00")
    oms.operations.capture(order.scope, order.id, request, Caller("capture", "clerk"))


def fulfill(oms: OrderManagement, order: Order) -> None:
    oms.operations.fulfill(order.scope, order.id, FulfillOrder(), Caller("fulfill", "clerk"))


def cancel(oms: OrderManagement, order: Order) -> None:
    oms.operations.cancel(order.scope, order.id, CancelOrder(), Caller("cancel", "clerk"))


def deliver(oms: OrderManagement, order: Order) -> None:
    fulfill(oms, order)
    oms.run_until_idle()
    (parcel,) = oms.get_order(order.scope, order.id).fulfillments
    caller = Caller("deliver", "clerk")
    oms.operations.deliver(order.scope, order.id, parcel.id, DeliverGoods(), caller)


def complete(oms: OrderManagement, order: Order) -> None:
    caller = Caller("complete", "clerk")
    oms.operations.complete(order.scope, order.id, CompleteOrder(), caller)


def refund(oms: OrderManagement, order: Order) -> None:
    request = RefundPayment("10.00")
    oms.operations.refund(order.scope, order.id, request, Caller("refund", "clerk"))


def take_back(oms: OrderManagement, order: Order) -> None:
    asked, scope = RequestReturn((Pieces(1, 1),)), order.scope
    returned = oms.operations.request_return(scope, order.id, asked, Caller("return", "clerk"))
    (one,) = returned.order.returns
    approved = Caller("approve", "clerk")
    oms.operations.approve_return(scope, order.id, one.id, DecideReturn(), approved)
    received = ReceiveReturn((PiecesReceived(1, 1),))
    oms.operations.receive_return(scope, order.id, one.id, received, Caller("receive", "clerk"))


Deed = Callable[[OrderManagement, Order], None]


@frozen
class Scenario:
    """What has happened to the order before, and what the worker is at."""

    reference: str = "good_card"
    before: tuple[Deed, ...] = ()
    ask: Deed = stay_as_placed
    saga: PlaceOrderSettings = field(factory=PlaceOrderSettings)

    @property
    def places(self) -> bool:
        return self.ask is stay_as_placed


SCENARIOS = {
    "placing": Scenario(),
    "placing_with_an_answer_lost": Scenario("sim_lost_answer_once"),
    "placing_on_soft_stock": Scenario(saga=PlaceOrderSettings(allocation=SOFT)),
    "waiting_for_the_customer": Scenario("sim_requires_action_completes"),
    "failing": Scenario("sim_wrong_amount_captured"),
    "capturing": Scenario("sim_capture_answer_lost_once", (stay_as_placed,), capture),
    "fulfilling": Scenario("good_card", (stay_as_placed,), fulfill),
    "cancelling": Scenario("good_card", (stay_as_placed,), cancel),
    "refunding": Scenario("sim_refund_answer_lost_once", (deliver, complete), refund),
    "taking_goods_back": Scenario("good_card", (deliver,), take_back),
}


class Life:
    """One order, one worker that is stopped at a call, and one operator."""

    def __init__(
        self,
        scenario: Scenario,
        script: dict[int, Fault] | None = None,
        operator: Callable[["Life"], object] = lambda _: None,
        *,
        is_zombie: bool = False,
    ) -> None:
        self.scenario = scenario
        self.operator = operator
        self.is_zombie = is_zombie
        self.steered = 0
        self.refused: list[str] = []
        self.seen: tuple[object, ...] = ()
        self.calls = 0
        self.plan = FaultPlan(script, meanwhile=self.somebody_steers)
        self.shop = Shop(plan=self.plan, saga=scenario.saga)
        self.office = self.shop.a_process(FaultPlan())
        request = self.shop.request(scenario.reference)
        self.id = self.office.place_order(self.shop.scope, request).order_id
        for deed in scenario.before:
            self.office.run_until_idle()
            deed(self.office, self.order)
        if scenario.before:
            self.work_with(self.office)
        scenario.ask(self.office, self.order)

    @property
    def order(self) -> Order:
        return self.shop.order(self.id)

    def go(self) -> Order:
        """Let the worker work, whatever meets it; then let go on what stands still."""
        self.work_with(self.shop.oms)
        self.calls = len(self.plan.calls)
        self.plan.heal()
        self.let_go_on()
        self.work_with(self.shop.oms)
        self.shop.clock.advance(LATER_S)
        self.work_with(self.shop.oms)
        self.check()
        return self.order

    def somebody_steers(self) -> None:
        self.operator(self)
        if self.is_zombie:
            self.shop.clock.advance(LEASE_S + 1)
            self.work_with(self.office)
            self.let_go_on()
            self.work_with(self.office)

    def let_go_on(self) -> None:
        if self.order.saga.paused:
            self.office.steering.resume(self.shop.scope, self.id, PAT)

    def work_with(self, oms: OrderManagement) -> None:
        for _ in range(ROUNDS):
            oms.run_until_idle()
            self.check_always()
            if not self.shop.let_time_pass():
                return
        raise AssertionError(f"never at rest: {self.order.saga}")

    def steer(self, *deeds: str) -> None:
        """Do what is possible of it, and remember what was refused."""
        for deed in deeds:
            try:
                getattr(self.office.steering, deed)(self.shop.scope, self.id, PAT)
            except Conflict as refused:
                self.refused.append(refused.sentence)
            else:
                self.steered += 1

    def check_always(self) -> None:
        order, audit = self.order, self.shop.audit(self.id)
        assert order.history[: len(self.seen)] == self.seen, "I5: history was rewritten"
        self.seen = order.history
        for sku in (ARMCHAIR, DRUM):
            assert self.shop.level(sku).available >= 0, "I4: oversold"
        if audit is not None:
            assert audit.authorizations <= 1, "I2: held twice"
            assert all(one.effects <= 1 for one in audit.operations), "I2: an effect twice"

    def check(self) -> None:
        order = self.order
        assert order.saga.state is SagaState.FINISHED, f"I6: {order.saga}"
        assert all(one.is_over for one in order.operations if one.due_at is None), "I6"
        for before, after in pairwise(e.status_after for e in order.history):
            assert after is before or after in TRANSITIONS[before], "I5"
        self._money_adds_up(order)
        self._stock_adds_up(order)

    def _money_adds_up(self, order: Order) -> None:
        audit = self.shop.audit(self.id)
        if audit is None:
            assert order.payment.authorization is None
            return
        sums = (order.payment.captured, order.payment.refunded)
        assert sums == (audit.captured, audit.refunded), "I2: not the provider's sums"
        if order.status.is_dead:
            assert audit.live_authorizations == 0, "I7: a dead order holds money"
            assert audit.captured == audit.refunded, "I7: a dead order was paid"
        else:
            assert audit.authorized == order.total, "I2"

    def _stock_adds_up(self, order: Order) -> None:
        for line in order.lines:
            pieces, level = order.quantities[line.number], self.shop.level(line.sku)
            assert level.on_hand == STOCK - pieces.fulfilled + pieces.returned, "I3"
            promised = 0 if order.status.is_dead else line.quantity - pieces.fulfilled
            assert level.reserved == promised, "I3, I7: stock leaked"


def undisturbed(scenario: Scenario) -> tuple[int, Order]:
    life = Life(scenario)
    order = life.go()
    return life.calls, order


def how_it_ended(order: Order) -> tuple[object, ...]:
    ends = [(one.kind, one.state) for one in order.operations if one.due_at is None]
    return (order.status, order.failure, order.payment.status, order.quantities, ends)


def at_every_call(name: str, *, is_zombie: bool, operator: Callable[[Life], object]) -> list[Life]:
    """Live the order's life anew for every call of it and both ways to be stopped there."""
    scenario = SCENARIOS[name]
    calls, _ = undisturbed(scenario)
    lives = []
    for number, pause in product(range(1, calls + 1), PAUSES):
        life = Life(scenario, {number: pause}, operator, is_zombie=is_zombie)
        life.go()
        assert life.plan.faults_met, f"call {number} was never made"
        lives.append(life)
    assert len(lives) > 2, "hardly anything was called"
    return lives


@pytest.mark.parametrize("is_zombie", [False, True], ids=["in_time", "zombie"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_pause_at_any_call_only_delays_the_order(name: str, *, is_zombie: bool) -> None:
    """What was under way is kept, nothing else begins, and resuming leads to the same end."""
    _, expected = undisturbed(SCENARIOS[name])

    lives = at_every_call(name, is_zombie=is_zombie, operator=lambda life: life.steer("pause"))

    assert any(life.steered for life in lives)
    for life in lives:
        assert how_it_ended(life.order) == how_it_ended(expected)


@pytest.mark.parametrize("name", SCENARIOS)
def test_after_a_pause_at_any_call_one_outcome_at_most_is_recorded(name: str) -> None:
    scenario = SCENARIOS[name]
    calls, _ = undisturbed(scenario)
    stopped = 0

    for number, pause in product(range(1, calls + 1), PAUSES):
        at_pause: list[Order] = []

        def pause_and_look(life: Life, kept: list[Order] = at_pause) -> None:
            life.steer("pause")
            kept.append(life.order)

        life = Life(scenario, {number: pause}, pause_and_look)
        life.work_with(life.shop.oms)
        order = life.order

        assert order.saga.paused == bool(life.steered)
        if order.saga.paused:
            stopped += 1
            assert order.saga.due_at is None
            assert order.saga.state is SagaState.PAUSED
            assert order.version <= at_pause[0].version + 1, "something began"
    assert stopped


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_pause_that_is_taken_back_at_once_changes_nothing(name: str) -> None:
    _, expected = undisturbed(SCENARIOS[name])

    lives = at_every_call(
        name, is_zombie=False, operator=lambda life: life.steer("pause", "resume")
    )

    for life in lives:
        assert life.steered in {0, 2}
        assert how_it_ended(life.order) == how_it_ended(expected)


@pytest.mark.parametrize("is_zombie", [False, True], ids=["in_time", "zombie"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_compensation_ordered_at_any_call_takes_everything_back(
    name: str, *, is_zombie: bool
) -> None:
    scenario = SCENARIOS[name]

    lives = at_every_call(
        name, is_zombie=is_zombie, operator=lambda life: life.steer("pause", "compensate")
    )

    turned = [life for life in lives if life.steered > 1]
    assert bool(turned) == (name not in {"cancelling", "taking_goods_back"})
    for life in turned:
        order = life.order
        changes = [entry.change for entry in order.history]
        assert Change.COMPENSATION_ORDERED in changes
        if scenario.places:
            assert order.status is OrderStatus.FAILED
        else:
            asked = next(one for one in order.operations if one.actor == "clerk" and one.refusal)
            # What had happened at the provider before is recorded all the same.
            assert asked.state in {OperationState.REFUSED, OperationState.DONE}


@pytest.mark.parametrize("name", ["capturing", "fulfilling", "cancelling", "refunding"])
def test_a_step_is_never_skipped_while_a_worker_is_at_it(name: str) -> None:
    """A person and a worker who do the same step would have its effect twice."""
    scenario = SCENARIOS[name]
    calls, expected = undisturbed(scenario)
    at_work = 0

    def pause_and_skip(life: Life) -> None:
        life.steer("pause")
        order = life.order
        claim = life.shop.storage.claim(order.scope, order.id, "probe", lease_s=0.0)
        if claim is not None:
            life.shop.storage.release(claim.lease)
            return
        nonlocal at_work
        at_work += 1
        with pytest.raises(NotPossible):
            life.office.steering.skip(order.scope, order.id, PAT)

    for number, pause in product(range(1, calls + 1), PAUSES):
        life = Life(scenario, {number: pause}, pause_and_skip)

        assert how_it_ended(life.go()) == how_it_ended(expected)

    assert at_work > 4


def test_what_waits_is_compensated_while_a_worker_looks_at_it() -> None:
    """The customer's payment arrives in the very look; it is given back all the same."""
    scenario = SCENARIOS["waiting_for_the_customer"]
    calls, _ = undisturbed(scenario)
    turned = 0

    for number, pause in product(range(1, calls + 1), PAUSES):
        life = Life(scenario, {number: pause}, lambda life: life.steer("compensate"))
        order = life.go()

        turned += life.steered
        expected = OrderStatus.FAILED if life.steered else OrderStatus.CONFIRMED
        assert order.status is expected
        assert order.saga.phase is (SagaPhase.COMPENSATED if life.steered else SagaPhase.COMPLETED)
    assert turned
