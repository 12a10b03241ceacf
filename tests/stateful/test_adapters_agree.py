"""Memory, SQLite and MongoDB, side by side through random lives, never answer differently."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
)

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.memory import MemoryStorage
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    StockItem,
    StockMovement,
)
from oms_core.domain.order import Order
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import Attention, SagaPhase, SagaState, Wait
from oms_core.domain.scope import Scope, order_id_for
from oms_core.errors import OmsError
from oms_core.ports.inbox import InboxState, ReceivedEvent, WebhookInbox
from oms_core.ports.inventory import Inventory
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.ports.storage import (
    Added,
    Claim,
    OrderPage,
    OrderQuery,
    OrderStorage,
    Unpublished,
)
from oms_core.testing import NOON, SimulatedClock, a_saga_position, a_scope, an_order, with_status
from tests.support import mongo_server

Port = TypeVar("Port")

SCOPES = [a_scope("acme", "north"), a_scope("acme", "south"), a_scope("rival", "north")]
KEYS = [f"order-{number}" for number in range(5)]
HOLDERS = ["worker-a", "worker-b"]
DEFINITIONS = ["place_order/1", "place_order/2"]
CHANNELS = ["web", "pos"]
PROVIDERS = ["simulated", "other"]
REFERENCES = ["pay-1", "pay-2", "pay-3"]
CUSTOMERS = [None, UUID(int=1), UUID(int=2**127)]
STATUSES = [
    OrderStatus.PENDING_PAYMENT,
    OrderStatus.CONFIRMED,
    OrderStatus.CANCELLED,
    OrderStatus.FAILED,
]
ITEMS = [StockItem("CRUNCHY-ARMCHAIR"), StockItem("CRUNCHY-ARMCHAIR", "north"), StockItem("LAMP")]
SECOND = timedelta(seconds=1)

scopes = st.sampled_from(SCOPES)
keys = st.sampled_from(KEYS)
holders = st.sampled_from(HOLDERS)
few_seconds = st.sampled_from([0.000_001, 1.0, 5.0, 30.0])
limits = st.integers(1, 4)


def answer_of(call: Callable[[], object]) -> object:
    """Return what *call* answers; an error of ours is an answer too, with all its fields."""
    try:
        return call()
    except OmsError as error:
        return type(error), vars(error)


def on_top_of(stored: Order, order: Order) -> Order:
    """Make *order* the next version of *stored*: a history never shrinks."""
    history = max(stored.history, order.history, key=len)
    return evolve(order, version=stored.version, history=history)


class SideBySide(RuleBasedStateMachine):
    """Asks the memory adapter and others the same and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = SimulatedClock()
        self._folder = tempfile.TemporaryDirectory()
        self.database = SqliteDatabase(Path(self._folder.name) / "oms.db")

    def teardown(self) -> None:
        self.database.close()
        self._folder.cleanup()

    @rule(seconds=few_seconds)
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)


