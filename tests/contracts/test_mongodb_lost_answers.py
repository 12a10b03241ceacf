"""Whatever gets lost on the wire, before or after its effect, nothing happens twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product

from attrs import evolve

from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    Reserved,
    StockItem,
    StockMovement,
)
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import SagaState
from oms_core.errors import InventoryUnavailable, StoreUnavailable, StoreUnusable
from oms_core.ports.inbox import InboxState
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.ports.storage import Added, OrderQuery
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order, with_status
from oms_core.testing.at_once import at_once
from tests.support import mongo_server
from tests.support.lossy_wire import Loses, LossyWire

ARMCHAIR = StockItem("CRUNCHY-ARMCHAIR")
LAMP = StockItem("WOBBLY-LAMP", "north")
SOFT = Allocation(AllocationModel.SOFT, ttl_s=60)

LOSSES = [(Loses.REQUESTS, 1), (Loses.ANSWERS, 1), (Loses.ANSWERS, 2)]
"""Once: the driver repeats it itself, if it may. Twice: that is for us."""

Facts = list[object]


@contextmanager
def a_database(loses: Loses, times: int = 1) -> Iterator[tuple[MongoDatabase, LossyWire]]:
    """Open an empty database over a wire that behaves while the collections are made."""
    with mongo_server.new_database() as whole:
        MongoStorage(whole)
        MongoInventory(whole)
        MongoInbox(whole)
        with (
            LossyWire(mongo_server.uri(), loses, times=times) as wire,
            MongoDatabase(wire.uri, whole.name) as database,
        ):
            yield database, wire


def a_life_of_orders(database: MongoDatabase) -> Facts:
    """Use every method of the storage; return every answer."""
    clock, scope = SimulatedClock(), a_scope()
    store = MongoStorage(database, clock)
    added = store.add(an_order("first"), holder="worker-a", lease_s=30)
    assert isinstance(added, Added)
    assert added.claim is not None
    facts: Facts = [added]
    moved = with_status(added.order, OrderStatus.PAYMENT_AUTHORIZED)
    first = store.checkpoint(moved, added.claim.lease, extend_s=30)
    facts.append(first)
    facts.append(store.save(evolve(first.order, platform="pos")))
    second = store.checkpoint(store.get(scope, first.order.id), first.lease, extend_s=None)
    facts.append(second)
    claim = store.claim(scope, first.order.id, "worker-b", lease_s=30)
    assert claim is not None
    facts.append(claim)
    store.release(claim.lease)
    facts.append(store.add(an_order("second")))
    facts.append(store.add(an_order("second")))
    facts.append(store.earliest_due())
    due = store.claim_due("worker-c", limit=5, lease_s=30, definitions=["place_order/1"])
    facts.append(sorted(due, key=lambda each: each.order.id))
    news = store.claim_unpublished("relay", limit=5, lease_s=30)
    facts.append(sorted(news, key=lambda each: each.order.id))
    store.mark_published(news)
    facts.append(store.claim_unpublished("relay", limit=5, lease_s=30))
    clock.advance(60)
    again = store.claim_due("worker-d", limit=5, lease_s=30, definitions=["place_order/1"])
    facts.append(sorted(again, key=lambda each: each.order.id))
    facts.append(store.list_orders(scope, OrderQuery()))
    facts.append(store.list_sagas([SagaState.RUNNING]))
    facts.append(store.count_sagas())
    store.ping()
    return facts


def a_life_of_stock(database: MongoDatabase) -> Facts:
    """Use every method of the inventory; return every answer."""
    clock, scope = SimulatedClock(), a_scope()
    stock = MongoInventory(database, clock)
    delivery = StockMovement("m-1", ARMCHAIR, 10, "delivery", NOON, "pat")
    both = [Demand(ARMCHAIR, 3), Demand(LAMP, 2)]
    facts: Facts = [
        stock.adjust(scope, delivery),
        stock.adjust(scope, StockMovement("m-2", LAMP, 5, "delivery", NOON, "pat")),
        stock.adjust(scope, delivery),
        stock.reserve(scope, "sold", both, allocation=Allocation()),
        stock.reserve(scope, "too-much", [*both, Demand(LAMP, 9)], allocation=Allocation()),
        stock.reserve(scope, "soft", both, allocation=SOFT),
        stock.reserve(scope, "lapsing", [Demand(ARMCHAIR, 1)], allocation=SOFT),
        stock.harden(scope, "soft"),
        stock.commit(scope, "sold", actor="worker"),
        stock.release(scope, "soft"),
        stock.release(scope, "never-reserved"),
    ]
    clock.advance(60)
    facts.append(stock.levels(scope))
    facts.append(stock.reserve(scope, "lapsing", [Demand(ARMCHAIR, 1)], allocation=Allocation()))
    facts += [stock.movements(scope, item) for item in (ARMCHAIR, LAMP)]
    facts.append(stock.levels(scope, items=[ARMCHAIR, LAMP]))
    return facts


def a_life_of_notifications(database: MongoDatabase) -> Facts:
    """Use every method of the inbox; return every answer."""
    clock, ref = SimulatedClock(), PaymentRef(a_scope().tenant_id, "pay-1")
    inbox = MongoInbox(database, clock)
    one, two, three, four = (ProviderEvent(f"evt-{n}", ref, "paid") for n in range(4))
    facts: Facts = [
        inbox.store("pay", [one], at=NOON),
        inbox.store("pay", [one], at=NOON),
        inbox.store("pay", [two, three], at=NOON),
        inbox.store("pay", [three, one, four], at=NOON),
        inbox.store("pay", [four, two], at=NOON),
        inbox.count_new(),
    ]
    claimed = inbox.claim_new("worker-a", limit=2, lease_s=30)
    facts.append(claimed)
    inbox.mark(claimed, InboxState.APPLIED)
    facts.append(inbox.claim_new("worker-b", limit=5, lease_s=30))
    inbox.mark(claimed[:1], InboxState.NEW)
    facts.append(inbox.claim_new("worker-c", limit=5, lease_s=30))
    facts.append(inbox.of_payment("pay", ref))
    facts.append(inbox.list_events(list(InboxState)))
    facts.append(inbox.find_events(ref.tenant_id, "evt-3"))
    return facts


LIVES: dict[Callable[[MongoDatabase], Facts], set[str]] = {
    a_life_of_orders: {"insert", "update", "find", "aggregate"},
    a_life_of_stock: {"insert", "update", "find", "commitTransaction"},
    a_life_of_notifications: {"insert", "update", "find", "aggregate", "commitTransaction"},
}
"""Each life, and the kinds of commands that get lost in it."""


def test_a_wire_that_loses_each_command_once_or_twice_changes_no_answer() -> None:
    expected = {}
    for life in LIVES:
        with a_database(Loses.NOTHING) as (database, _):
            expected[life] = life(database)

    def live(
        case: tuple[Callable[[MongoDatabase], Facts], tuple[Loses, int]],
    ) -> tuple[Facts, set[str]]:
        life, loss = case
        with a_database(*loss) as (database, wire):
            return life(database), set(wire.lost)

    cases = list(product(LIVES, LOSSES))
    lives = at_once(live, cases)

    for (life, _), (facts, lost) in zip(cases, lives, strict=True):
        assert facts == expected[life]
        assert lost >= LIVES[life]


STOCKED = 10
DYING = (InventoryUnavailable, StoreUnavailable, StoreUnusable)
"""What the dying process is told: on the way, or while it opens the database."""


def stocked(database: MongoDatabase, items: int) -> list[Demand]:
    """Put ten pieces of so many items into stock; return the demand for one of each."""
    inventory = MongoInventory(database)
    demands = [Demand(StockItem(f"SKU-{number}"), 1) for number in range(items)]
    for number, demand in enumerate(demands):
        entry = StockMovement(f"m-{number}", demand.item, STOCKED, "delivery", NOON, "pat")
        inventory.adjust(a_scope(), entry)
    return demands


def act(call: str, inventory: MongoInventory, demands: list[Demand]) -> object:
    match call:
        case "reserve":
            return inventory.reserve(a_scope(), "r", demands, allocation=Allocation())
        case "commit":
            return inventory.commit(a_scope(), "r", actor="worker")
        case _:
            return inventory.release(a_scope(), "r")


def act_and_die(call: str, whole: MongoDatabase, cut_after: int | None) -> tuple[bool, int]:
    """Act over a wire that ends after so many answers; tell whether it did, and of how many."""
    demands = stocked(whole, 5)
    if call != "reserve":
        act("reserve", MongoInventory(whole), demands)
    with LossyWire(mongo_server.uri(), cut_after=cut_after) as wire:
        uri = wire.uri + "&serverSelectionTimeoutMS=2000"
        with suppress(*DYING), MongoDatabase(uri, whole.name) as mine:
            act(call, MongoInventory(mine), demands)
        return wire.is_cut, wire.answered


OUTCOMES = {
    "reserve": (Reserved(), (STOCKED, 1), 1),
    "commit": (AlreadyCommitted(), (STOCKED - 1, 0), 2),
    "release": (AlreadyReleased(), (STOCKED, 0), 1),
}
"""What each call answers, the level of each item after it, and the entries in its ledger."""


def test_a_process_that_dies_between_any_two_commands_leaves_nothing_half_done() -> None:
    """Cut off after each command in turn; then another process makes the same call."""
    moments: list[tuple[str, int]] = []
    lived = []
    for call in OUTCOMES:
        with mongo_server.new_database() as whole:
            _, answers = act_and_die(call, whole, None)
        # The first answers belong to opening the database; those of the call come last.
        moments += [(call, answers + 1 - before_the_end) for before_the_end in range(8)]
        lived.append((call, answers + 1))

    def die_after(moment: tuple[str, int]) -> tuple[bool, object, set[tuple[int, int]], int]:
        """Return whether it died on the way, what the other was told, and what is left."""
        call, command = moment
        with mongo_server.new_database() as whole:
            died, _ = act_and_die(call, whole, command)
            heir = MongoInventory(whole)
            half = {(level.on_hand, level.reserved) for level in heir.levels(a_scope()).levels}
            assert len(half) == 1, f"{call} cut after {command}: {half}"
            demands = [Demand(level.item, 1) for level in heir.levels(a_scope()).levels]
            told = patiently(lambda: act(call, heir, demands))
            left = {(level.on_hand, level.reserved) for level in heir.levels(a_scope()).levels}
            return died, told, left, len(heir.movements(a_scope(), demands[0].item))

    outcomes = dict(zip(moments, at_once(die_after, moments), strict=True))

    for moment, outcome in outcomes.items():
        told, level, entries = OUTCOMES[moment[0]]
        assert outcome == (moment not in lived, told, {level}, entries), moment


EVENTS = [
    ProviderEvent(f"evt-{number}", PaymentRef(a_scope().tenant_id, "pay-1"), "paid")
    for number in range(3)
]


def notify_and_die(whole: MongoDatabase, cut_after: int | None) -> tuple[bool, int]:
    """Store a notification over a wire that ends; tell whether it did, after how many answers."""
    MongoInbox(whole)
    with LossyWire(mongo_server.uri(), cut_after=cut_after) as wire:
        uri = wire.uri + "&serverSelectionTimeoutMS=2000"
        with suppress(*DYING), MongoDatabase(uri, whole.name) as mine:
            MongoInbox(mine).store("pay", EVENTS, at=NOON)
        return wire.is_cut, wire.answered


def test_of_a_notification_all_events_are_stored_or_none_wherever_the_process_dies() -> None:
    with mongo_server.new_database() as whole:
        _, answers = notify_and_die(whole, None)

    def die_after(answered: int) -> tuple[bool, int, int, int]:
        """Return whether it died on the way, what is left, and what a repeat makes of it."""
        with mongo_server.new_database() as whole:
            died, _ = notify_and_die(whole, answered)
            heir = MongoInbox(whole)
            left = heir.count_new()
            new = patiently(lambda: heir.store("pay", EVENTS, at=NOON))
            assert isinstance(new, int)
            return died, left, new, heir.count_new()

    # The first answers belong to opening the database; those of the call come last.
    outcomes = at_once(die_after, range(answers - 2, answers + 1))

    for died, left, new, stored in outcomes:
        assert died
        assert (left, new) in {(0, 3), (3, 0)}
        assert stored == 3


def patiently(call: Callable[[], object]) -> object:
    """Repeat a call whose outcome is unknown, as the saga does."""
    for _ in range(10):
        try:
            return call()
        except (InventoryUnavailable, StoreUnavailable):
            continue
    raise AssertionError("the store stayed unavailable")
