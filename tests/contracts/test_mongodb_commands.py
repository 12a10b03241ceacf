"""Every command that the adapters send finds its documents by an index, already in order.

``OMS_TEST_MONGODB_ORDERS=1000000 pytest --timeout 3600`` asks the same of a store of that size.
"""

import threading
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.mongodb.payment_claim_audit import MongoPaymentClaimAudit
from oms_adapters.storage.mongodb.payment_claims import claim_id_of
from oms_core import Money, NewLineItem, OrderManagement, PlaceOrder
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    StockItem,
    StockMovement,
)
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import SagaState
from oms_core.errors import InvalidState, StaleVersion
from oms_core.ports.inbox import InboxState
from oms_core.ports.job_turns import Turn
from oms_core.ports.payments import Authorize, Cancel, Capture, PaymentRef, ProviderEvent
from oms_core.ports.storage import Added, OrderPlace, OrderQuery
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order, with_status
from oms_core.testing.refusal import refusal
from tests.support import mongo_server
from tests.support.lossy_wire import LossyWire

PAT = UUID("00000000-0000-4000-8000-0000000000aa")
DAY = timedelta(days=1)
HARD = Allocation()
SOFT = Allocation(AllocationModel.SOFT, ttl_s=0.0)
ARMCHAIR, LAMP = StockItem("CRUNCHY-ARMCHAIR"), StockItem("WOBBLY-LAMP", "north")

EXPLAINED = {"aggregate", "delete", "find", "update"}
NOT_EXPLAINED = {"abortTransaction", "commitTransaction", "getMore", "insert"}
OPENING = {"create", "createIndexes", "listIndexes", "listCollections"}
OF_THE_SESSION = ("lsid", "txnNumber", "startTransaction", "autocommit", "$clusterTime")
NOT_FOR_EXPLAIN = (*OF_THE_SESSION, "writeConcern", "readConcern", "$db", "$readPreference")


@pytest.fixture
def recorded() -> Iterator[tuple[MongoDatabase, LossyWire]]:
    """A database with many orders and items, over a wire that keeps every command."""
    with mongo_server.new_database() as whole:
        MongoInventory(whole)
        MongoStorage(whole)
        there = mongo_server.client()[whole.name]
        storage = MongoStorage(whole)
        storage.add(an_order("pattern", customer_id=PAT))
        (pattern,) = there.orders.find()
        mongo_server.multiply(there.orders, pattern)
        inventory = MongoInventory(whole)
        inventory.adjust(a_scope(), StockMovement("m", ARMCHAIR, 9, "delivery", NOON, "pat"))
        (stock,) = there.stock.find()
        there.stock.insert_many(
            stock | {"_id": number.to_bytes(4, "big"), "sku": f"SKU-{number}"}
            for number in range(mongo_server.ORDERS)
        )
        with (
            LossyWire(mongo_server.uri()) as wire,
            MongoDatabase(wire.uri, whole.name) as database,
        ):
            yield database, wire


def stages_of(plan: Any) -> Iterator[dict[str, Any]]:
    """Yield every stage of a plan, wherever the server puts it."""
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for key, value in plan.items():
            if key != "rejectedPlans":
                yield from stages_of(value)
    elif isinstance(plan, list):
        for each in plan:
            yield from stages_of(each)


def explained(name: str, command: dict[str, Any]) -> list[dict[str, Any]]:
    """Ask the server how it carries out *command*, one update at a time."""
    kind = next(iter(command))
    command = {key: value for key, value in command.items() if key not in NOT_FOR_EXPLAIN}
    parts = [command]
    if kind == "update":
        parts = [{**command, "updates": [update]} for update in command["updates"]]
    there = mongo_server.client()[name]
    plans = [
        there.command("explain", part, verbosity="queryPlanner", codec_options=there.codec_options)
        for part in parts
    ]
    return [stage for plan in plans for stage in stages_of(plan)]


def used_indexes(database: MongoDatabase, wire: LossyWire) -> set[str]:
    """Check every plan; return the indexes that were used."""
    kinds = {next(iter(command)) for command in wire.sent}
    assert kinds <= EXPLAINED | NOT_EXPLAINED | OPENING
    used: set[str] = set()
    for command in wire.sent:
        kind = next(iter(command))
        # Collections of the engine itself have one document each.
        if kind not in EXPLAINED or command[kind] in {"oms_schemas", "oms_probe"}:
            continue
        stages = explained(database.name, command)
        assert stages, command
        names = {stage["stage"] for stage in stages}
        assert not names & {"COLLSCAN", "SORT"}, f"{names}: {command}"
        used |= {stage["indexName"] for stage in stages if "indexName" in stage}
        used |= {"_id_" for stage in stages if stage["stage"] == "IDHACK"}
    return used


