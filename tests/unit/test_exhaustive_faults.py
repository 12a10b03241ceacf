"""One order, and every fault at every call: alone, in pairs, and with zombies.

After the faults have ceased, the order comes to its end and I1-I3, I5-I8, I11 and I14 hold;
I2, I4 and I5 hold all the time.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from random import Random

import pytest
from attrs import evolve, field, frozen
from hypothesis import settings

from oms_core import Order, OrderStatus, PlaceOrderSettings
from oms_core.domain.inventory import demands_of
from oms_core.domain.order import ReservationState
from oms_core.domain.order_status import TRANSITIONS
from oms_core.errors import IdempotencyKeyReused, StoreUnavailable
from oms_core.ports.payments import Capabilities
from oms_core.testing import refusal
from oms_core.testing.faults import FAULTS_ALONE, Fault, FaultPlan, SimulatedCrash
from tests.support.shop import ARMCHAIR, DRUM, LEASE_S, SOFT, Shop

SHORT_OUTAGE, LONG_OUTAGE = 3, 40
"""For how many rounds of work a broken port stays broken; the long one uses up all retries."""
PAIRS_A_SCENARIO = 120
"""How many pairs of faults are drawn by default; the thorough profile tries all."""


@frozen
class Scenario:
    """How the order would go if nothing went wrong."""

    reference: str = "good_card"
    price: str = "19.99"
    stock: Mapping[str, int] = field(factory=lambda: {ARMCHAIR: 10, DRUM: 10})
    saga: PlaceOrderSettings = field(factory=PlaceOrderSettings)
    asynchronous: bool = False
    needs_retries: bool = False
    """Uses up most of the retry budget by itself: one more fault may be one too many."""
    ends: frozenset[OrderStatus] = frozenset({OrderStatus.CONFIRMED, OrderStatus.FAILED})


FAILS = frozenset({OrderStatus.FAILED})
SCENARIOS = {
    "good_card": Scenario(),
    "declined": Scenario("sim_declined", ends=FAILS),
    "held_too_much": Scenario("sim_wrong_amount", ends=FAILS),
    "held_too_much_and_voids_are_asynchronous": Scenario(
        "sim_wrong_amount", asynchronous=True, ends=FAILS
    ),
    "captured_too_much": Scenario("sim_wrong_amount_captured", ends=FAILS),
    "answer_lost_once": Scenario("sim_lost_answer_once"),
    "error_replayed_for_the_key": Scenario("sim_error_replayed", needs_retries=True),
    "late_success": Scenario("sim_late_success", needs_retries=True),
    "customer_acts": Scenario("sim_requires_action_completes"),
    "second_line_is_short": Scenario(stock={ARMCHAIR: 10, DRUM: 0}, ends=FAILS),
    "nothing_to_pay": Scenario(price="0"),
    "soft_allocation": Scenario(saga=PlaceOrderSettings(allocation=SOFT)),
    "soft_allocation_that_lapses": Scenario(
        saga=PlaceOrderSettings(allocation=evolve(SOFT, ttl_s=1.0))
    ),
}


class Life:
    """One order's life under a plan of faults, watched at every moment."""

    def __init__(
        self,
        scenario: Scenario,
        script: Mapping[int, Fault] | None = None,
        *,
        outage: int = SHORT_OUTAGE,
        script_of_others: Mapping[int, Fault] | None = None,
    ) -> None:
        self.scenario = scenario
        self.plan = FaultPlan(script, meanwhile=self.everybody_else_finishes)
        self.plan_of_others = FaultPlan(script_of_others)
        self.shop = Shop(
            plan=self.plan,
            stock=scenario.stock,
            saga=scenario.saga,
            capabilities=Capabilities(asynchronous_modifications=scenario.asynchronous),
        )
        self.request = self.shop.request(scenario.reference, price=scenario.price)
        self.outage = outage
        self.calls = 0
        """How many calls were made while faults could strike."""
        self.seen: tuple[object, ...] = ()

    def go(self) -> Order:
        """Place the order, meet all faults, mend, and come to the end."""
        order_id = self.shop.place_until_acknowledged(self.request, mended_after=self.outage)
        self._work(self.outage)
        self.plan.mend()
        self._work(LONG_OUTAGE)
        self.calls = len(self.plan.calls)
        self.plan.heal()
        self.shop.work_to_the_end()
        self.check_always()
        order = self.shop.order(order_id)
        self.check_at_rest(order)
        return order

    def _work(self, rounds: int) -> None:
        for _ in range(rounds):
            self.shop.work_once()
            self.check_always()
            if not self.shop.let_time_pass():
                return

    def everybody_else_finishes(self) -> None:
        """Let the lease run out, and another process do all the work; it may meet a fault too."""
        shop = self.shop
        shop.clock.advance(LEASE_S + 1)
        other = shop.a_process(self.plan_of_others)
        for _ in range(LONG_OUTAGE):
            try:
                other.run_until_idle()
            except (SimulatedCrash, StoreUnavailable):
                self.plan_of_others.restart()
            if not shop.let_time_pass():
                return

    def check_always(self) -> None:
        """Check I2, I4, I5 and I8 at this moment."""
        order = self.shop.order()
        assert order.history[: len(self.seen)] == self.seen, "I5: history was rewritten"
        self.seen = order.history
        for sku in self.scenario.stock:
            assert self.shop.level(sku).available >= 0, "I4: oversold"
        audit = self.shop.audit()
        if audit is not None:
            assert audit.authorizations <= 1, "I2: held twice"
            assert all(one.effects <= 1 for one in audit.operations), "I2: an effect twice"

    def check_at_rest(self, order: Order) -> None:
        """Check what must hold once faults have ceased and nothing is due."""
        shop = self.shop
        assert order.status in self.scenario.ends, f"I6: {order.status} {order.saga}"
        assert order.saga.phase.is_over
        assert order.saga.attention is None
        assert (order.failure is None) == (order.status is OrderStatus.CONFIRMED)
        self._is_a_path_of_the_graph(order)
        self._stock_adds_up(order)
        self._money_adds_up(order)
        self._events_left_in_order(order)
        replay = shop.oms.place_order(shop.scope, self.request)
        assert (replay.order_id, replay.replayed) == (order.id, True), "I1"
        other = evolve(self.request, channel="another")
        refusal(IdempotencyKeyReused, lambda: shop.oms.place_order(shop.scope, other))

    def _is_a_path_of_the_graph(self, order: Order) -> None:
        history = order.history
        assert [e.sequence for e in history] == [*range(1, len(history) + 1)], "I5"
        for before, after in pairwise(e.status_after for e in history):
            assert after is before or after in TRANSITIONS[before], "I5"
        assert history[-1].status_after is order.status, "I5"

    def _stock_adds_up(self, order: Order) -> None:
        holds = order.status is OrderStatus.CONFIRMED
        wanted = {demand.item.sku: demand.quantity for demand in demands_of(order.lines)}
        for sku, received in self.scenario.stock.items():
            level = self.shop.level(sku)
            assert level.on_hand == received, "I3"
            assert level.reserved == (wanted[sku] if holds else 0), "I3, I7: stock leaked"
        assert (order.reservation is ReservationState.HELD) == holds

    def _money_adds_up(self, order: Order) -> None:
        audit = self.shop.audit()
        if audit is None:
            return
        held = audit.authorized - audit.voided - audit.captured
        if order.status is OrderStatus.CONFIRMED and order.total:
            assert audit.live_authorizations == 1, "I2"
            assert held == order.total, "I2"
        else:
            assert audit.live_authorizations == 0, "I7: a dead order holds money"
            assert not held, "I7"
            assert audit.captured == audit.refunded, "I2: a dead order was paid"
        assert (order.payment.captured, order.payment.refunded) == (
            audit.captured,
            audit.refunded,
        ), "I2: the order's sums are not the provider's"
        for one in audit.operations:
            action = "run" if one.operation == "authorize" else "undo"
            journal = order.saga.journal_of("authorize_payment", action)
            allowed = 1 if journal is None else journal.generations
            assert one.keys <= allowed, "I14: more keys than generations"

    def _events_left_in_order(self, order: Order) -> None:
        highest = 0
        for event in self.shop.subscriber.received:
            assert event.sequence <= highest + 1, "I11: overtaken"
            assert event.entry == order.history[event.sequence - 1], "I11"
            highest = max(highest, event.sequence)
        assert highest == len(order.history), "I11: events are missing"


