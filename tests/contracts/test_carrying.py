"""A store that is carried over arrives whole, and nobody can use it twice."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve

import oms_adapters
from oms_adapters import mongodb, sqlite
from oms_adapters.event_log.mongodb import MongoEventLog
from oms_adapters.event_log.sqlite import SqliteEventLog
from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.mongodb import ArrivingDatabase, MongoDatabase
from oms_adapters.payments.simulated import SimulatedPayments, SqliteLedger
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_adapters.sqlite import DepartingFile, SqliteDatabase
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.sqlite import SqliteStorage
from oms_adapters.subscriptions.mongodb import MongoSubscriptions
from oms_adapters.subscriptions.sqlite import SqliteSubscriptions
from oms_core.application.carry_over import BATCH, Checksum, Step, carry_over
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    StockItem,
    StockMovement,
)
from oms_core.domain.money import Money
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentState
from oms_core.errors import IdempotencyMismatch, PaymentTrouble, StoreUnusable
from oms_core.ports.inbox import InboxState
from oms_core.ports.payments import Authorize, Capture, PaymentRef
from oms_core.ports.storage import Added, OrderQuery
from oms_core.ports.subscriptions import Subscribed
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order, with_status
from oms_core.testing.event_log_contract import ACME as ACME_SCOPE
from oms_core.testing.event_log_contract import RIVAL, events_of
from oms_core.testing.inbox_contract.suite import ACME, PROVIDER, an_event
from oms_core.testing.refusal import refusal
from oms_core.testing.subscriptions_contract import a_full_progress, a_subscription
from oms_entrypoints.bootstrap.carrying import CARRIED, NOT_CARRIED, named
from tests.support import mongo_server
from tests.support.command_line import started

ARMCHAIR, LAMP = StockItem("CRUNCHY-ARMCHAIR"), StockItem("WOBBLY-LAMP", "north")
DAY_S = 86_400
SHELVES = [shelf.name for each in CARRIED for shelf in named(each.sqlite_shelves)]


def silence(step: Step) -> None:
    """Hear how far it is, and do nothing about it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "oms.db"


@pytest.fixture
def name() -> Iterator[str]:
    name = mongo_server.new_name()
    yield name
    mongo_server.client().drop_database(name)


def departing(path: Path) -> DepartingFile:
    schemas = [named(each.sqlite) for each in CARRIED]
    return DepartingFile(path, schemas, [s for c in CARRIED for s in named(c.sqlite_shelves)])


def arriving(name: str) -> ArrivingDatabase:
    schemas = [named(each.mongodb) for each in CARRIED]
    shelves = [shelf for each in CARRIED for shelf in named(each.mongodb_shelves)]
    return ArrivingDatabase(MongoDatabase(mongo_server.uri(), name), schemas, shelves)


def carry(path: Path, name: str, tell: Callable[[Step], None] = silence) -> dict[str, Checksum]:
    with closing(departing(path)) as source, closing(arriving(name)) as target:
        return carry_over(source, target, SHELVES, tell)


def fill(path: Path, orders: int) -> None:
    """Store so many orders, due and with news."""
    with SqliteDatabase(path) as database:
        storage = SqliteStorage(database)
        for number in range(orders):
            storage.add(an_order(f"order-{number}"))


