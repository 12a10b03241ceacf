"""Orders from their placing to their end, in parts and with faults: I1-I8, I11 and I14."""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core import AdjustStock, Allocation, AllocationModel, OrderStatus, PlaceOrderSettings
from oms_core.application.operation_requests import CancelOrder
from oms_core.application.payment_policy import CapturePolicy, PaymentPolicy
from oms_core.domain.order_status import TRANSITIONS
from oms_core.ports.payments import Capabilities
from oms_core.testing import NOON
from oms_core.testing.faults import Fault, FaultPlan
from tests.stateful.simulation.accounts import moves_of
from tests.stateful.simulation.invariants import Invariants
from tests.stateful.simulation.merchant import Merchant
from tests.stateful.simulation.puppet import Fate
from tests.stateful.simulation.whole_life import EXTRAS, KINDS_OF_A_LIFE, SPANS_S, WholeLife
from tests.stateful.simulation.world import LEASE_S, SCOPES, SKUS, World
from tests.support import mongo_server
from tests.support.order_life import OrderLife
from tests.support.shop import ARMCHAIR, DRUM

if TYPE_CHECKING:
    from pathlib import Path

    from oms_adapters.mongodb import MongoDatabase
    from oms_core import Order
    from oms_core.ports.clock import Clock
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.storage import OrderStorage

Stores: TypeAlias = "tuple[OrderStorage, Inventory]"

