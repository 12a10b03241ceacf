"""Lives that use every method of an adapter on MongoDB, and tell every answer.

Whatever goes wrong on the way to the server, the answers must be the same.
"""

from collections.abc import Callable

from attrs import evolve

from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import SimulatedPayments
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_adapters.storage.mongodb import MongoStorage
from oms_core import Money
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    StockItem,
    StockMovement,
)
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import SagaState
from oms_core.errors import PaymentTrouble
from oms_core.ports.inbox import InboxState
from oms_core.ports.job_turns import Turn
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    PaymentRef,
    ProviderEvent,
    Refund,
)
from oms_core.ports.storage import Added, OrderQuery
from oms_core.testing import NOON, SimulatedClock, a_scope, an_order, with_status
from oms_core.testing.refusal import refusal

ARMCHAIR = StockItem("CRUNCHY-ARMCHAIR")
LAMP = StockItem("WOBBLY-LAMP", "north")
SOFT = Allocation(AllocationModel.SOFT, ttl_s=60)
TOTAL = Money.of("19.99", "USD")

Facts = list[object]


def make_collections(database: MongoDatabase) -> Facts:
    """Make what all lives need; repeatable."""
    MongoStorage(database).job_turns()
    MongoInventory(database)
    MongoLedger(database)
    MongoInbox(database)
    return []


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
    facts.append(store.unpublished_since())
    store.mark_published(news)
    facts.append(store.claim_unpublished("relay", limit=5, lease_s=30))
    clock.advance(60)
    again = store.claim_due("worker-d", limit=5, lease_s=30, definitions=["place_order/1"])
    facts.append(sorted(again, key=lambda each: each.order.id))
    facts.append(store.list_orders(scope, OrderQuery()))
    facts.append(store.find_by_payment(scope.tenant_id, "simulated", "pay-first"))
    facts.append(store.list_sagas([SagaState.RUNNING]))
    facts.append(store.count_sagas())
    turns = store.job_turns()
    turn = turns.take("reconcile", every_s=3600, lease_s=30)
    assert isinstance(turn, Turn)
    facts += [turn, turns.take("reconcile", every_s=3600, lease_s=30)]
    facts.append(turns.keep(turn, lease_s=60))
    turns.end(turn, {"agrees": 7})
    facts += [turns.last_run("reconcile"), turns.take("reconcile", every_s=3600, lease_s=30)]
    unheeded = turns.take("doctor", every_s=3600, lease_s=30)
    assert isinstance(unheeded, Turn)
    turns.give_back(unheeded)
    facts.append(turns.take("doctor", every_s=3600, lease_s=30))
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
        stock.reserve(scope, "split", [Demand(ARMCHAIR, 2)], allocation=Allocation()),
        stock.commit_part(scope, "split", "part-1", [Demand(ARMCHAIR, 1)], actor="worker"),
        stock.commit_part(scope, "split", "part-1", [Demand(ARMCHAIR, 1)], actor="worker"),
        stock.commit_part(scope, "split", "part-2", [Demand(ARMCHAIR, 1)], actor="worker"),
    ]
    clock.advance(60)
    facts.append(stock.levels(scope))
    facts.append(stock.reserve(scope, "lapsing", [Demand(ARMCHAIR, 1)], allocation=Allocation()))
    facts += [stock.movements(scope, item) for item in (ARMCHAIR, LAMP)]
    facts.append(stock.levels(scope, items=[ARMCHAIR, LAMP]))
    return facts


def a_life_of_money(database: MongoDatabase) -> Facts:
    """Use every method of the simulated provider whose books are in MongoDB."""
    clock = SimulatedClock()
    provider = SimulatedPayments(MongoLedger(database), clock)
    kept, failed = an_order("kept"), an_order("failed")
    tenant = kept.scope.tenant_id
    card, other_card = PaymentRef(tenant, "card-kept"), PaymentRef(tenant, "card-failed")
    refused = PaymentRef(tenant, "sim_not_executed_once")
    hold = Authorize(card, TOTAL, kept.id, "kept/authorize")
    stolen = Authorize(other_card, TOTAL, failed.id, hold.key)
    provider.probe()
    facts: Facts = [
        # The refusal is met once: a repeat of ours must not be taken for another call.
        _trouble(lambda: provider.authorize(Authorize(refused, TOTAL, kept.id, "refused"))),
        provider.authorize(Authorize(refused, TOTAL, kept.id, "refused")),
        provider.authorize(hold),
        provider.authorize(hold),
        provider.lookup(card),
        provider.capture(Capture(card, TOTAL, "shipment", "kept/capture")),
        provider.refund(Refund(card, TOTAL, "return", "kept/refund")),
        provider.find_operation(card, "return"),
        _trouble(lambda: provider.authorize(stolen)),
        _trouble(lambda: provider.capture(Capture(other_card, TOTAL, "s", hold.key))),
        _trouble(lambda: provider.capture(Capture(other_card, TOTAL, "s", "failed/capture"))),
    ]
    clock.advance(provider.capabilities.key_ttl_s)
    facts += [
        provider.authorize(stolen),
        _trouble(lambda: provider.authorize(hold)),
        provider.cancel(Cancel(other_card, failed.id, "void", "failed/void")),
        [row.as_document() for row in provider.audit()],
    ]
    return facts


def _trouble(call: Callable[[], object]) -> object:
    trouble = refusal(PaymentTrouble, call)
    return trouble.code, trouble.reason


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