def test_orders_arrive_with_their_leases_outdated_and_their_news_still_to_be_sent(
    path: Path, name: str
) -> None:
    scope, clock = a_scope(), SimulatedClock()
    with SqliteDatabase(path) as database:
        before = SqliteStorage(database, clock)
        added = before.add(an_order("held"), holder="worker-a", lease_s=600)
        assert isinstance(added, Added)
        assert added.claim is not None
        before.add(an_order("free", metadata={"json:odd": "1", "nul\x00": "2"}))
        dead = before.add(an_order("dead", payment_reference="pay-again"))
        before.save(with_status(dead.order, OrderStatus.FAILED))
        before.add(an_order("heir", payment_reference="pay-again"))
        lonely_one = before.add(an_order("lonely", payment_reference="pay-lonely"))
        before.save(with_status(lonely_one.order, OrderStatus.FAILED))
        sent = before.claim_unpublished("relay", limit=1, lease_s=0)
        before.mark_published(sent)
        orders = {
            order.id: order for order in before.list_orders(scope, OrderQuery(limit=100)).orders
        }

    carry(path, name)

    with MongoDatabase(mongo_server.uri(), name) as database:
        after = MongoStorage(database, clock)
        assert {
            order.id: order for order in after.list_orders(scope, OrderQuery(limit=100)).orders
        } == orders
        news = after.claim_unpublished("relay", limit=9, lease_s=30)
        assert {each.order.id for each in news} == set(orders) - {sent[0].order.id}
        claim = after.claim(scope, added.order.id, "worker-b", lease_s=30)
        assert claim is not None, "nobody can hold a lease of a store that nobody had open"
        assert claim.lease.token > added.claim.lease.token
        assert isinstance(after.add(an_order("new", payment_reference="pay-new")), Added)
        of_payment = after.find_by_payment(scope.tenant_id, "simulated", "pay-again")
        lonely = after.find_by_payment(scope.tenant_id, "simulated", "pay-lonely")
        assert of_payment is not None
        assert lonely is not None
        assert of_payment.idempotency_key == "heir"
        assert (lonely.idempotency_key, lonely.status) == ("lonely", OrderStatus.FAILED)


def test_stock_arrives_with_its_ledger_and_every_promise(path: Path, name: str) -> None:
    scope, clock = a_scope(), SimulatedClock()
    soft = Allocation(AllocationModel.SOFT, ttl_s=60)
    with SqliteDatabase(path) as database:
        before = SqliteInventory(database, clock)
        before.adjust(scope, StockMovement("m-1", ARMCHAIR, 9, "delivery", NOON, "pat"))
        before.mark_published(before.claim_unpublished("relay", limit=9, lease_s=9))
        before.adjust(scope, StockMovement("m-2", LAMP, 5, "delivery", NOON, "pat"))
        both = [Demand(ARMCHAIR, 2), Demand(LAMP, 1)]
        calls: dict[str, Callable[[Any], object]] = {
            "kept": lambda inventory: inventory.reserve(
                scope, "kept", both, allocation=Allocation()
            ),
            "sold": lambda inventory: inventory.commit(scope, "sold", actor="worker"),
            "short": lambda inventory: inventory.reserve(
                scope, "short", [Demand(LAMP, 99)], allocation=Allocation()
            ),
            "soft": lambda inventory: inventory.reserve(
                scope, "soft", [Demand(LAMP, 1)], allocation=soft
            ),
            "tombstone": lambda inventory: inventory.release(scope, "tombstone"),
            "m-1": lambda inventory: inventory.adjust(
                scope, StockMovement("m-1", ARMCHAIR, 9, "delivery", NOON, "pat")
            ),
        }
        before.reserve(scope, "sold", both, allocation=Allocation())
        for call in calls.values():
            call(before)
        answers = {what: call(before) for what, call in calls.items()}
        facts = (
            before.levels(scope).levels,
            before.movements(scope, ARMCHAIR),
            before.movements(scope, LAMP),
        )

    carry(path, name)

    with MongoDatabase(mongo_server.uri(), name) as database:
        after = MongoInventory(database, clock)
        assert {what: call(after) for what, call in calls.items()} == answers
        assert facts == (
            after.levels(scope).levels,
            after.movements(scope, ARMCHAIR),
            after.movements(scope, LAMP),
        )
        news = {each.item: each for each in after.claim_unpublished("relay", limit=9, lease_s=9)}
        assert news[LAMP].movements == after.movements(scope, LAMP)
        assert news[ARMCHAIR].movements == after.movements(scope, ARMCHAIR, after=1)
        after.mark_published([*news.values()])
        assert list(after.claim_unpublished("relay", limit=9, lease_s=9)) == []
        late = after.reserve(scope, "tombstone", [Demand(LAMP, 1)], allocation=Allocation())
        assert type(late).__name__ == "AlreadyReleased"
        clock.advance(61)
        assert after.levels(scope, items=[LAMP]).levels[0].reserved == 1, "the soft one lapsed"