def undisturbed(scenario: Scenario) -> tuple[int, Order]:
    """Count the calls of an order's life that goes well, and tell how it ends."""
    life = Life(scenario)
    order = life.go()
    return life.calls, order


@pytest.mark.parametrize("fault", FAULTS_ALONE)
@pytest.mark.parametrize("name", SCENARIOS)
def test_any_single_fault_at_any_call_leaves_a_right_order(name: str, fault: Fault) -> None:
    scenario = SCENARIOS[name]
    calls, expected = undisturbed(scenario)

    for number in range(1, calls + 1):
        life = Life(scenario, {number: fault})
        order = life.go()

        assert life.plan.faults_met, f"call {number} was never made"
        if not scenario.needs_retries:
            assert (order.status, order.failure) == (expected.status, expected.failure)


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_outage_that_uses_up_every_retry_leaves_a_right_order(name: str) -> None:
    scenario = SCENARIOS[name]

    for number in range(1, undisturbed(scenario)[0] + 1):
        Life(scenario, {number: Fault.ERROR_FROM_NOW_ON}, outage=LONG_OUTAGE).go()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_two_faults_at_any_two_calls_leave_a_right_order(name: str) -> None:
    met = 0

    for script in _pairs(name):
        life = Life(SCENARIOS[name], script)
        life.go()
        met += len(life.plan.faults_met) > 1

    assert met > PAIRS_A_SCENARIO // 4, "hardly any second fault was met"