class StoragesAgree(SideBySide):
    """Orders, leases, listings and events; stale versions and stale leases included."""

    orders = Bundle("orders")
    leases = Bundle("leases")
    cursors = Bundle("cursors")
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryStorage(self.clock)
        self.others = self.make_others()

    def make_others(self) -> list[OrderStorage]:
        return [SqliteStorage(self.database, self.clock)]

    def ask(self, question: Callable[[OrderStorage], object]) -> Any:
        expected = answer_of(lambda: question(self.memory))
        for other in self.others:
            assert answer_of(lambda: question(other)) == expected  # noqa: B023
        return expected

    def _a_moment_of_its_own(self) -> datetime:
        """Keep orders apart that would be due at one moment: see ``claim_due``."""
        return self.clock.advance(0.000_001)

    # -- single orders ---------------------------------------------------------------------

    @rule(
        target=orders,
        scope=scopes,
        key=keys,
        reference=st.sampled_from([*REFERENCES, None]),
        provider=st.sampled_from(PROVIDERS),
        channel=st.sampled_from(CHANNELS),
        customer=st.sampled_from(CUSTOMERS),
        definition=st.sampled_from(DEFINITIONS),
        age_s=st.sampled_from([0, 0, 1, 2]),
    )
    def add(
        self,
        scope: Scope,
        key: str,
        reference: str | None,
        provider: str,
        channel: str,
        customer: UUID | None,
        definition: str,
        age_s: int,
    ) -> Order:
        at = self._a_moment_of_its_own() - age_s * SECOND
        order = an_order(
            key,
            scope=scope,
            at=at,
            saga=a_saga_position(due_at=at, definition=definition),
            provider=provider,
            payment_reference=reference,
            channel=channel,
            customer_id=customer,
        )
        answer = self.ask(lambda store: store.add(order))
        return order if isinstance(answer, tuple) else answer.order

    @rule(target=leases, scope=scopes, key=keys, holder=holders, lease_s=few_seconds)
    def add_for_a_holder(self, scope: Scope, key: str, holder: str, lease_s: float) -> Any:
        order = an_order(key, scope=scope, at=self._a_moment_of_its_own())
        answer = self.ask(lambda store: store.add(order, holder=holder, lease_s=lease_s))
        return answer.claim if isinstance(answer, Added) and answer.claim else multiple()

    @rule(scope=scopes, key=keys)
    def get(self, scope: Scope, key: str) -> None:
        self.ask(lambda store: store.get(scope, order_id_for(scope, key)))

    @rule(
        target=orders,
        order=orders,
        status=st.none() | st.sampled_from(STATUSES),
        position=st.integers(0, 5),
        due_in_s=st.sampled_from([None, 0, 1, 30]),
    )
    def imagine_a_change(
        self, order: Order, status: OrderStatus | None, position: int, due_in_s: int | None
    ) -> Order:
        """Change an order as its own methods might, without storing it."""
        now = self._a_moment_of_its_own()
        saga = evolve(order.saga, due_at=None if due_in_s is None else now + due_in_s * SECOND)
        match position:
            case 0:
                saga = evolve(saga, phase=SagaPhase.COMPLETED, due_at=None)
            case 1:
                saga = evolve(saga, wait=Wait("customer_action", now + 60 * SECOND))
            case 2:
                saga = evolve(saga, attention=Attention("stuck", "Look at it.", now))
            case 3:
                saga = evolve(saga, version=3 - saga.version)
            case 4:
                order = evolve(
                    order, channel="phone", customer_id=UUID(int=3), platform=f"{now:%S.%f}"
                )
            case _:
                saga = evolve(saga, wait=None, attention=None)
        order = evolve(order, saga=saga)
        return with_status(order, status, at=now) if status is not None else order

    @rule(target=orders, order=orders)
    def save(self, order: Order) -> Any:
        saved = self.ask(lambda store: store.save(order))
        return saved if isinstance(saved, Order) else multiple()

    @rule(target=orders, order=orders)
    def reload_and_save(self, order: Order) -> Any:
        """As after ``StaleVersion``; otherwise most saves would be refused."""
        present = self.ask(lambda store: store.get(order.scope, order.id))
        if not isinstance(present, Order):
            return multiple()
        again = on_top_of(present, order)
        saved = self.ask(lambda store: store.save(again))
        return saved if isinstance(saved, Order) else multiple()

    # -- leases ----------------------------------------------------------------------------

    @rule(target=leases, scope=scopes, key=keys, holder=holders, lease_s=few_seconds)
    def claim(self, scope: Scope, key: str, holder: str, lease_s: float) -> Any:
        order_id = order_id_for(scope, key)
        claim = self.ask(lambda store: store.claim(scope, order_id, holder, lease_s=lease_s))
        return claim if isinstance(claim, Claim) else multiple()

    @rule(
        target=leases,
        holder=holders,
        limit=limits,
        lease_s=few_seconds,
        definitions=st.sets(st.sampled_from(DEFINITIONS)),
    )
    def claim_due(self, holder: str, limit: int, lease_s: float, definitions: set[str]) -> Any:
        """The port leaves open which of those due at one moment comes first."""
        orders = [
            order
            for scope in SCOPES
            for order in self.memory.list_orders(scope, OrderQuery(limit=100)).orders
        ]
        moments = [order.saga.due_at for order in orders if order.saga.due_at is not None]
        taken = limit if len(set(moments)) == len(moments) else 100

        def question(store: OrderStorage) -> list[Claim]:
            found = store.claim_due(holder, limit=taken, lease_s=lease_s, definitions=definitions)
            dues = [claim.order.saga.due_at for claim in found]
            assert dues == sorted(dues, key=lambda due: due or NOON)
            return sorted(found, key=lambda each: (str(each.order.scope), each.order.id))

        claims = self.ask(question)
        return multiple(*claims)

    @rule(target=leases, claim=leases, extend_s=few_seconds)
    def checkpoint(self, claim: Claim, extend_s: float) -> Any:
        answer = self.ask(lambda s: s.checkpoint(claim.order, claim.lease, extend_s=extend_s))
        return answer if isinstance(answer, Claim) else multiple()

    @rule(target=leases, claim=leases, order=orders, extend_s=st.none() | few_seconds)
    def checkpoint_a_change(self, claim: Claim, order: Order, extend_s: float | None) -> Any:
        present = self.ask(lambda store: store.get(claim.lease.scope, claim.lease.order_id))
        changed = on_top_of(
            present, evolve(present, saga=order.saga, status=order.status, history=order.history)
        )
        answer = self.ask(lambda s: s.checkpoint(changed, claim.lease, extend_s=extend_s))
        return answer if isinstance(answer, Claim) else multiple()

    @rule(claim=leases)
    def give_back(self, claim: Claim) -> None:
        self.ask(lambda store: store.release(claim.lease))

    @rule(claim=leases, other=leases)
    def meddle_with_a_lease(self, claim: Claim, other: Claim) -> None:
        """A lease that nobody was given: of one order, with the token of another."""
        forged = evolve(claim.lease, token=other.lease.token, holder=other.lease.holder)
        self.ask(lambda store: store.release(evolve(forged, token=forged.token + 1)))
        self.ask(lambda store: store.checkpoint(other.order, forged, extend_s=None))

    # -- listing ---------------------------------------------------------------------------

    @rule(
        target=cursors,
        scope=scopes,
        limit=limits,
        offset=st.integers(0, 4),
        status=st.none() | st.sampled_from(STATUSES),
        channel=st.none() | st.sampled_from(CHANNELS),
        customer=st.sampled_from(CUSTOMERS),
        window=st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5)),
    )
    def list_orders(
        self,
        scope: Scope,
        limit: int,
        offset: int,
        status: OrderStatus | None,
        channel: str | None,
        customer: UUID | None,
        window: tuple[int, int] | None,
    ) -> Any:
        query = OrderQuery(
            limit=limit, offset=offset, status=status, channel=channel, customer_id=customer
        )
        if window is not None:
            start, length = window
            created_from = NOON + start * SECOND
            query = evolve(
                query, created_from=created_from, created_to=created_from + length * SECOND
            )
        return self._next_of(self.ask(lambda store: store.list_orders(scope, query)))

    @rule(
        target=cursors,
        scope=scopes,
        limit=limits,
        cursor=cursors,
        status=st.none() | st.sampled_from(STATUSES),
        damage=st.sampled_from(["", "", "", "x"]),
    )
    def list_on(
        self, scope: Scope, limit: int, cursor: str, status: OrderStatus | None, damage: str
    ) -> Any:
        query = OrderQuery(limit=limit, cursor=cursor + damage, status=status)
        return self._next_of(self.ask(lambda store: store.list_orders(scope, query)))

    @staticmethod
    def _next_of(page: object) -> Any:
        return page.next_cursor if isinstance(page, OrderPage) and page.next_cursor else multiple()

    @rule(
        scope=scopes,
        provider=st.sampled_from(PROVIDERS),
        reference=st.sampled_from(REFERENCES),
    )
    def find_by_payment(self, scope: Scope, provider: str, reference: str) -> None:
        self.ask(lambda store: store.find_by_payment(scope.tenant_id, provider, reference))

    @rule(
        states=st.sets(st.sampled_from(list(SagaState))),
        scope=st.none() | scopes,
        limit=limits,
    )
    def list_sagas(self, states: set[SagaState], scope: Scope | None, limit: int) -> None:
        self.ask(lambda store: list(store.list_sagas(states, scope=scope, limit=limit)))

    # -- events ----------------------------------------------------------------------------

    @rule(target=sent, holder=holders, lease_s=few_seconds)
    def claim_unpublished(self, holder: str, lease_s: float) -> Any:
        """All of them: the port leaves open which come first."""

        def question(store: OrderStorage) -> list[Unpublished]:
            found = store.claim_unpublished(holder, limit=100, lease_s=lease_s)
            return sorted(found, key=lambda each: (str(each.order.scope), each.order.id))

        return multiple(*self.ask(question))

    @rule(marked=st.lists(sent, max_size=3))
    def mark_published(self, marked: Sequence[Unpublished]) -> None:
        self.ask(lambda store: store.mark_published(marked))

    # -- always ----------------------------------------------------------------------------

    @invariant()
    def agree_on_what_is_to_be_done(self) -> None:
        self.ask(lambda store: store.earliest_due())
        self.ask(lambda store: store.count_sagas())

    @invariant()
    def agree_on_every_order(self) -> None:
        for scope in SCOPES:
            self.ask(lambda store: store.list_orders(scope, OrderQuery(limit=100)))  # noqa: B023


