"""One random life of a few orders, from their placing to their end, decided by its seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from oms_core import Allocation, AllocationModel
from oms_core.application.payment_policy import CapturePolicy, PaymentPolicy
from oms_core.ports.payments import Capabilities
from tests.stateful.simulation.invariants import Invariants
from tests.stateful.simulation.merchant import Merchant
from tests.stateful.simulation.puppet import Fate
from tests.stateful.simulation.world import LEASE_S, PLAIN, SCOPES, SKUS, World, in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_core.ports.clock import Clock
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.storage import OrderStorage

KINDS_OF_A_LIFE: Final = (
    *[PLAIN] * 6,
    *["sim_asynchronous", "sim_short_hold", "sim_refund_pending", "sim_refund_fails_later"] * 2,
    "sim_refund_rejected",
    "sim_refund_answer_lost_once",
    "sim_capture_answer_lost_once",
    "sim_void_answer_lost_once",
    "sim_void_fails_thrice",
    "sim_captured",
    "sim_requires_action_completes",
    "sim_pending",
    "sim_late_success",
    "sim_rate_limited",
    "sim_outage_after_hold",
    "sim_declined",
    "sim_wrong_amount",
)
ALLOCATIONS: Final = (
    *[Allocation()] * 3,
    Allocation(AllocationModel.SOFT, ttl_s=4.0),
)
STOCKS: Final = (30, 30, 3)
PRICES: Final = ("7.31", "7.31", "19.99", "0.01", "0")
EXTRAS: Final = (None, "4.99", "0.02", "-0.01")
TROUBLE_RATES: Final = (0.2, 0.5, 0.8)
SPANS_S: Final = (0.2, 2.0, 6.0, 12.0, LEASE_S + 1, 70.0, 320.0)


class WholeLife:
    """Orders placed, paid, shipped, sent back and refunded in parts, with trouble at will."""

    def __init__(
        self,
        seed: int,
        *,
        orders: int = 4,
        kinds: tuple[str, ...] = KINDS_OF_A_LIFE,
        stores: Callable[[Clock], tuple[OrderStorage, Inventory]] = in_memory,
    ) -> None:
        """Open the shop; seed decides its rules, too."""
        self.chance = random.Random(seed)
        self.kinds = kinds
        self.trouble_rate = self.chance.choice(TROUBLE_RATES)
        self.seldom = self.chance.choice((1, 1, 4))
        """How much rarer than usual people and providers say something."""
        self.world = World(
            policy=PaymentPolicy(self.chance.choice(list(CapturePolicy))),
            capabilities=Capabilities(
                can_reauthorize=self.chance.random() < 0.7,
                captures_in_parts=self.chance.random() < 0.7,
            ),
            allocation=self.chance.choice(ALLOCATIONS),
            complete_after_s=self.chance.choice((None, None, 100.0)),
            stores=stores,
        )
        self.watch = Invariants(self.world)
        self.merchant = Merchant(self.world, self.chance)
        self.orders = orders
        pieces = self.chance.choice(STOCKS)
        for scope in SCOPES:
            for sku in SKUS:
                self.world.receive_stock(scope, sku, pieces)

    def live(self, deeds: int = 220) -> list[str]:
        """Do random deeds, come to rest, and return the trace of all that happened."""
        likely = ((30, self.ask), (30, self.claim), (70, self.work), (1, self.run_well))
        rare = (
            (14, self.pass_time),
            (16 // self.seldom, self.notify_at_once),
            (3, self.kill),
            (3, self.repeat),
            (2, self.reuse_key),
            (4, self.notify),
            (4, self.world.apply_notifications),
            (2, self.publish),
            (2, self.world.operator_retries),
        )
        choices = [*likely, *rare]
        weights = [weight for weight, _ in choices]
        placed = 0
        for _ in range(deeds):
            if placed < self.orders and self.chance.random() < 0.1:
                self.place()
                placed += 1
            [(_, deed)] = self.chance.choices(choices, weights)
            deed()
            self.watch.check()
        self.world.quiesce()
        self.watch.check_at_rest()
        ends = [f"{o.id} {o.status} v{o.version}" for o in self.world.orders()]
        return [*self.world.calls, *ends]

    def live_calmly(self, deeds: int = 80) -> None:
        """Let one thing be asked after the other, each done at once and without trouble."""
        for _ in range(deeds):
            if len(self.world.acknowledged) < self.orders:
                self.place()
            self.ask()
            if self.chance.random() < 0.1:
                self.pass_time()
            if self.chance.random() < 0.7:
                self.run_well()
        self.world.quiesce()
        self.watch.check_at_rest()

    def place(self) -> None:
        """Order something new."""
        wanted = {sku: self.chance.randint(1, 3) for sku in self.chance.sample(SKUS, 2)}
        price = self.chance.choice(PRICES)
        extra = self.chance.choice(EXTRAS)
        if price == "0" and (extra or "").startswith("-"):
            extra = None
        request = self.world.new_request(
            self.chance.choice(self.kinds), wanted, price=price, extra=extra
        )
        self.world.place(self.chance.choice(SCOPES), request)

    def ask(self) -> None:
        """Ask something of an order."""
        if orders := self.world.orders():
            self.merchant.ask_something(self.chance.choice(orders))

    def repeat(self) -> None:
        """Ask the same again, under the same key."""
        self.merchant.repeat()

    def reuse_key(self) -> None:
        """Ask something else under a key that was used."""
        self.merchant.reuse_key()

    def notify(self) -> None:
        """Let the provider notify of what happened to a payment, in any order."""
        if self.world.acknowledged:
            asked = self.chance.choice(list(self.world.acknowledged.values()))
            self.world.provider_notifies(asked, self.chance)

    def notify_at_once(self) -> None:
        """Let a provider's notification be applied as soon as it comes."""
        self.notify()
        self.world.apply_notifications()

    def claim(self) -> None:
        """Start a worker."""
        self.world.claim(self.chance.randint(1, 2))

    def run_well(self) -> None:
        """Let everything that is due be done without trouble."""
        self.world.oms.run_until_idle()

    def work(self) -> None:
        """Let a worker run on, perhaps into trouble."""
        live = self.world.live_puppets()
        if not live:
            return
        puppet = self.chance.choice(live)
        for _ in range(self.chance.randint(1, 8)):
            if not puppet.is_over:
                puppet.go_on()
        if not puppet.is_over and self.chance.random() < self.trouble_rate:
            puppet.go_on(self.chance.choice(list(Fate)))

    def kill(self) -> None:
        """Kill a worker where it hangs."""
        if live := self.world.live_puppets():
            self.chance.choice(live).kill()

    def pass_time(self) -> None:
        """Let time pass, perhaps longer than a lease or a hold."""
        self.world.clock.advance(self.chance.choice(SPANS_S))

    def publish(self) -> None:
        """Take events out."""
        self.world.publish(dies_before_mark=self.chance.random() < 0.5)