LIVES = int(os.environ.get("OMS_TEST_LIVES", "40"))
"""How many random lives to try: 40 by default, thousands before a release."""
CALM_LIVES_MAX = 300
"""In so many lives at most every move must have been made."""
SHARED_LIVES, SHARED_DEEDS = max(4, LIVES // 10), 120
"""Fewer and shorter lives on real stores, which are slower."""
TROUBLES = (Fate.FAILS, Fate.IS_REPEATED)
WHICH = st.integers(0, 1_000)


@pytest.mark.parametrize("first", range(0, LIVES, 10))
def test_random_whole_lives_keep_every_invariant(first: int) -> None:
    faults: Counter[str] = Counter()
    asked = refused = 0

    for seed in range(first, first + 10):
        life = WholeLife(seed)
        trace = life.live()
        faults.update(call for call in trace if call.endswith(TROUBLES))
        asked += len(life.merchant.said)
        refused += life.merchant.refused

    assert faults.total() > 10 * len(TROUBLES), "lives without trouble prove nothing"
    assert asked > 50, "lives in which nothing is asked prove nothing"
    assert refused > 0, "nothing that is impossible was asked"


def test_every_status_is_reached_and_every_legal_move_is_made() -> None:
    made = Counter([*moves_of(cancelled_before_it_is_confirmed()), *moves_of(its_stock_is_gone())])
    legal = {(one, other) for one, others in TRANSITIONS.items() for other in others}

    for seed in range(CALM_LIVES_MAX):
        life = WholeLife(seed)
        life.live_calmly()
        made.update(life.watch.moves)
        if made.keys() >= legal:
            break

    assert set(made) == legal
    assert {OrderStatus.PENDING_PAYMENT, *(after for _, after in made)} == set(OrderStatus)


def cancelled_before_it_is_confirmed() -> Order:
    """Cancel an order between the hold of its money and its confirmation."""
    shop = crashed_before_its_confirmation()
    shop.ask("cancel", CancelOrder())
    shop.pass_time(LEASE_S + 1)
    return shop.order()


def its_stock_is_gone() -> Order:
    """Let an earmark lapse, and its goods go elsewhere, before the order is confirmed."""
    shop = crashed_before_its_confirmation()
    shop.clock.advance(LEASE_S + 1)
    for sku in (ARMCHAIR, DRUM):
        lost = AdjustStock(sku, -10, "a flood").movement(sku, actor="clerk", at=NOON)
        shop.inventory.adjust(shop.scope, lost)
    shop.oms.run_until_idle()
    return shop.order()


def crashed_before_its_confirmation() -> OrderLife:
    """Place an order whose worker dies once its money is held, with its stock earmarked."""
    saga = PlaceOrderSettings(allocation=Allocation(AllocationModel.SOFT, ttl_s=1.0))
    undisturbed = OrderLife(saga=saga)
    undisturbed.confirmed()
    [hardens] = [one.number for one in undisturbed.plan.calls if one.method == "harden"]
    shop = OrderLife(saga=saga, plan=FaultPlan({hardens: Fault.CRASH_BEFORE}))
    shop.place()
    shop.work_once()
    assert shop.order().status is OrderStatus.PAYMENT_AUTHORIZED
    return shop


def test_the_same_seed_gives_the_same_whole_life() -> None:
    """I13."""
    lives = [WholeLife(seed).live() for seed in (7, 8)]

    assert lives == [WholeLife(seed).live() for seed in (7, 8)]
    assert lives[0] != lives[1]


class WholeLifeMachine(RuleBasedStateMachine):
    """Anything may be asked of any order at any moment; the invariants hold at every moment."""

    @initialize(
        capture=st.sampled_from(CapturePolicy),
        can_reauthorize=st.booleans(),
        captures_in_parts=st.booleans(),
        complete_after_s=st.sampled_from((None, 20.0)),
        stock=st.sampled_from((3, 30)),
    )
    def begin(
        self,
        capture: CapturePolicy,
        can_reauthorize: bool,  # noqa: FBT001 - drawn
        captures_in_parts: bool,  # noqa: FBT001 - drawn
        complete_after_s: float | None,
        stock: int,
    ) -> None:
        """Open the shop."""
        self.world = World(
            policy=PaymentPolicy(capture),
            capabilities=Capabilities(
                can_reauthorize=can_reauthorize, captures_in_parts=captures_in_parts
            ),
            complete_after_s=complete_after_s,
        )
        self.watch = Invariants(self.world)
        self.merchant = Merchant(self.world, random.Random(0))
        for scope in SCOPES:
            for sku in SKUS:
                self.world.receive_stock(scope, sku, stock)

    # -- clients -------------------------------------------------------------------------

    @rule(
        scope=st.sampled_from(SCOPES),
        kind=st.sampled_from(KINDS_OF_A_LIFE),
        wanted=st.dictionaries(st.sampled_from(SKUS), st.integers(1, 3), min_size=1, max_size=2),
        price=st.sampled_from(("7.31", "0.01")),
        extra=st.sampled_from(EXTRAS),
    )
    def place(self, scope, kind, wanted, price, extra):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - drawn
        """Order something new."""
        if len(self.world.acknowledged) < 4:
            request = self.world.new_request(kind, wanted, price=price, extra=extra)
            self.world.place(scope, request)

    @rule(which=WHICH, seed=WHICH)
    def ask(self, which: int, seed: int) -> None:
        """Ask something of an order."""
        self._ask(which, seed)

    @rule(which=WHICH, seed=WHICH)
    def ask_and_do(self, which: int, seed: int) -> None:
        """Ask something of an order that is done at once."""
        self._ask(which, seed)
        self.world.oms.run_until_idle()

    @rule(seed=WHICH)
    def repeat(self, seed: int) -> None:
        """Ask the same again, under the same key."""
        self.merchant.chance.seed(seed)
        self.merchant.repeat()

    @rule(seed=WHICH)
    def reuse_key(self, seed: int) -> None:
        """Ask something else under a used key."""
        self.merchant.chance.seed(seed)
        self.merchant.reuse_key()

    @rule(which=WHICH, seed=WHICH)
    def notify(self, which: int, seed: int) -> None:
        """Let notifications come, twice, shuffled, and some not at all."""
        asked = list(self.world.acknowledged.values())
        if asked:
            self.world.provider_notifies(asked[which % len(asked)], random.Random(seed))

    @rule()
    def apply_notifications(self) -> None:
        """Tell orders what was notified."""
        self.world.apply_notifications()

    # -- workers -------------------------------------------------------------------------

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        """Start a worker."""
        self.world.claim(limit)

    @rule(which=WHICH, calls=st.integers(1, 8), fate=st.sampled_from(Fate))
    def work(self, which: int, calls: int, fate: Fate) -> None:
        """Let a worker run on; its last call meets its fate."""
        live = self.world.live_puppets()
        for left in reversed(range(calls)):
            if live and not live[which % len(live)].is_over:
                live[which % len(live)].go_on(Fate.GOES_WELL if left else fate)

    @rule(which=WHICH)
    def kill(self, which: int) -> None:
        """Kill a worker where it hangs."""
        if live := self.world.live_puppets():
            live[which % len(live)].kill()

    @rule()
    def operator_retries(self) -> None:
        """Retry what is stuck."""
        self.world.operator_retries()

    @rule(seconds=st.sampled_from(SPANS_S))
    def pass_time(self, seconds: float) -> None:
        """Let time pass: leases run out, holds lapse, refunds settle."""
        self.world.clock.advance(seconds)

    @invariant()
    def everything_holds(self) -> None:
        """I1-I5, I7, I8, I11, I14 at this moment."""
        if hasattr(self, "world"):
            self.watch.check()

    def teardown(self) -> None:
        """I6: when faults cease, everything comes to rest."""
        if hasattr(self, "world"):
            self.world.quiesce()
            self.watch.check_at_rest()

    def _ask(self, which: int, seed: int) -> None:
        self.merchant.chance.seed(seed)
        if orders := self.world.orders():
            self.merchant.ask_something(orders[which % len(orders)])


TestWholeLifeMachine = WholeLifeMachine.TestCase
TestWholeLifeMachine.settings = settings(max_examples=max(1, settings().max_examples // 3))


# -- the same on other stores ------------------------------------------------------------------


def test_whole_lives_on_sqlite_keep_every_invariant(tmp_path: Path) -> None:
    lives = []

    for seed in range(SHARED_LIVES):
        with closing(SqliteDatabase(tmp_path / f"{seed}.db")) as database:

            def stores(clock: Clock, database: SqliteDatabase = database) -> Stores:
                return SqliteStorage(database, clock), SqliteInventory(database, clock)

            lives.append(WholeLife(seed, stores=stores))
            lives[-1].live(deeds=SHARED_DEEDS)

    assert sum(len(life.merchant.said) for life in lives) > len(lives)
    assert any(life.watch.moves for life in lives)


def test_whole_lives_on_mongodb_keep_every_invariant() -> None:
    lives = []

    for seed in range(SHARED_LIVES // 2):
        with closing(mongo_server.emptied_database()) as database:

            def stores(clock: Clock, database: MongoDatabase = database) -> Stores:
                return MongoStorage(database, clock), MongoInventory(database, clock)

            lives.append(WholeLife(seed, stores=stores))
            lives[-1].live(deeds=SHARED_DEEDS)

    assert sum(len(life.merchant.said) for life in lives) > len(lives)
    assert any(life.watch.moves for life in lives)
