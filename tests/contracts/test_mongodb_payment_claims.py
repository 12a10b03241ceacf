"""Payment references kept apart by claims: whatever gets lost or dies, one live order has each."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from typing import Any

import pytest

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.mongodb.payment_claims import keep_by_claims
from oms_core.domain.order import Order
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import (
    PaymentReferenceInUse,
    StaleVersion,
    StorageTrouble,
    StoreUnusable,
)
from oms_core.ports.storage import Added, AlreadyThere, Lease, OrderQuery
from oms_core.testing import an_order, with_status
from oms_core.testing.at_once import at_once
from oms_core.testing.refusal import refusal
from tests.support import mongo_server
from tests.support.lossy_wire import Loses, LossyWire, patiently, side_by_side, with_patience

LOSSES = [(Loses.REQUESTS, 1), (Loses.ANSWERS, 2)]
"""Once: the driver repeats it itself, if it may. Twice: that is for us."""


def an_order_paid_by(reference: str, key: str) -> Order:
    return an_order(key, payment_reference=reference)


@pytest.fixture(scope="module")
def database() -> Iterator[MongoDatabase]:
    """One for all tests of this module: each has references of its own."""
    with mongo_server.new_database() as database:
        keep_by_claims(database)
        yield database


@contextmanager
def over_a_wire(
    whole: MongoDatabase,
    loses: Loses = Loses.NOTHING,
    times: int = 1,
    patience_ms: int | None = None,
) -> Iterator[tuple[MongoStorage, LossyWire]]:
    with (
        LossyWire(mongo_server.uri(), loses, times=times, patience_ms=patience_ms) as wire,
        MongoDatabase(wire.uri, whole.name) as database,
    ):
        yield MongoStorage(database), wire


def told(store: MongoStorage, order: Order) -> str:
    try:
        return type(store.add(order)).__name__
    except PaymentReferenceInUse:
        return "PaymentReferenceInUse"


def a_life(store: MongoStorage, reference: str) -> list[str]:
    """Let a reference back one order after the other; return every answer."""
    first, second, third = (an_order_paid_by(reference, f"{reference}-{n}") for n in range(3))
    facts = [told(store, first), told(store, first), told(store, second)]
    store.save(with_status(store.get(first.scope, first.id), OrderStatus.FAILED))
    facts += [told(store, second), told(store, first), told(store, third)]
    store.save(with_status(store.get(first.scope, second.id), OrderStatus.CANCELLED))
    return [*facts, told(store, third), told(store, third), told(store, second)]


LIFE = [
    *("Added", "AlreadyThere", "PaymentReferenceInUse"),
    *("Added", "AlreadyThere", "PaymentReferenceInUse"),
    *("Added", "AlreadyThere", "AlreadyThere"),
]


def test_a_wire_that_loses_each_command_once_or_twice_changes_no_answer(
    database: MongoDatabase,
) -> None:
    def live(loss: tuple[Loses, int]) -> tuple[list[str], set[str]]:
        def once(patience_ms: int) -> tuple[list[str], set[str]]:
            with over_a_wire(database, *loss, patience_ms) as (store, wire):
                return a_life(store, f"lost-{loss}-{patience_ms}"), set(wire.lost)

        return with_patience(once)

    lives = side_by_side(live, LOSSES)

    for facts, lost in lives:
        assert facts == LIFE
        assert lost >= {"insert", "update", "find", "commitTransaction"}


FAULTS: list[dict[str, Any]] = [
    {"errorCode": 10107, "errorLabels": ["RetryableWriteError"]},
    {"errorCode": 11602},
    {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}},
]
KINDS = ["insert", "update", "find", "commitTransaction"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(f, k) for f, k in product(FAULTS, KINDS) if "errorCode" in f or k == "commitTransaction"],
)
def test_a_fault_of_the_server_that_passes_reaches_nobody(
    database: MongoDatabase, fault: dict[str, Any], kind: str
) -> None:
    store = MongoStorage(database)
    store.ping()
    admin = mongo_server.client().admin
    data = {"failCommands": [kind], "appName": "oms", **fault}
    admin.command("configureFailPoint", "failCommand", mode={"times": 2}, data=data)
    try:
        assert a_life(store, f"failing-{fault}-{kind}") == LIFE
    finally:
        admin.command("configureFailPoint", "failCommand", mode="off")


def test_a_process_that_dies_between_any_two_commands_leaves_no_claim_without_its_order(
    database: MongoDatabase,
) -> None:
    """Cut off after each command in turn; then the client repeats, and a rival tries."""
    healthy, there = MongoStorage(database), mongo_server.client()[database.name]

    def act_and_die(order: Order, cut_after: int | None) -> int:
        with LossyWire(mongo_server.uri(), cut_after=cut_after) as wire:
            uri = wire.uri + "&serverSelectionTimeoutMS=1000"
            with suppress(StorageTrouble), MongoDatabase(uri, database.name) as own:
                MongoStorage(own).add(order)
            return wire.answered

    def prepared(taken_over: bool, command: int) -> tuple[Order, Order]:  # noqa: FBT001 - of a pair
        reference = f"dying-{taken_over}-{command}"
        if taken_over:
            dead = an_order_paid_by(reference, f"{reference}-dead")
            stored = patiently(lambda: healthy.add(dead)).order
            patiently(lambda: healthy.save(with_status(stored, OrderStatus.FAILED)))
        return tuple(  # type: ignore[return-value]
            an_order_paid_by(reference, f"{reference}-{name}") for name in ("mine", "rival")
        )

    def die_after(moment: tuple[bool, int]) -> bool:
        mine, rival = prepared(*moment)
        act_and_die(mine, moment[1])
        has_order = bool(there.orders.count_documents({"id": mine.id}))
        assert has_order == bool(there.payment_claims.count_documents({"id": mine.id}))
        again = patiently(lambda: healthy.add(mine))
        assert isinstance(again, AlreadyThere if has_order else Added)
        assert patiently(lambda: told(healthy, rival)) == "PaymentReferenceInUse"
        assert there.payment_claims.count_documents({"id": mine.id}) == 1
        return has_order

    # The first answers belong to opening the database; those of the call come last.
    moments = []
    for taken_over, commands in ((False, 3), (True, 8)):
        answers = act_and_die(prepared(taken_over, 0)[0], None)
        moments += [(taken_over, answers - last) for last in range(commands + 1)]
    outcomes = side_by_side(die_after, moments)

    assert set(outcomes) == {False, True}


def test_of_many_that_want_a_dead_orders_reference_one_gets_it(database: MongoDatabase) -> None:
    store = MongoStorage(database)
    dead = store.add(an_order_paid_by("wanted", "dead"))
    store.save(with_status(dead.order, OrderStatus.FAILED))
    rivals = [an_order_paid_by("wanted", f"rival-{number}") for number in range(12)]

    answers = at_once(lambda rival: told(store, rival), rivals)

    assert sorted(answers) == ["Added"] + ["PaymentReferenceInUse"] * 11
    live = mongo_server.client()[database.name].orders.count_documents({"live_reference": "wanted"})
    assert live == 1


def test_a_dead_order_cannot_be_saved_alive_again(database: MongoDatabase) -> None:
    store = MongoStorage(database)
    added = store.add(an_order_paid_by("once", "once-1"))
    dead = store.save(with_status(added.order, OrderStatus.FAILED))
    store.add(an_order_paid_by("once", "once-2"))

    refusal(StaleVersion, lambda: store.save(with_status(dead, OrderStatus.CONFIRMED)))


def test_going_over_to_claims_keeps_what_is_live_and_needs_no_index_any_more() -> None:
    with mongo_server.new_database() as database:
        before = MongoStorage(database)
        live = before.add(an_order_paid_by("pay-live", "live")).order
        dead = before.add(an_order_paid_by("pay-dead", "dead")).order
        before.save(with_status(dead, OrderStatus.FAILED))
        there = mongo_server.client()[database.name]

        keep_by_claims(database)
        keep_by_claims(database)

        after = MongoStorage(database)
        assert "orders_by_live_reference" not in there.orders.index_information()
        assert there.payment_claims.distinct("id") == [live.id]
        assert told(after, an_order_paid_by("pay-live", "rival")) == "PaymentReferenceInUse"
        assert told(after, an_order_paid_by("pay-dead", "heir")) == "Added"
        assert after.save(with_status(live, OrderStatus.PAYMENT_AUTHORIZED)).version == 2


def test_a_process_that_started_before_cannot_store_an_order_without_a_claim() -> None:
    with mongo_server.new_database() as database:
        before = MongoStorage(database)
        old = before.add(an_order_paid_by("pay-1", "first")).order
        keep_by_claims(database)

        refusal(StoreUnusable, lambda: before.add(an_order_paid_by("pay-1", "second")))

        assert before.save(with_status(old, OrderStatus.FAILED)).version == 2


def test_orders_that_come_while_it_goes_over_are_turned_away_or_claimed() -> None:
    with mongo_server.new_database() as database:
        before, accepted, stop = MongoStorage(database), list[Order](), threading.Event()

        def accept(thread: int) -> None:
            for number in range(10_000):
                order = an_order_paid_by(f"pay-{thread}-{number}", f"key-{thread}-{number}")
                try:
                    before.add(order)
                except StoreUnusable:
                    return
                accepted.append(order)
                if stop.is_set():
                    return

        threads = [threading.Thread(target=accept, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while len(accepted) < 50:
            pass
        keep_by_claims(database)
        stop.set()
        for thread in threads:
            thread.join(30)

        claimed = set(mongo_server.client()[database.name].payment_claims.distinct("id"))
        assert claimed == {order.id for order in accepted}


# -- sharding --------------------------------------------------------------------------------

SHARD_KEYS = {"orders": ("tenant", "org", "id"), "payment_claims": ("_id",)}


def test_no_index_of_a_sharded_collection_is_unique_but_that_of_the_id(
    database: MongoDatabase,
) -> None:
    """MongoDB permits a unique index that begins with the shard key, and that of ``_id``.

    Which is unique on each shard alone: so it is made of the shard key, and equal ones meet.
    """
    order = an_order()
    key = b"".join(part.bytes for part in (order.scope.tenant_id, order.scope.org_id, order.id))
    there = mongo_server.client()[database.name]

    MongoStorage(database).add(order)

    assert bytes(there.orders.find_one({"id": order.id})["_id"]) == key  # type: ignore[index]
    assert {name for name in there.list_collection_names() if name in SHARD_KEYS} == set(SHARD_KEYS)
    for name in SHARD_KEYS:
        indexes = there[name].index_information().values()
        assert not [index for index in indexes if index.get("unique")]


Call = Callable[[MongoStorage, Order], object]


def lease_of(store: MongoStorage, order: Order) -> Lease:
    claim = store.claim(order.scope, order.id, "worker", lease_s=30)
    assert claim is not None
    return claim.lease


ON_ONE_SHARD: dict[str, Call] = {
    "accept": lambda store, _: store.add(an_order("another")),
    "accept again": lambda store, order: store.add(order),
    "refuse": lambda store, order: told(
        store, an_order_paid_by(order.payment.reference, "refused")
    ),
    "read": lambda store, order: store.get(order.scope, order.id),
    "save": lambda store, order: store.save(order),
    "claim by id": lease_of,
    "release": lambda store, order: store.release(lease_of(store, order)),
    "checkpoint": lambda store, order: store.checkpoint(
        order, lease_of(store, order), extend_s=None
    ),
}
ON_ALL_SHARDS: dict[str, Call] = {
    "earliest due": lambda store, _: store.earliest_due(),
    "list sagas": lambda store, order: store.list_sagas([order.saga.state]),
    "count sagas": lambda store, _: store.count_sagas(),
    "walk": lambda store, _: list(store.walk(limit=10)),
    "age of events": lambda store, _: store.unpublished_since(),
    "claim due": lambda store, _: store.claim_due(
        "w", limit=9, lease_s=0, definitions=["place_order/1"]
    ),
    "claim events": lambda store, _: store.claim_unpublished("r", limit=9, lease_s=0),
}


def filters_of(command: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the collection and the filter of every part of a command."""
    kind = next(iter(command))
    name = command[kind]
    match kind:
        case "insert":
            return [(name, each) for each in command["documents"]]
        case "find":
            return [(name, command["filter"])]
        case "update":
            return [(name, each["q"]) for each in command["updates"]]
        case "aggregate":
            return [(name, command["pipeline"][0]["$match"])]
        case _:
            return []