def indexes_of(database: MongoDatabase, *collections: str) -> set[str]:
    there = mongo_server.client()[database.name]
    return {name for each in collections for name in there[each].index_information()}


def test_no_command_about_orders_scans_or_sorts(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    storage, scope = MongoStorage(database), a_scope()
    first = storage.list_orders(scope, OrderQuery(limit=2))

    added = storage.add(an_order("mine", customer_id=PAT), holder="worker-a", lease_s=30)
    assert isinstance(added, Added)
    assert added.claim is not None
    storage.add(an_order("mine"))
    storage.get(scope, added.order.id)
    storage.find_by_payment(scope.tenant_id, "simulated", "pay-1")
    saved = storage.checkpoint(added.order, added.claim.lease, extend_s=30)
    storage.save(with_status(saved.order, OrderStatus.FAILED))
    storage.release(saved.lease)
    storage.claim(scope, added.order.id, "worker-b", lease_s=30)
    storage.claim_due("worker-c", limit=2, lease_s=30, definitions=["place_order/1", "b/2"])
    others = [UUID(int=1), UUID(int=2)]
    storage.claim_due(
        "worker-d", limit=2, lease_s=30, definitions=["place_order/1"], passing_over=others
    )
    storage.earliest_due()
    for count, in_scope in product((1, 2, 3), (None, scope)):
        storage.list_sagas(list(SagaState)[:count], scope=in_scope)
    storage.count_sagas()
    (behind, *_) = [one.place for one in storage.walk(limit=2)]
    storage.walk(after=behind, limit=2, tenant_id=scope.tenant_id, org_id=scope.org_id)
    storage.mark_published(storage.claim_unpublished("relay", limit=2, lease_s=30))
    storage.unpublished_since()
    turns = storage.job_turns()
    for counts in ({"agrees": 1}, None):
        turn = turns.take("reconcile", every_s=0, lease_s=30)
        assert isinstance(turn, Turn)
        turns.take("reconcile", every_s=0, lease_s=30)
        turns.keep(turn, lease_s=30)
        turns.end(turn, counts)
        turns.give_back(turn)
    turns.last_run("reconcile")
    for status, channel, customer, start, end, place in product(
        (None, OrderStatus.PENDING_PAYMENT),
        (None, "web"),
        (None, PAT),
        (None, NOON - DAY),
        (None, NOON + DAY),
        ({}, {"offset": 3}, {"cursor": first.next_cursor}),
    ):
        query = OrderQuery(
            status=status,
            channel=channel,
            customer_id=customer,
            created_from=start,
            created_to=end,
            **place,  # type: ignore[arg-type]
        )
        storage.list_orders(scope, query)

    assert len(wire.sent) >= 96
    # Uniqueness is looked up without a plan.
    unplanned = {"orders_by_live_reference"}
    assert used_indexes(database, wire) == indexes_of(database, "orders") - unplanned


def test_no_command_about_payment_claims_scans_or_sorts(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    order, scope = an_order("pattern"), a_scope()
    there = mongo_server.client()[database.name].payment_claims
    there.insert_many(
        {
            "_id": claim_id_of(scope.tenant_id, "simulated", f"pay-{number}"),
            "tenant": scope.tenant_id,
            "org": scope.org_id,
            "id": UUID(int=number),
        }
        for number in range(mongo_server.ORDERS)
    )
    audit = MongoPaymentClaimAudit(database)
    already = len(wire.sent)

    audit.claimants([order, an_order("another")])
    (first,) = audit.claims(limit=1)
    audit.claims(after=first, limit=2, tenant_id=scope.tenant_id)
    audit.give(order, instead_of=None)
    audit.give(order, instead_of=OrderPlace(scope, order.id))

    assert len(wire.sent) - already >= 9
    assert used_indexes(database, wire) == {"_id_"}


def test_no_command_about_stock_scans_or_sorts(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    inventory, scope = MongoInventory(database), a_scope()
    inventory.adjust(scope, StockMovement("m-2", LAMP, 9, "delivery", NOON, "pat"))
    inventory.adjust(scope, StockMovement("m-3", LAMP, -1, "breakage", NOON, "pat"))
    both = [Demand(ARMCHAIR, 1), Demand(LAMP, 1)]
    inventory.reserve(scope, "kept", both, allocation=HARD)
    inventory.reserve(scope, "refused", [Demand(LAMP, 99)], allocation=HARD)
    inventory.reserve(scope, "lapsed", both, allocation=SOFT)
    inventory.reserve(scope, "lapsed", both, allocation=SOFT)
    inventory.harden(scope, "lapsed")
    inventory.commit(scope, "lapsed", actor="worker")
    inventory.release(scope, "kept")
    for sku, location in product((None, LAMP.sku), (None, LAMP.location)):
        page = inventory.levels(scope, sku=sku, location=location, limit=1)
        inventory.levels(scope, sku=sku, location=location, cursor=page.next_cursor)
    inventory.levels(scope, items=[ARMCHAIR, StockItem("FLYING-RUG")])
    inventory.movements(scope, ARMCHAIR, after=1)
    inventory.mark_published(inventory.claim_unpublished("relay", limit=9, lease_s=30))

    assert len(wire.sent) >= 60
    assert used_indexes(database, wire) == indexes_of(
        database, "stock", "stock_movements", "stock_reservations"
    )


def test_no_command_about_notifications_scans_or_sorts(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    inbox, tenant = MongoInbox(database), a_scope().tenant_id
    events = [
        ProviderEvent(f"evt-{n}", PaymentRef(tenant, f"pay-{n % 9}"), "paid") for n in range(300)
    ]
    inbox.store("pay", events, at=NOON)
    inbox.store("pay", events[:1], at=NOON)
    inbox.of_payment("pay", PaymentRef(tenant, "pay-1"))
    inbox.mark(inbox.claim_new("worker", limit=2, lease_s=30), InboxState.APPLIED)
    inbox.find_events(tenant, "evt-1")
    for count, of_tenant in product((1, 2, 3), (None, tenant)):
        states = list(InboxState)[:count]
        page = inbox.list_events(states, tenant_id=of_tenant, limit=1)
        inbox.list_events(states, tenant_id=of_tenant, cursor=page.next_cursor)
    inbox.count_new()

    assert len(wire.sent) >= 20
    assert used_indexes(database, wire) == indexes_of(database, "inbox")


def test_no_command_about_simulated_payments_scans_or_sorts(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    clock, tenant = SimulatedClock(), a_scope().tenant_id
    payments = SimulatedPayments(MongoLedger(database), clock)
    total, order = Money.of("19.99", "USD"), an_order("mine").id
    card, other_card = PaymentRef(tenant, "card-1"), PaymentRef(tenant, "card-2")
    hold = Authorize(card, total, order, "key-1")
    payments.authorize(hold)
    there = mongo_server.client()[database.name].simulated_payments
    (pattern,) = there.find()
    there.insert_many(
        pattern
        | {"_id": number, "reference": f"card-{number}", "keys": [{"name": number, "document": ""}]}
        for number in range(mongo_server.ORDERS)
    )
    payments.capture(Capture(card, total, "shipment", "key-2"))
    payments.lookup(card)
    refusal(InvalidState, lambda: payments.capture(Capture(other_card, total, "s", "key-3")))
    clock.advance(payments.capabilities.key_ttl_s)
    payments.authorize(Authorize(other_card, total, order, hold.key))

    rows = payments.audit()

    # Of the other card there are two: a capture names no order.
    assert len(rows) == mongo_server.ORDERS + 3
    assert len(wire.sent) >= 15
    assert used_indexes(database, wire) == indexes_of(database, "simulated_payments")


def test_a_call_that_changes_a_simulated_payment_is_one_read_and_one_write(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    payments = SimulatedPayments(MongoLedger(database))
    total, order = Money.of("19.99", "USD"), an_order("mine").id
    card = PaymentRef(a_scope().tenant_id, "card-mine")
    hold = Authorize(card, total, order, "key-1")
    payments.authorize(Authorize(PaymentRef(card.tenant_id, "warm-up"), total, order, "warm-up"))
    before = len(wire.sent)

    payments.authorize(hold)
    payments.capture(Capture(card, total, "shipment", "key-2"))
    payments.authorize(hold)
    payments.lookup(card)

    kinds = [next(iter(command)) for command in wire.sent[before:]]
    assert kinds == ["find", "insert", "find", "update", "find", "find"]


def test_storing_a_notification_is_one_round_trip_and_nothing_to_apply_is_one(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    inbox = MongoInbox(database)
    event = ProviderEvent("evt-1", PaymentRef(a_scope().tenant_id, "pay-1"), "paid")
    inbox.claim_new("warm-up", limit=9, lease_s=30)
    before = len(wire.sent)

    inbox.claim_new("worker", limit=9, lease_s=30)
    inbox.store("pay", [event], at=NOON)

    assert [next(iter(command)) for command in wire.sent[before:]] == ["find", "insert"]


def test_accepting_an_order_is_one_round_trip_and_a_step_is_one(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    storage = MongoStorage(database)
    storage.add(an_order("warm-up"), holder="worker-a", lease_s=30)
    before = len(wire.sent)

    added = storage.add(an_order("mine"), holder="worker-a", lease_s=30)
    assert isinstance(added, Added)
    assert added.claim is not None
    storage.checkpoint(added.order, added.claim.lease, extend_s=30)

    assert [next(iter(command)) for command in wire.sent[before:]] == ["insert", "update"]


def test_an_order_is_at_most_five_writes_from_accepted_to_confirmed(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    """Beside those of the inventory and of the provider, however many lines it has."""
    database, wire = recorded
    oms = OrderManagement(
        storage=MongoStorage(database),
        inventory=MongoInventory(database),
        payments={"simulated": SimulatedPayments(MemoryLedger())},
    )
    request = PlaceOrder(
        idempotency_key="mine",
        payment_provider="simulated",
        payment_reference="card-mine",
        channel="web",
        line_items=[NewLineItem(sku=ARMCHAIR.sku, quantity=1, unit_price="19.99")],
    )
    settled = threading.Event()
    oms.on_change(lambda order: settled.set() if order.is_settled else None)

    with oms.running():
        before = len(wire.sent)
        order_id = oms.place_order(a_scope(), request).order_id
        assert settled.wait(30)
    sent = wire.sent[before:]

    assert oms.get_order(a_scope(), order_id).status is OrderStatus.CONFIRMED
    writes = [command for command in sent if next(iter(command)) in {"insert", "update"}]
    own = [next(iter(each)) for each in writes if each[next(iter(each))] == "orders"]
    assert own == ["insert", "update", "update"]
    others = [each for each in writes if "autocommit" not in each]
    assert len(others) == len(own) <= 5


def test_a_reservation_is_three_round_trips_however_many_lines_it_has(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    inventory = MongoInventory(database)
    demands = [Demand(ARMCHAIR, 1), *(Demand(StockItem(f"S-{n}"), 1) for n in range(19))]
    for number, demand in enumerate(demands[1:]):
        entry = StockMovement(f"m-{number}", demand.item, 9, "delivery", NOON, "pat")
        inventory.adjust(a_scope(), entry)
    before = len(wire.sent)

    inventory.reserve(a_scope(), "order", demands, allocation=HARD)

    kinds = [next(iter(command)) for command in wire.sent[before:]]
    assert kinds == ["insert", "update", "commitTransaction"]


def test_every_write_waits_for_the_journals_of_a_majority_and_every_read_is_of_committed_data(
    recorded: tuple[MongoDatabase, LossyWire],
) -> None:
    database, wire = recorded
    storage, inventory = MongoStorage(database), MongoInventory(database)
    inbox, ref = MongoInbox(database), PaymentRef(a_scope().tenant_id, "pay-1")
    added = storage.add(an_order("mine"), holder="worker-a", lease_s=30)
    storage.add(an_order("mine"))
    storage.save(added.order)
    refusal(StaleVersion, lambda: storage.save(added.order))
    storage.claim_due("worker", limit=5, lease_s=30, definitions=["place_order/1"])
    storage.mark_published(storage.claim_unpublished("relay", limit=2, lease_s=30))
    storage.ping()
    inventory.reserve(a_scope(), "order", [Demand(ARMCHAIR, 1)], allocation=HARD)
    inventory.commit(a_scope(), "order", actor="worker")
    inbox.store("pay", [ProviderEvent("evt-1", ref, "paid")], at=NOON)
    inbox.store("pay", [ProviderEvent(f"evt-{n}", ref, "paid") for n in (1, 2)], at=NOON)
    inbox.mark(inbox.claim_new("worker", limit=5, lease_s=30), InboxState.APPLIED)
    payments = SimulatedPayments(MongoLedger(database))
    hold = Authorize(ref, Money.of("19.99", "USD"), added.order.id, "key-1")
    payments.authorize(hold)
    payments.cancel(Cancel(ref, added.order.id, "void", "key-2"))

    in_transactions = [command for command in wire.sent if "autocommit" in command]
    alone = [command for command in wire.sent if "autocommit" not in command]
    writes = [c for c in alone if next(iter(c)) in {"insert", "update"}]
    writes += [c for c in in_transactions if next(iter(c)) == "commitTransaction"]
    reads = [c for c in alone if next(iter(c)) in {"find", "aggregate"}]
    begins = [c for c in in_transactions if c.get("startTransaction")]
    assert len(writes) > 6
    assert len(reads) > 6
    assert len(begins) >= 3
    assert {(c["writeConcern"]["w"], c["writeConcern"]["j"]) for c in writes} == {
        ("majority", True)
    }
    assert {c["readConcern"]["level"] for c in reads} == {"majority", "linearizable"}
    assert {c["readConcern"]["level"] for c in begins} == {"snapshot"}