class InventoriesAgree(SideBySide):
    """Ledger, promises and their lapsing."""

    items = st.sampled_from(ITEMS)
    reservations = st.sampled_from(KEYS)
    two_scopes = st.sampled_from(SCOPES[:2])
    demands = st.lists(st.builds(Demand, items, st.integers(1, 6)), max_size=3)
    allocations = st.sampled_from(
        [
            Allocation(),
            Allocation(AllocationModel.SOFT, ttl_s=1.0),
            Allocation(AllocationModel.SOFT, ttl_s=5.0),
            Allocation(AllocationModel.SOFT, ttl_s=0.0),
        ]
    )
    cursors = Bundle("cursors")

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryInventory(self.clock)
        self.others = self.make_others()

    def make_others(self) -> list[Inventory]:
        return [SqliteInventory(self.database, self.clock)]

    def ask(self, question: Callable[[Inventory], object]) -> Any:
        expected = answer_of(lambda: question(self.memory))
        for other in self.others:
            assert answer_of(lambda: question(other)) == expected  # noqa: B023
        return expected

    @rule(
        scope=two_scopes,
        item=items,
        delta=st.integers(-6, 20),
        movement=st.integers(0, 12),
        reason=st.sampled_from(["delivery", "delivery", "breakage"]),
    )
    def adjust(self, scope: Scope, item: StockItem, delta: int, movement: int, reason: str) -> None:
        entry = StockMovement(f"m-{movement}", item, delta, reason, self.clock.now(), "pat")
        self.ask(lambda inventory: inventory.adjust(scope, entry))

    @rule(scope=two_scopes, reservation=reservations, demands=demands, allocation=allocations)
    def reserve(
        self, scope: Scope, reservation: str, demands: list[Demand], allocation: Allocation
    ) -> None:
        self.ask(
            lambda inventory: inventory.reserve(scope, reservation, demands, allocation=allocation)
        )

    @rule(scope=two_scopes, reservation=reservations)
    def harden(self, scope: Scope, reservation: str) -> None:
        self.ask(lambda inventory: inventory.harden(scope, reservation))

    @rule(scope=two_scopes, reservation=reservations)
    def release(self, scope: Scope, reservation: str) -> None:
        self.ask(lambda inventory: inventory.release(scope, reservation))

    @rule(scope=two_scopes, reservation=reservations)
    def commit(self, scope: Scope, reservation: str) -> None:
        self.ask(lambda inventory: inventory.commit(scope, reservation, actor="worker"))

    @rule(
        target=cursors,
        scope=two_scopes,
        asked=st.none() | st.lists(items, max_size=3),
        sku=st.sampled_from([None, None, "CRUNCHY-ARMCHAIR", "LAMP"]),
        location=st.sampled_from([None, None, "default", "north"]),
        limit=limits,
        cursor=st.none() | cursors,
    )
    def levels(
        self,
        scope: Scope,
        asked: list[StockItem] | None,
        sku: str | None,
        location: str | None,
        limit: int,
        cursor: str | None,
    ) -> Any:
        page = self.ask(
            lambda inventory: inventory.levels(
                scope, items=asked, sku=sku, location=location, limit=limit, cursor=cursor
            )
        )
        return page.next_cursor or multiple()

    @rule(scope=two_scopes, item=items, limit=limits, after=st.integers(0, 4))
    def movements(self, scope: Scope, item: StockItem, limit: int, after: int) -> None:
        self.ask(lambda inventory: inventory.movements(scope, item, limit=limit, after=after))

    @invariant()
    def agree_on_every_level_and_never_oversell(self) -> None:
        for scope in SCOPES[:2]:
            page = self.ask(lambda inventory: inventory.levels(scope))  # noqa: B023
            for level in page.levels:
                ledger = self.ask(
                    lambda inventory: inventory.movements(scope, level.item, limit=1_000)  # noqa: B023
                )
                assert level.on_hand == sum(entry.quantity_delta for entry in ledger)
                assert 0 <= level.reserved <= level.on_hand