def test_notifications_arrive_in_their_order_whatever_became_of_them(path: Path, name: str) -> None:
    clock = SimulatedClock()
    events = [an_event(f"evt-{number}", "pay-\x00-ü") for number in range(BATCH + 3)]
    states = tuple(InboxState)
    with SqliteDatabase(path) as database:
        before = SqliteInbox(database, clock)
        before.store(PROVIDER, events, at=clock.now())
        before.mark(before.find_events(ACME, "evt-0"), InboxState.APPLIED)
        before.mark(before.find_events(ACME, "evt-1"), InboxState.UNMATCHED)
        before.claim_new("dies", limit=1, lease_s=600)
        page = before.list_events(states, limit=2)
        payment = before.of_payment(PROVIDER, events[0].ref)

    carry(path, name)

    with MongoDatabase(mongo_server.uri(), name) as database:
        after = MongoInbox(database, clock)
        ends = [events[0], events[-1]]
        assert after.store(PROVIDER, ends, at=clock.now()) == 0, "they are there already"
        assert after.store(PROVIDER, [an_event("evt-late", "pay-\x00-ü")], at=clock.now()) == 1
        (late,) = after.find_events(ACME, "evt-late")
        assert after.of_payment(PROVIDER, events[0].ref) == [*payment, late]
        newest = after.list_events(states, limit=3)
        assert newest.events == (late, *page.events)
        assert after.list_events(states, limit=1, cursor=page.next_cursor).events == (payment[-3],)
        claimed = after.claim_new("lives", limit=9 + len(events), lease_s=30)
        assert list(claimed) == [*payment[2:], late], "the claim of a dead holder is not carried"


def test_the_feed_arrives_so_that_a_consumer_goes_on_after_its_position(
    path: Path, name: str
) -> None:
    events = [each for number in range(BATCH) for each in events_of(f"order-{number}", entries=3)]
    theirs = events_of("order-0", scope=RIVAL)
    with SqliteDatabase(path) as database:
        before = SqliteEventLog(database)
        before.append([*events, *theirs])
        seen = before.read(ACME_SCOPE, after=0, limit=BATCH)[-1].position
        rest = before.read(ACME_SCOPE, after=seen, limit=10_000)

    carry(path, name)

    with MongoDatabase(mongo_server.uri(), name) as database:
        after = MongoEventLog(database)
        assert list(after.read(ACME_SCOPE, after=seen, limit=10_000)) == list(rest)
        fresh = events_of("fresh")
        after.append([*events, *fresh])
        assert after.heads([ACME_SCOPE, RIVAL]) == {
            ACME_SCOPE: len(events) + len(fresh),
            RIVAL: len(theirs),
        }
        news = after.read(ACME_SCOPE, after=len(events), limit=10)
        assert [each.event for each in news] == fresh, "what is there already got a second number"


def test_subscriptions_arrive_with_their_secrets_and_what_is_held_and_dead(
    path: Path, name: str
) -> None:
    clock = SimulatedClock()
    failing = Subscribed(a_subscription(1), a_full_progress())
    claimed, changed = Subscribed(a_subscription(2)), Subscribed(a_subscription(3, scope=RIVAL))
    with SqliteDatabase(path) as database:
        before = SqliteSubscriptions(database, clock)
        for each in (failing, claimed, changed):
            before.add(each)
        assert before.save(evolve(changed.subscription, url="https://new.example.com/"))
        held = before.claim(ACME_SCOPE, claimed.subscription.id, lease_s=600)
        assert held is not None
        kept = [before.list_all(scope) for scope in (ACME_SCOPE, RIVAL)]

    carry(path, name)

    with MongoDatabase(mongo_server.uri(), name) as database:
        after = MongoSubscriptions(database, clock)
        assert [after.list_all(scope) for scope in (ACME_SCOPE, RIVAL)] == kept
        assert {each.subscription_id for each in after.waiting()} == {
            UUID(int=n) for n in (1, 2, 3)
        }
        again = after.claim(ACME_SCOPE, claimed.subscription.id, lease_s=30)
        assert again is not None, "the claim of a dead holder is not carried"
        assert again.progress.version > held.progress.version
        assert not after.record(ACME_SCOPE, claimed.subscription.id, held.progress), "outdated"


