"""The storage port over plain objects and one lock."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta
from itertools import count, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from attrs import evolve

from oms_adapters.storage.memory.due_orders import DueOrders
from oms_adapters.storage.memory.job_turns import MemoryJobTurns
from oms_adapters.storage.memory.outbox import Outbox
from oms_adapters.storage.memory.record import PaymentKey, Record
from oms_adapters.storage.memory.shelf import Shelf, by_position, matches, position_of, upper_bound
from oms_adapters.storage.memory.sorted_index import SortedIndex
from oms_adapters.storage.memory.work_signal import Bell, MemorySignal
from oms_core.domain.saga_position import SagaState
from oms_core.errors import LeaseLost, OrderNotFound, PaymentReferenceInUse, StaleVersion
from oms_core.ports.clock import SystemClock
from oms_core.ports.cursors import (
    OrderPosition,
    encode_order_cursor,
    order_position,
    position_to_continue_from,
)
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.storage import Added, AlreadyThere, Claim, KeptOrder, OrderPage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.storage import Lease, OrderPlace, OrderQuery, Unpublished, Walked

CHUNK: Final = 1_024
"""How many orders a filtered listing looks at between two turns of the lock."""

UNFINISHED: Final = tuple(state for state in SagaState if state is not SagaState.FINISHED)


class MemoryStorage:
    """Keeps orders in the memory of this process; implements ``OrderStorage``.

    Everything a caller may wait for is one lock, held for microseconds. Leases are compared
    with *clock* (by default the machine's). What was acknowledged lives exactly as long as the
    process does: for tests, for trying things out, and for programs whose orders need not
    outlive them.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._numbers = count()
        self._shelves: defaultdict[Scope, Shelf] = defaultdict(Shelf)
        self._paid_by: dict[PaymentKey, Record] = {}
        self._was_paid_by: dict[PaymentKey, Record] = {}
        """The dead order of a payment reference that was created last."""
        self._due = DueOrders()
        self._outbox = Outbox()
        self._bell = Bell()
        self._turns = MemoryJobTurns(self._clock)
        self._sagas = {state: by_position() for state in UNFINISHED}
        self._walk = SortedIndex[Record](attrgetter("walk_place"))

    # -- single orders ---------------------------------------------------------------------

    def add(
        self, order: Order, *, holder: str | None = None, lease_s: float = 0.0
    ) -> Added | AlreadyThere:
        """Store a new order; see ``OrderStorage.add``."""
        until = None if holder is None else self._from_now(lease_s)
        payment_key = _payment_key(order)
        with self._lock:
            shelf = self._shelves[order.scope]
            there = shelf.records.get(order.id)
            if there is not None:
                return AlreadyThere(there.order)
            if payment_key in self._paid_by:
                raise PaymentReferenceInUse
            record = Record(order, next(self._numbers), payment_key)
            if payment_key is not None:
                self._paid_by[payment_key] = record
            self._index_dead(record)
            shelf.add(record)
            self._walk.add(record)
            self._index_saga(record, None)
            claim = None if holder is None or until is None else record.claim(holder, until)
            self._due.place(record)
            self._outbox.offer(record)
        if claim is None:
            self._bell.ring()
        return Added(order, claim)

    def get(self, scope: Scope, order_id: UUID) -> Order:
        """Read one order; see ``OrderStorage.get``."""
        with self._lock:
            return self._find(scope, order_id).order

    def find_by_payment(self, tenant_id: UUID, provider: str, reference: str) -> Order | None:
        """Find the order a payment belongs to; see ``OrderStorage.find_by_payment``."""
        payment_key = (tenant_id, provider, reference)
        with self._lock:
            record = self._paid_by.get(payment_key) or self._was_paid_by.get(payment_key)
            return None if record is None else record.order

    def save(self, order: Order) -> Order:
        """Replace the order without a lease; see ``OrderStorage.save``."""
        with self._lock:
            record = self._find(order.scope, order.id)
            saved = self._replace(record, order)
            self._due.place(record)
        self._bell.ring()
        return saved

    def checkpoint(self, order: Order, lease: Lease, *, extend_s: float | None) -> Claim:
        """Replace the order under a lease; see ``OrderStorage.checkpoint``."""
        until = None if extend_s is None else self._from_now(extend_s)
        with self._lock:
            record = self._find(order.scope, order.id)
            if not record.is_held_under(lease):
                raise LeaseLost(order.id)
            saved = self._replace(record, order)
            record.deliveries = 0
            if until is None:
                record.let_go()
            else:
                record.leased_until = until
            self._due.place(record)
        return Claim(saved, evolve(lease, expires_at=until or lease.expires_at))

    # -- listing ---------------------------------------------------------------------------

    def list_orders(self, scope: Scope, query: OrderQuery) -> OrderPage:
        """List orders of one scope, newest first; see ``OrderStorage.list_orders``."""
        after = position_to_continue_from(query)
        found = list(islice(self._matching(scope, query, after), query.limit + 1))
        page = tuple(found[: query.limit])
        goes_on = len(found) > len(page) > 0
        return OrderPage(page, encode_order_cursor(order_position(page[-1])) if goes_on else None)

    def walk(
        self,
        *,
        after: OrderPlace | None = None,
        limit: int,
        tenant_id: UUID | None = None,
        org_id: UUID | None = None,
    ) -> Sequence[Walked]:
        """Walk through all orders; see ``OrderStorage.walk``."""
        wanted: tuple[int, ...] = () if tenant_id is None else (tenant_id.int,)
        if tenant_id is not None and org_id is not None:
            wanted += (org_id.int,)
        # A tuple that others only begin with sorts before them.
        start: tuple[int, ...] = wanted
        if after is not None:
            scope = after.scope
            behind = (scope.tenant_id.int, scope.org_id.int, after.order_id.int)
            start = max(start, behind)
        with self._lock:
            return [
                KeptOrder(
                    record.order,
                    record.published,
                    record.holder,
                    record.leased_until,
                )
                for record in self._walk.above(start, limit)
                if record.walk_place[: len(wanted)] == wanted
            ]

    def list_sagas(
        self, states: Collection[SagaState], *, scope: Scope | None = None, limit: int = 50
    ) -> Sequence[Order]:
        """List orders by the state of their saga; see ``OrderStorage.list_sagas``."""
        wanted = [state for state in UNFINISHED if state in states]
        with self._lock:
            indexes = [self._sagas[state] for state in wanted]
            limit_each = limit if scope is None else None
            records = [record for index in indexes for record in index.lowest(limit_each)]
        records.sort(key=position_of)
        orders = (record.order for record in records)
        fitting = (
            order
            for order in orders
            if order.saga.state in wanted and (scope is None or order.scope == scope)
        )
        return list(islice(fitting, limit))

    def count_sagas(self) -> dict[SagaState, int]:
        """Count the unfinished sagas by state; see ``OrderStorage.count_sagas``."""
        with self._lock:
            return {state: len(index) for state, index in self._sagas.items()}

    # -- sharing out work ------------------------------------------------------------------

    def claim_due(
        self,
        holder: str,
        *,
        limit: int,
        lease_s: float,
        definitions: Collection[str],
        passing_over: Collection[UUID] = (),
    ) -> Sequence[Claim]:
        """Claim orders that are due; see ``OrderStorage.claim_due``."""
        now = self._clock.now()
        until = now + timedelta(seconds=lease_s)
        claims = []
        with self._lock:
            for record in self._due.take(now, limit, definitions, passing_over):
                claims.append(record.claim(holder, until))
                self._due.place(record)
        return claims

    def claim(self, scope: Scope, order_id: UUID, holder: str, *, lease_s: float) -> Claim | None:
        """Claim one order, due or not; see ``OrderStorage.claim``."""
        now = self._clock.now()
        with self._lock:
            record = self._find(scope, order_id)
            if record.is_leased(now):
                return None
            claimed = record.claim(holder, now + timedelta(seconds=lease_s))
            self._due.place(record)
        return claimed

    def release(self, lease: Lease) -> None:
        """Give a claim back untouched; see ``OrderStorage.release``."""
        with self._lock:
            record = self._peek(lease.scope, lease.order_id)
            if record is not None and record.is_held_under(lease):
                record.let_go()
                record.deliveries = max(0, record.deliveries - 1)
                self._due.place(record)
        self._bell.ring()

    def listen(self) -> MemorySignal:
        """Listen for work; see ``OrderStorage.listen``."""
        return MemorySignal(self._bell)

    def job_turns(self) -> MemoryJobTurns:
        """Share scheduled jobs out; see ``OrderStorage.job_turns``."""
        return self._turns

    def earliest_due(self) -> datetime | None:
        """Tell when there is something to claim; see ``OrderStorage.earliest_due``."""
        now = self._clock.now()
        with self._lock:
            return self._due.earliest(now)

    # -- events ----------------------------------------------------------------------------

    def claim_unpublished(
        self,
        holder: str,  # noqa: ARG002 - the token tells claims apart, and nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[Unpublished]:
        """Claim orders whose events have not left; see ``OrderStorage.claim_unpublished``."""
        now = self._clock.now()
        with self._lock:
            return self._outbox.claim(now, limit, now + timedelta(seconds=lease_s))

    def unpublished_since(self) -> datetime | None:
        """Tell since when events wait; see ``OrderStorage.unpublished_since``."""
        now = self._clock.now()
        with self._lock:
            return self._outbox.waits_since(now)

    def mark_published(self, sent: Sequence[Unpublished]) -> None:
        """Record that events left; see ``OrderStorage.mark_published``."""
        with self._lock:
            for claim in sent:
                record = self._peek(claim.order.scope, claim.order.id)
                if record is not None:
                    self._outbox.mark(record, claim)

    # -- the store itself ------------------------------------------------------------------

    def ping(self) -> None:
        """Memory is always there; see ``OrderStorage.ping``."""

    def close(self) -> None:
        """Nothing is open; the orders stay readable. See ``OrderStorage.close``."""

    # ---------------------------------------------------------------------- under the lock

    def _find(self, scope: Scope, order_id: UUID) -> Record:
        record = self._peek(scope, order_id)
        if record is None:
            raise OrderNotFound(order_id)
        return record

    def _peek(self, scope: Scope, order_id: UUID) -> Record | None:
        shelf = self._shelves.get(scope)
        return shelf.records.get(order_id) if shelf is not None else None

    def _replace(self, record: Record, order: Order) -> Order:
        """Store the next version of *order*, or change nothing."""
        before = record.order
        if order.version != before.version:
            raise StaleVersion(order.id)
        payment_key = _payment_key(order)
        if payment_key != record.payment_key:
            if payment_key in self._paid_by:
                raise PaymentReferenceInUse
            if record.payment_key is not None:
                del self._paid_by[record.payment_key]
            if payment_key is not None:
                self._paid_by[payment_key] = record
            record.payment_key = payment_key
        record.order = saved = evolve(order, version=order.version + 1)
        self._index_dead(record)
        self._shelves[order.scope].move(record, before)
        self._index_saga(record, before)
        self._outbox.offer(record)
        return saved

    def _index_dead(self, record: Record) -> None:
        if record.payment_key is not None:
            return
        payment = record.order.payment
        payment_key = (record.order.scope.tenant_id, payment.provider, payment.reference)
        known = self._was_paid_by.get(payment_key)
        if known is None or known.position < record.position:
            self._was_paid_by[payment_key] = record

    def _index_saga(self, record: Record, before: Order | None) -> None:
        was = before.saga.state if before is not None else None
        now = record.order.saga.state
        if now is was:
            return
        if was is not None and was in self._sagas:
            self._sagas[was].remove(record)
        if now in self._sagas:
            self._sagas[now].add(record)

    # ------------------------------------------------------------------------------------

    def _from_now(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    def _matching(
        self, scope: Scope, query: OrderQuery, after: OrderPosition | None
    ) -> Iterator[Order]:
        """Yield what *query* asks for, newest first, looking at one chunk at a time.

        The lock is held only while a chunk is copied: a search through everything holds up
        nobody. What arrives meanwhile is newer than the chunk, so that nothing comes twice.
        """
        to_skip = query.offset
        oldest_us = to_microseconds(query.created_from) if query.created_from else None
        while True:
            with self._lock:
                shelf = self._shelves.get(scope)
                if shelf is None:
                    return
                index, holds_no_others = shelf.candidates(query)
                chunk_size = query.limit + 1 if holds_no_others else CHUNK
                skipped = to_skip if holds_no_others else 0
                below = upper_bound(query, after)
                chunk = index.highest(chunk_size, below=below, skip=skipped)
            to_skip -= skipped
            for record in chunk:
                order = record.order
                if oldest_us is not None and record.position[0] < oldest_us:
                    return
                if not matches(order, query):
                    continue
                if to_skip:
                    to_skip -= 1
                else:
                    yield order
            if len(chunk) < chunk_size:
                return
            after = order_position(chunk[-1].order)


def _payment_key(order: Order) -> PaymentKey | None:
    """Name the payment reference that *order* occupies, if it still does."""
    if order.payment_is_free_again:
        return None
    return (order.scope.tenant_id, order.payment.provider, order.payment.reference)