class InboxesAgree(SideBySide):
    """What was notified, who acts on it, and what became of it."""

    events = st.builds(
        ProviderEvent,
        event_id=st.sampled_from([f"evt-{number}" for number in range(6)]),
        ref=st.builds(
            PaymentRef,
            st.sampled_from(sorted({scope.tenant_id for scope in SCOPES})),
            st.sampled_from(REFERENCES),
        ),
        kind=st.sampled_from(["paid", "refunded"]),
    )
    states = st.sampled_from(list(InboxState))
    received = Bundle("received")

    def __init__(self) -> None:
        super().__init__()
        self.memory = MemoryInbox(self.clock)
        self.others = self.make_others()

    def make_others(self) -> list[WebhookInbox]:
        return [SqliteInbox(self.database, self.clock)]

    def ask(self, question: Callable[[WebhookInbox], object]) -> Any:
        expected = answer_of(lambda: question(self.memory))
        for other in self.others:
            assert answer_of(lambda: question(other)) == expected  # noqa: B023
        return expected

    @rule(
        provider=st.sampled_from(PROVIDERS),
        events=st.lists(events, max_size=4),
        age_s=st.sampled_from([0, 0, 2]),
    )
    def store(self, provider: str, events: Sequence[ProviderEvent], age_s: int) -> None:
        at = self.clock.now() - age_s * SECOND
        self.ask(lambda inbox: inbox.store(provider, events, at=at))

    @rule(target=received, holder=holders, limit=limits, lease_s=few_seconds)
    def claim_new(self, holder: str, limit: int, lease_s: float) -> Any:
        claimed = self.ask(
            lambda inbox: list(inbox.claim_new(holder, limit=limit, lease_s=lease_s))
        )
        return multiple(*claimed)

    @rule(marked=st.lists(received, max_size=3), state=states)
    def mark(self, marked: Sequence[ReceivedEvent], state: InboxState) -> None:
        self.ask(lambda inbox: inbox.mark(marked, state))

    @rule(event=events, provider=st.sampled_from(PROVIDERS))
    def look(self, event: ProviderEvent, provider: str) -> None:
        self.ask(lambda inbox: list(inbox.of_payment(provider, event.ref)))
        self.ask(
            lambda inbox: sorted(
                inbox.find_events(event.ref.tenant_id, event.event_id),
                key=lambda each: each.provider,
            )
        )

    @rule(
        states=st.sets(states),
        tenant_id=st.none() | st.sampled_from([scope.tenant_id for scope in SCOPES]),
        limit=limits,
    )
    def walk(self, states: set[InboxState], tenant_id: UUID | None, limit: int) -> None:
        """Page by page: a cursor is each store's own."""

        def question(inbox: WebhookInbox) -> list[Sequence[ReceivedEvent]]:
            pages: list[Sequence[ReceivedEvent]] = []
            cursor = None
            while True:
                page = inbox.list_events(states, tenant_id=tenant_id, limit=limit, cursor=cursor)
                pages.append(page.events)
                cursor = page.next_cursor
                if cursor is None:
                    return pages

        self.ask(question)

    @invariant()
    def agree_on_what_is_to_be_done(self) -> None:
        self.ask(lambda inbox: inbox.count_new())