CARDS = [PaymentRef(ACME, f"card-\x00-{number}") for number in range(BATCH + 3)]
TOTAL, ORDER = Money.of("19.99", "USD"), UUID(int=7)
DECLINED, FAILING = PaymentRef(ACME, "sim_declined_once"), PaymentRef(ACME, "sim_error_replayed")
UNHELD = PaymentRef(ACME, "card-unheld")


def hold(ref: PaymentRef, key: str) -> Authorize:
    return Authorize(ref, TOTAL, ORDER, key)


CALLS: list[Callable[[SimulatedPayments], object]] = [
    lambda bank: bank.authorize(hold(CARDS[0], "key-0")),
    lambda bank: bank.capture(Capture(CARDS[0], TOTAL, "shipment", "capture")),
    lambda bank: bank.authorize(hold(DECLINED, DECLINED.reference)),
    lambda bank: bank.authorize(hold(FAILING, "failing")),
    lambda bank: bank.authorize(hold(UNHELD, "key-0")),
    lambda bank: bank.capture(Capture(UNHELD, TOTAL, "shipment", f"key-{BATCH + 2}")),
    lambda bank: bank.capture(Capture(UNHELD, TOTAL, "shipment", "new")),
    lambda bank: bank.lookup(CARDS[-1]),
    lambda bank: bank.audit(),
]


def answers_of(bank: SimulatedPayments) -> list[object]:
    def answer(call: Callable[[SimulatedPayments], object]) -> object:
        try:
            return call(bank)
        except PaymentTrouble as trouble:
            return trouble.code, trouble.reason

    return [answer(call) for call in CALLS]


def use_the_bank(path: Path, clock: SimulatedClock) -> list[object]:
    """Fill the books in the file; return what it answers from then on."""
    with SqliteDatabase(path) as database:
        bank = SimulatedPayments(SqliteLedger(database), clock)
        for number, card in enumerate(CARDS):
            bank.authorize(hold(card, f"key-{number}"))
        answers_of(bank)
        bank.give_another_card(DECLINED)
        return answers_of(bank)


def test_the_simulated_books_arrive_and_every_key_stands_for_what_it_was_used_for(
    path: Path, name: str
) -> None:
    clock = SimulatedClock()
    answers = use_the_bank(path, clock)

    sums = carry(path, name)

    with MongoDatabase(mongo_server.uri(), name) as database:
        bank = SimulatedPayments(MongoLedger(database), clock)
        assert answers_of(bank) == answers
        assert IdempotencyMismatch.code in {a[0] for a in answers if isinstance(a, tuple)}
        assert sums["simulated_payments"].entries == len(CARDS) + 3
        assert sums["simulated_payment_keys"].entries == len(CARDS) + 3
        clock.advance(bank.capabilities.key_ttl_s)
        assert bank.authorize(hold(UNHELD, "key-0")).state is PaymentState.AUTHORIZED
        refusal(IdempotencyMismatch, lambda: bank.authorize(hold(CARDS[0], "key-0")))
        assert sum(row.authorizations for row in bank.audit()) == len(CARDS) + 1


def test_keys_that_were_used_anew_between_two_runs_arrive_as_they_are_in_the_end(
    path: Path, name: str
) -> None:
    clock = SimulatedClock()
    use_the_bank(path, clock)

    def interrupt(step: Step) -> None:
        if (step.doing, step.shelf, step.done) == ("carry", "simulated_payment_keys", BATCH):
            raise Interrupted

    with pytest.raises(Interrupted):
        carry(path, name, interrupt)
    clock.advance(DAY_S)
    with SqliteDatabase(path) as file:
        before = SimulatedPayments(SqliteLedger(file), clock)
        before.authorize(hold(UNHELD, "key-0"))
        answers_of(before)
        answers = answers_of(before)

    carry(path, name)

    with MongoDatabase(mongo_server.uri(), name) as database:
        assert answers_of(SimulatedPayments(MongoLedger(database), clock)) == answers


