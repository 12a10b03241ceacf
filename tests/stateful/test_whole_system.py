"""The whole system under a simulated clock: crashes, lost answers, zombies, and I1-I14."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oms_core import Allocation, AllocationModel, PlaceOrder
from tests.stateful.simulation.invariants import Invariants
from tests.stateful.simulation.puppet import Fate
from tests.stateful.simulation.world import KINDS, LEASE_S, SCOPES, SKUS, World

if TYPE_CHECKING:
    from oms_core import Scope

WANTED = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 4), min_size=1, max_size=3)
WHICH = st.integers(0, 1_000)
SCOPE = st.sampled_from(SCOPES)
PRICE = st.sampled_from(("0", "7.31", "19.99"))
ORDER_RATE = 0.2
TROUBLE_RATE = 0.4
TROUBLES = (Fate.FAILS, Fate.IS_REPEATED)
LIVES = int(os.environ.get("OMS_TEST_LIVES", "60"))
"""How many random lives to try: 60 by default, thousands before a release."""


class WholeSystem(RuleBasedStateMachine):
    """Anything may happen at any moment; the invariants hold at every moment."""

    allocation = Allocation()

    @initialize(stock=st.lists(st.integers(0, 12), min_size=6, max_size=6))
    def begin(self, stock: list[int]) -> None:
        """Open the shop."""
        self.world = World(self.allocation)
        self.watch = Invariants(self.world)
        goods = [(scope, sku) for scope in SCOPES for sku in SKUS]
        for (scope, sku), quantity in zip(goods, stock, strict=True):
            if quantity:
                self.world.receive_stock(scope, sku, quantity)

    # -- clients -------------------------------------------------------------------------

    @rule(
        scope=SCOPE,
        kind=st.sampled_from(KINDS),
        wanted=WANTED,
        price=PRICE,
    )
    def place(self, scope: Scope, kind: str, wanted: dict[str, int], price: str) -> None:
        """Order something new."""
        assert self.world.place(scope, self.world.new_request(kind, wanted, price=price))

    @rule(which=WHICH)
    def repeat(self, which: int) -> None:
        """Send an acknowledged request again."""
        if asked := self._asked(which):
            assert self.world.place(asked.scope, asked.request)

    @rule(which=WHICH)
    def reuse_key(self, which: int) -> None:
        """Send something else under a used key."""
        if asked := self._asked(which):
            other = evolve(asked.request, channel=asked.request.channel + "x")
            assert self.world.place(asked.scope, other) is None

    @rule(which=WHICH, scope=SCOPE)
    def reuse_reference(self, which: int, scope: Scope) -> None:
        """Order with the payment of another order."""
        if asked := self._asked(which):
            request = self.world.new_request("other", {SKUS[0]: 1}, price="7.31")
            reused = evolve(request, payment_reference=asked.request.payment_reference)
            self.world.place(scope, reused)

    @rule(which=WHICH)
    def customer_acts(self, which: int) -> None:
        """Complete a payment that waits for its customer."""
        if asked := self._asked(which):
            self.world.customer_acts(asked)

    @rule(scope=SCOPE, sku=st.sampled_from(SKUS), quantity=st.integers(1, 5))
    def receive(self, scope: Scope, sku: str, quantity: int) -> None:
        """Book goods in."""
        self.world.receive_stock(scope, sku, quantity)

    # -- workers -------------------------------------------------------------------------

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        """Start a worker."""
        self.world.claim(limit)

    @rule(which=WHICH, calls=st.integers(1, 12), fate=st.sampled_from(Fate))
    def work(self, which: int, calls: int, fate: Fate) -> None:
        """Let a worker run on; its last call meets its fate."""
        for left in reversed(range(calls)):
            puppet = self._puppet(which)
            if puppet is None or puppet.is_over:
                return
            puppet.go_on(Fate.GOES_WELL if left else fate)

    @rule(which=WHICH)
    def work_to_the_end(self, which: int) -> None:
        """Let a worker finish."""
        if puppet := self._puppet(which):
            puppet.finish()

    @rule(which=WHICH)
    def kill(self, which: int) -> None:
        """Kill a worker where it hangs."""
        if puppet := self._puppet(which):
            puppet.kill()

    @rule(dies=st.booleans())
    def publish(self, dies: bool) -> None:  # noqa: FBT001 - drawn
        """Take events out."""
        self.world.publish(dies_before_mark=dies)

    @rule()
    def operator_retries(self) -> None:
        """Retry what is stuck."""
        self.world.operator_retries()

    # -- time ----------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.1, 1.0, 4.0, LEASE_S + 1, 400.0)))
    def pass_time(self, seconds: float) -> None:
        """Let time pass: leases run out, and whoever hangs becomes a zombie."""
        self.world.clock.advance(seconds)

    @invariant()
    def everything_holds(self) -> None:
        """I1-I5, I7, I8, I11, I14 at this moment."""
        if hasattr(self, "world"):
            self.watch.check()

    def teardown(self) -> None:
        """I6: when faults cease, everything comes to its end."""
        if hasattr(self, "world"):
            self.world.quiesce()
            self.watch.check_at_rest()

    def _asked(self, which: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        asked = list(self.world.acknowledged.values())
        return asked[which % len(asked)] if asked else None

    def _puppet(self, which: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        live = self.world.live_puppets()
        return live[which % len(live)] if live else None


class WholeSystemSoft(WholeSystem):
    """The same with earmarks that lapse."""

    allocation = Allocation(AllocationModel.SOFT, ttl_s=20.0)


TestWholeSystem = WholeSystem.TestCase
TestWholeSystemSoft = WholeSystemSoft.TestCase


class Life:
    """One random life of the system, wholly decided by its seed."""

    def __init__(self, seed: int, *, orders: int = 20) -> None:
        """Open the shop."""
        self.chance = random.Random(seed)
        self.world = World()
        self.watch = Invariants(self.world)
        self.orders = orders
        self.requests: list[tuple[Scope, PlaceOrder]] = []
        for scope in SCOPES:
            for sku in SKUS:
                self.world.receive_stock(scope, sku, self.chance.randint(5, 40))

    def live(self, deeds: int = 220) -> list[str]:
        """Do random deeds, come to rest, and return the trace of all that happened."""
        likely = ((12, self.claim), (60, self.work), (6, self.kill), (12, self.pass_time))
        rare = ((4, self.repeat), (3, self.publish), (3, self.customer_acts))
        choices = [*likely, *rare]
        weights = [weight for weight, _ in choices]
        for _ in range(deeds):
            if len(self.requests) < self.orders and self.chance.random() < ORDER_RATE:
                self.place()
            [(_, deed)] = self.chance.choices(choices, weights)
            deed()
            self.watch.check()
        self.world.quiesce()
        self.watch.check_at_rest()
        ends = [f"{o.id} {o.status} v{o.version}" for o in self.world.orders()]
        return [*self.world.calls, *ends]

    def place(self) -> None:
        """Order something new."""
        wanted = {sku: self.chance.randint(1, 3) for sku in self.chance.sample(SKUS, 2)}
        request = self.world.new_request(self.chance.choice(KINDS), wanted, price="7.31")
        self.requests.append((self.chance.choice(SCOPES), request))
        self.world.place(*self.requests[-1])

    def claim(self) -> None:
        """Start a worker."""
        self.world.claim(self.chance.randint(1, 3))

    def work(self) -> None:
        """Let a worker run on, perhaps into trouble."""
        live = self.world.live_puppets()
        if not live:
            return
        puppet = self.chance.choice(live)
        for _ in range(self.chance.randint(1, 10)):
            if not puppet.is_over:
                puppet.go_on()
        if not puppet.is_over and self.chance.random() < TROUBLE_RATE:
            puppet.go_on(self.chance.choice(list(Fate)))

    def kill(self) -> None:
        """Kill a worker where it hangs."""
        if live := self.world.live_puppets():
            self.chance.choice(live).kill()

    def pass_time(self) -> None:
        """Let time pass, perhaps longer than a lease."""
        self.world.clock.advance(self.chance.choice((0.2, 2.0, 5.0, LEASE_S + 1)))

    def repeat(self) -> None:
        """Send a request again."""
        if self.requests:
            self.world.place(*self.chance.choice(self.requests))

    def publish(self) -> None:
        """Take events out."""
        self.world.publish(dies_before_mark=self.chance.random() < 0.5)

    def customer_acts(self) -> None:
        """Let a customer complete a payment."""
        if self.world.acknowledged:
            self.world.customer_acts(self.chance.choice(list(self.world.acknowledged.values())))


@pytest.mark.parametrize("first", range(0, LIVES, 10))
def test_random_lives_keep_every_invariant(first: int) -> None:
    faults: Counter[str] = Counter()

    for seed in range(first, first + 10):
        trace = Life(seed).live()
        faults.update(call for call in trace if call.endswith(TROUBLES))

    assert faults.total() > 10 * len(TROUBLES), "lives without trouble prove nothing"


def test_the_same_seed_gives_the_same_life() -> None:
    """I13."""
    lives = [Life(seed).live() for seed in (7, 8)]

    assert lives == [Life(seed).live() for seed in (7, 8)]
    assert lives[0] != lives[1]