class MongoStorageAgrees(StoragesAgree):
    """With MongoDB beside them; it is slower, so its lives are fewer."""

    def make_others(self) -> list[OrderStorage]:
        self.mongo = mongo_server.emptied_database()
        return [*super().make_others(), MongoStorage(self.mongo, self.clock)]

    def teardown(self) -> None:
        self.mongo.close()
        super().teardown()


class MongoInventoryAgrees(InventoriesAgree):
    """Likewise."""

    def make_others(self) -> list[Inventory]:
        self.mongo = mongo_server.emptied_database()
        return [*super().make_others(), MongoInventory(self.mongo, self.clock)]

    def teardown(self) -> None:
        self.mongo.close()
        super().teardown()


class MongoInboxAgrees(InboxesAgree):
    """Likewise."""

    def make_others(self) -> list[WebhookInbox]:
        self.mongo = mongo_server.emptied_database()
        return [*super().make_others(), MongoInbox(self.mongo, self.clock)]

    def teardown(self) -> None:
        self.mongo.close()
        super().teardown()


FEWER = settings(max_examples=max(1, settings().max_examples // 6))

TestStoragesAgree = StoragesAgree.TestCase
TestInventoriesAgree = InventoriesAgree.TestCase
TestInboxesAgree = InboxesAgree.TestCase
TestInboxesAgree.settings = settings(max_examples=max(1, settings().max_examples // 3))
TestMongoStorageAgrees = MongoStorageAgrees.TestCase
TestMongoStorageAgrees.settings = FEWER
TestMongoInventoryAgrees = MongoInventoryAgrees.TestCase
TestMongoInventoryAgrees.settings = FEWER
TestMongoInboxAgrees = MongoInboxAgrees.TestCase
TestMongoInboxAgrees.settings = settings(max_examples=max(1, settings().max_examples // 12))