@pytest.mark.parametrize("shelf", ["simulated_payments", "simulated_payment_keys"])
def test_a_payment_or_a_key_that_differs_is_found(path: Path, name: str, shelf: str) -> None:
    use_the_bank(path, SimulatedClock())
    of_shelf = {"reference": {"$exists": shelf == "simulated_payments"}}
    stored = mongo_server.client()[name].simulated_payments

    def interfere(step: Step) -> None:
        if (step.doing, step.shelf) == ("carry", SHELVES[-1]):
            stored.delete_one(of_shelf)

    error = refusal(StoreUnusable, lambda: carry(path, name, interfere))

    there = len(CARDS) + 3
    assert f"holds: {shelf} ({there} there, {there - 1} arrived)." in error.sentence


def test_a_run_that_is_killed_goes_on_behind_the_last_batch_that_arrived(
    path: Path, name: str
) -> None:
    orders = 5 * BATCH
    fill(path, orders)
    mark = mongo_server.client()[name].oms_carry_over
    seen: list[int] = []

    for _ in range(2):
        with _migrating(path, name) as process:
            so_far = seen[-1] if seen else 0
            while (entries := _arrived(mark)) <= so_far:
                assert process.poll() is None
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
            seen.append(entries)
    told: list[Step] = []
    sums = carry(path, name, told.append)

    assert 0 < seen[0] < seen[1] < orders
    assert told[0].done >= seen[1], "it began again"
    assert sums["orders"].entries == orders
    assert mongo_server.client()[name].orders.count_documents({}) == orders


def _migrating(path: Path, name: str) -> Any:
    options = ("--from", f"sqlite:{path}", "--to", mongo_server.uri(), "--database", name)
    return started(path.parent, "migrate", *options)


def _arrived(mark: Any) -> int:
    found = mark.find_one({"_id": 1}) or {}
    return int(found.get("shelves", {}).get("orders", {}).get("entries", 0))


class Interrupted(Exception):
    """Stands for whatever ends a run."""


def test_what_changed_in_the_source_between_two_runs_arrives_as_well(path: Path, name: str) -> None:
    fill(path, 2 * BATCH)

    def interrupt(step: Step) -> None:
        if step.done:
            raise Interrupted

    with pytest.raises(Interrupted):
        carry(path, name, interrupt)
    with SqliteDatabase(path) as database:
        storage = SqliteStorage(database)
        first = storage.get(a_scope(), an_order("order-0").id)
        changed = storage.save(with_status(first, OrderStatus.PAYMENT_AUTHORIZED))

    sums = carry(path, name)

    assert sums["orders"].entries == 2 * BATCH
    with MongoDatabase(mongo_server.uri(), name) as there:
        assert MongoStorage(there).get(changed.scope, changed.id) == changed


@pytest.mark.parametrize("change", ["lost", "altered", "added"])
def test_a_difference_is_found_and_the_source_stays_usable(
    path: Path, name: str, change: str
) -> None:
    fill(path, 3)
    orders = mongo_server.client()[name].orders

    def interfere(step: Step) -> None:
        if step != Step("verify", "orders", 3, 3):
            return
        some = orders.find_one()
        assert some is not None
        match change:
            case "lost":
                orders.delete_one({"_id": some["_id"]})
            case "altered":
                orders.update_one({"_id": some["_id"]}, {"$set": {"document.channel": "x"}})
            case _:
                fields = {"live_reference": "x", "id": UUID(int=1)}
                orders.insert_one(some | {"_id": b"x" * 48} | fields)

    error = refusal(StoreUnusable, lambda: carry(path, name, interfere))

    assert "is not what the store holds: orders (3 there, " in error.sentence
    fill(path, 4)
    with MongoDatabase(mongo_server.uri(), name) as database:
        refusal(StoreUnusable, lambda: MongoStorage(database))


def test_a_target_that_holds_anything_is_left_as_it_is(path: Path, name: str) -> None:
    fill(path, 1)
    with MongoDatabase(mongo_server.uri(), name) as database:
        theirs = MongoStorage(database)

        error = refusal(StoreUnusable, lambda: carry(path, name))

        assert "There is something in" in error.sentence
        assert isinstance(theirs.add(an_order("theirs")), Added)
        MongoInventory(database)
    assert mongo_server.client()[name].orders.count_documents({}) == 1
    fill(path, 2)