def names_the_shard(collection: str, wanted: dict[str, Any]) -> bool:
    key = SHARD_KEYS[collection]
    return all(name in wanted and not isinstance(wanted[name], dict) for name in key)


def sent_by(database: MongoDatabase, call: Call, key: str) -> list[tuple[str, dict[str, Any]]]:
    with over_a_wire(database) as (store, wire):
        added = store.add(an_order(key), holder="publisher", lease_s=0)
        before = len(wire.sent)
        call(store, added.order)
        return [part for command in wire.sent[before:] for part in filters_of(command)]


@pytest.mark.parametrize("call", ON_ONE_SHARD)
def test_a_call_about_one_order_asks_one_shard(database: MongoDatabase, call: str) -> None:
    sent = sent_by(database, ON_ONE_SHARD[call], call)

    assert sent
    assert all(names_the_shard(collection, wanted) for collection, wanted in sent), sent


def test_a_listing_asks_the_shards_of_its_scope(database: MongoDatabase) -> None:
    ((collection, wanted),) = sent_by(
        database, lambda s, o: s.list_orders(o.scope, OrderQuery()), "l"
    )

    assert collection == "orders"
    assert {"tenant", "org"} <= set(wanted)


@pytest.mark.parametrize("call", ON_ALL_SHARDS)
def test_what_asks_all_shards_is_what_the_page_says(database: MongoDatabase, call: str) -> None:
    sent = sent_by(database, ON_ALL_SHARDS[call], call)

    assert sent
    assert not any(names_the_shard(*part) for part in sent)


def test_marking_events_as_sent_asks_one_shard_for_each_order(database: MongoDatabase) -> None:
    MongoStorage(database).add(an_order("news"))
    with over_a_wire(database) as (store, wire):
        sent = store.claim_unpublished("relay", limit=9, lease_s=0)
        before = len(wire.sent)
        store.mark_published(sent)

    parts = [part for command in wire.sent[before:] for part in filters_of(command)]
    assert len(parts) == len(sent) > 0
    assert all(names_the_shard(*part) for part in parts)


def test_accepting_an_order_with_a_claim_is_three_round_trips(database: MongoDatabase) -> None:
    with over_a_wire(database) as (store, wire):
        store.add(an_order("warm-up"))
        before = len(wire.sent)
        store.add(an_order("measured"))

    kinds = [next(iter(command)) for command in wire.sent[before:]]
    assert kinds == ["insert", "insert", "commitTransaction"]