@pytest.mark.parametrize("pause", [Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_zombie_that_goes_on_after_all_was_done_by_others_changes_nothing(
    name: str, pause: Fault
) -> None:
    """F28, F29: whoever lost the lease finds everything done, and does nothing more."""
    scenario = SCENARIOS[name]
    calls, expected = undisturbed(scenario)

    for number in range(1, calls + 1):
        life = Life(scenario, {number: pause})
        order = life.go()

        assert life.plan_of_others.calls, "nobody went on meanwhile"
        assert (order.status, order.failure) == (expected.status, expected.failure)


@pytest.mark.parametrize("name", ["good_card", "held_too_much", "second_line_is_short"])
def test_a_zombie_while_others_meet_a_fault_leaves_a_right_order(name: str) -> None:
    scenario = SCENARIOS[name]
    calls, _ = undisturbed(scenario)

    for number, fault in product(range(1, calls + 1), FAULTS_ALONE):
        script = {number: Fault.PAUSE_BEFORE, number + 1: Fault.TIMEOUT}
        Life(scenario, script, script_of_others={3: fault}).go()


def _pairs(name: str) -> Iterator[dict[int, Fault]]:
    """Draw ordered pairs of faults, or list them all if there is time."""
    scenario = SCENARIOS[name]
    calls, _ = undisturbed(scenario)
    if settings.get_current_profile_name() != "thorough":
        chance = Random(name)
        for _ in range(PAIRS_A_SCENARIO):
            first = chance.randint(1, calls)
            second = first + chance.randint(1, calls)
            yield {first: chance.choice(FAULTS_ALONE), second: chance.choice(FAULTS_ALONE)}
        return
    for first, fault in product(range(1, calls + 1), FAULTS_ALONE):
        life = Life(scenario, {first: fault})
        life.go()
        for second, other in product(range(first + 1, life.calls + 1), FAULTS_ALONE):
            yield {first: fault, second: other}