def test_two_stores_are_not_carried_into_one(path: Path, name: str) -> None:
    other = path.with_name("other.db")
    fill(path, 1)
    fill(other, 2)
    carry(path, name)

    error = refusal(StoreUnusable, lambda: carry(other, name))

    assert "Another store was carried over" in error.sentence
    assert mongo_server.client()[name].orders.count_documents({}) == 1


def test_a_store_that_is_not_all_there_is_used_by_nobody(path: Path, name: str) -> None:
    fill(path, 1)

    def interrupt(step: Step) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        carry(path, name, interrupt)

    for adapter in (MongoStorage, MongoInventory):
        with MongoDatabase(mongo_server.uri(), name) as database:
            error = refusal(StoreUnusable, lambda: adapter(database))  # noqa: B023 - called at once
        assert "is not all there yet" in error.sentence


def test_a_file_whose_store_was_carried_over_is_used_by_nobody(path: Path, name: str) -> None:
    """Two programs that drive the same orders in two stores would sell everything twice."""
    fill(path, 1)
    running = SqliteDatabase(path)
    running.close()
    carry(path, name)

    error = refusal(StoreUnusable, lambda: SqliteDatabase(path))

    assert f"was carried over to the MongoDB database {name}" in error.sentence
    assert carry(path, name) == {}, "again: it is there already"


def test_a_program_that_has_the_file_open_keeps_it_from_being_carried(
    path: Path, name: str
) -> None:
    fill(path, 1)
    with SqliteDatabase(path) as theirs:
        with _migrating(path, name) as process:
            _, said = process.communicate(timeout=60)

        assert process.returncode == 2
        assert "is in use by another program; end every oms serve" in said
        assert isinstance(SqliteStorage(theirs).add(an_order("theirs")), Added)
    assert name not in mongo_server.client().list_database_names()


def test_nobody_can_open_a_file_while_it_is_carried(path: Path) -> None:
    fill(path, 1)
    script = (
        "import sys; from oms_adapters.sqlite import SqliteDatabase\n"
        "try: SqliteDatabase(sys.argv[1], busy_timeout_s=0.1)\n"
        "except Exception as error: print(error)"
    )
    with closing(departing(path)):
        done = subprocess.run(
            [sys.executable, "-c", script, path], capture_output=True, text=True, check=False
        )

    assert "is locked by another program" in done.stdout


# -- nothing is left behind ------------------------------------------------------------------


def schemas_of(kind: type) -> dict[str, Any]:
    """Find every schema that a module of the adapters names, by its name."""
    found: dict[str, Any] = {}
    for module in walk_packages(oms_adapters.__path__, "oms_adapters."):
        for value in vars(import_module(module.name)).values():
            if isinstance(value, kind):
                found[value.name] = value  # type: ignore[attr-defined]
    return found


def test_every_schema_of_both_databases_is_carried() -> None:
    in_files, in_databases = schemas_of(sqlite.Schema), schemas_of(mongodb.Schema)

    assert in_files
    assert in_databases
    assert set(in_files) - NOT_CARRIED == {named(each.sqlite).name for each in CARRIED}
    assert set(in_databases) - NOT_CARRIED == {named(each.mongodb).name for each in CARRIED}


def test_every_table_and_each_of_its_columns_is_carried(path: Path) -> None:
    with SqliteDatabase(path) as database:
        for each in CARRIED:
            database.migrate(named(each.sqlite))
    with closing(sqlite3.connect(path)) as connection:
        tables = {
            table: {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        }
    for table in ("oms_schemas", "probe"):
        del tables[table]

    shelves = [shelf for each in CARRIED for shelf in named(each.sqlite_shelves)]
    assert tables
    assert tables == {shelf.table: {*shelf.columns, *shelf.follows} for shelf in shelves}


def test_every_collection_is_a_shelf_of_the_same_name_at_both_sides() -> None:
    collections = {c.name for each in CARRIED for c in named(each.mongodb).collections}

    shelves = [shelf for each in CARRIED for shelf in named(each.mongodb_shelves)]
    assert {shelf.collection for shelf in shelves} == collections
    assert [shelf.name for shelf in shelves] == SHELVES
