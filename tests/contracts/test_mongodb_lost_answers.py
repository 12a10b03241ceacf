"""Whatever gets lost on the wire, before or after its effect, nothing happens twice."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product

from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_core.domain.inventory import (
    Allocation,
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    Reserved,
    StockItem,
    StockMovement,
)
from oms_core.errors import InventoryUnavailable, StoreUnavailable, StoreUnusable
from oms_core.testing import NOON, a_scope
from tests.support import mongo_server
from tests.support.lossy_wire import Loses, LossyWire, patiently, side_by_side, with_patience
from tests.support.mongo_lives import (
    Facts,
    a_life_of_money,
    a_life_of_notifications,
    a_life_of_orders,
    a_life_of_stock,
    make_collections,
)

LOSSES = [(Loses.REQUESTS, 1), (Loses.ANSWERS, 1), (Loses.ANSWERS, 2)]
"""Once: the driver repeats it itself, if it may. Twice: that is for us."""


@contextmanager
def a_database(
    loses: Loses, times: int = 1, patience_ms: int | None = None
) -> Iterator[tuple[MongoDatabase, LossyWire]]:
    """Open an empty database over a wire that behaves while the collections are made."""
    with mongo_server.new_database() as whole:
        make_collections(whole)
        with (
            LossyWire(mongo_server.uri(), loses, times=times, patience_ms=patience_ms) as wire,
            MongoDatabase(wire.uri, whole.name) as database,
        ):
            yield database, wire


LIVES: dict[Callable[[MongoDatabase], Facts], set[str]] = {
    a_life_of_orders: {"insert", "update", "find", "aggregate"},
    a_life_of_stock: {"insert", "update", "find", "commitTransaction"},
    a_life_of_money: {"find", "insert", "update"},
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
        life, (loses, times) = case

        def over_a_wire(patience_ms: int) -> tuple[Facts, set[str]]:
            with a_database(loses, times, patience_ms) as (database, wire):
                return life(database), set(wire.lost)

        return with_patience(over_a_wire)

    cases = list(product(LIVES, LOSSES))
    lives = side_by_side(live, cases)

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
        patiently(partial(inventory.adjust, a_scope(), entry))
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
    for call in OUTCOMES:
        with mongo_server.new_database() as whole:
            _, answers = act_and_die(call, whole, None)
        # The first answers belong to opening the database; those of the call come last.
        moments += [(call, answers + 1 - before_the_end) for before_the_end in range(8)]

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

    outcomes = dict(zip(moments, side_by_side(die_after, moments), strict=True))

    for moment, (_, *left) in outcomes.items():
        told, level, entries = OUTCOMES[moment[0]]
        assert left == [told, {level}, entries], moment
    # How many answers it takes to open a database varies with the load, by one or two.
    deaths = Counter(call for (call, _), (died, *_) in outcomes.items() if died)
    assert deaths.keys() == OUTCOMES.keys()
    assert min(deaths.values()) >= 5
