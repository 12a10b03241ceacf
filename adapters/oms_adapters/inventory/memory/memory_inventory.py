"""The inventory port over plain objects and one lock."""

from __future__ import annotations

import threading
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from oms_adapters.inventory.memory import outbox
from oms_adapters.inventory.memory.audit import MemoryStockAudit
from oms_adapters.inventory.memory.warehouse import Reservation, Warehouse
from oms_core.domain.inventory import (
    AllocationModel,
    AlreadyCommitted,
    AlreadyReleased,
    OutOfStock,
    Reserved,
    left_after,
    movement_of_commit,
    summed,
)
from oms_core.errors import IdempotencyKeyReused, InsufficientStock
from oms_core.ports.clock import SystemClock
from oms_core.ports.cursors import decode_stock_cursor
from oms_core.ports.stock_listing import stock_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from oms_core.domain.inventory import (
        Allocation,
        Demand,
        StockItem,
        StockLevel,
        StockMovement,
    )
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.inventory import CommitOutcome, HardenOutcome, ReserveOutcome, StockPage
    from oms_core.ports.stock_outbox import UnpublishedStock


class MemoryInventory:
    """Promises stock from the memory of this process; implements ``Inventory``, ``StockOutbox``.

    Every call is one turn of one lock, so that it happens whole or not at all. SOFT
    reservations lapse by *clock* (by default the machine's), noticed by whichever call comes next.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._warehouses: defaultdict[Scope, Warehouse] = defaultdict(Warehouse)

    # -- promising -------------------------------------------------------------------------

    def reserve(
        self,
        scope: Scope,
        reservation_id: str,
        demands: Sequence[Demand],
        *,
        allocation: Allocation,
    ) -> ReserveOutcome:
        """Promise all of *demands* or nothing; see ``Inventory.reserve``."""
        now = self._clock.now()
        soft = allocation.model is AllocationModel.SOFT
        until = now + timedelta(seconds=allocation.ttl_s) if soft else None
        with self._lock:
            warehouse = self._warehouse(scope, now)
            reservation = warehouse.reservations.get(reservation_id)
            if reservation is None:
                reservation = Reservation(summed(demands))
                warehouse.reservations[reservation_id] = reservation
            if reservation.answer is None:
                reservation.answer = warehouse.hold(reservation, until)
            return reservation.answer

    def harden(self, scope: Scope, reservation_id: str) -> HardenOutcome:
        """Make a SOFT reservation permanent; see ``Inventory.harden``."""
        now = self._clock.now()
        with self._lock:
            warehouse = self._warehouse(scope, now)
            reservation = warehouse.reservations.get(reservation_id)
            if reservation is None:
                return AlreadyReleased()
            if reservation.answer is None:
                return warehouse.hold(reservation, None)
            reservation.expires_at = None
            return reservation.answer

    def release(self, scope: Scope, reservation_id: str) -> AlreadyReleased | AlreadyCommitted:
        """Make the pieces available again, for good; see ``Inventory.release``."""
        now = self._clock.now()
        with self._lock:
            warehouse = self._warehouse(scope, now)
            reservation = warehouse.reservations.setdefault(reservation_id, Reservation(()))
            if isinstance(reservation.answer, AlreadyCommitted | AlreadyReleased):
                return reservation.answer
            released = AlreadyReleased()
            warehouse.let_go(reservation, released)
            return released

    def commit(self, scope: Scope, reservation_id: str, *, actor: str) -> CommitOutcome:
        """Let the goods leave; see ``Inventory.commit``."""
        now = self._clock.now()
        with self._lock:
            warehouse = self._warehouse(scope, now)
            reservation = warehouse.reservations.get(reservation_id)
            if reservation is None:
                return AlreadyReleased()
            outcome = reservation.answer or warehouse.hold(reservation, None)
            if not isinstance(outcome, Reserved):
                return outcome
            committed = AlreadyCommitted()
            warehouse.let_go(reservation, committed)
            for demand in reservation.demands:
                warehouse.book(movement_of_commit(reservation_id, demand, at=now, actor=actor))
            return committed

    def commit_part(
        self,
        scope: Scope,
        reservation_id: str,
        part_id: str,
        demands: Sequence[Demand],
        *,
        actor: str,
    ) -> CommitOutcome:
        """Let a part of a reservation's goods leave; see ``Inventory.commit_part``."""
        now = self._clock.now()
        part = summed(demands)
        with self._lock:
            warehouse = self._warehouse(scope, now)
            if part_id in warehouse.reservations:
                return AlreadyCommitted()
            reservation = warehouse.reservations.get(reservation_id)
            if reservation is None:
                return AlreadyReleased()
            outcome = reservation.answer or warehouse.hold(reservation, None)
            if not isinstance(outcome, Reserved | AlreadyCommitted):
                return outcome
            held = reservation.demands if reservation.is_held else ()
            left = left_after(held, part)
            if isinstance(left, OutOfStock):
                return left
            committed = AlreadyCommitted()
            warehouse.split(reservation, left)
            if not left:
                warehouse.let_go(reservation, committed)
            warehouse.reservations[part_id] = Reservation(part, committed)
            for demand in part:
                warehouse.book(movement_of_commit(part_id, demand, at=now, actor=actor))
            return committed

    # -- counting --------------------------------------------------------------------------

    def adjust(self, scope: Scope, movement: StockMovement) -> StockLevel:
        """Append *movement* to the ledger once; see ``Inventory.adjust``."""
        with self._lock:
            warehouse = self._warehouse(scope, self._clock.now())
            level = warehouse.level(movement.item)
            known = warehouse.movements.get(movement.movement_id)
            if known is not None:
                if _what(known) != _what(movement):
                    raise IdempotencyKeyReused
                return level
            if movement.quantity_delta < 0 and level.available < -movement.quantity_delta:
                item = movement.item
                raise InsufficientStock(item.sku, item.location, level.available)
            return warehouse.book(movement)

    def levels(
        self,
        scope: Scope,
        *,
        items: Sequence[StockItem] | None = None,
        sku: str | None = None,
        location: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> StockPage:
        """Return stock levels, sorted; see ``Inventory.levels``."""
        last = None if cursor is None else decode_stock_cursor(cursor)
        after = None if last is None else (last.sku, last.location)
        with self._lock:
            found = self._warehouse(scope, self._clock.now()).page(
                items=items, sku=sku, location=location, after=after, limit=limit + 1
            )
        return stock_page(found, limit)

    def movements(
        self, scope: Scope, item: StockItem, *, limit: int = 100, after: int = 0
    ) -> tuple[StockMovement, ...]:
        """Return the ledger of *item*; see ``Inventory.movements``."""
        with self._lock:
            ledger = self._warehouse(scope, self._clock.now()).ledger(item)
            return tuple(ledger[after : after + limit])

    # -- events ----------------------------------------------------------------------------

    def claim_unpublished(
        self,
        holder: str,  # noqa: ARG002 - the token tells claims apart, and nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[UnpublishedStock]:
        """Claim items whose ledger has grown; see ``StockOutbox.claim_unpublished``."""
        now = self._clock.now()
        with self._lock:
            return outbox.claim(self._warehouses, now=now, limit=limit, lease_s=lease_s)

    def mark_published(self, sent: Sequence[UnpublishedStock]) -> None:
        """Record that entries left; see ``StockOutbox.mark_published``."""
        with self._lock:
            outbox.mark(self._warehouses, sent)

    def ping(self) -> None:
        """Memory is always there; see ``Inventory.ping``."""

    def stock_audit(self) -> MemoryStockAudit:
        """Look into it; see ``AuditableInventory.stock_audit``."""
        return MemoryStockAudit(self._warehouses, self._lock)

    # ------------------------------------------------------------------------------------

    def _warehouse(self, scope: Scope, now: datetime) -> Warehouse:
        warehouse = self._warehouses[scope]
        warehouse.lapse(now)
        return warehouse


def _what(movement: StockMovement) -> tuple[StockItem, int, str]:
    """Name what makes a repeat the same request: when it is sent again, the time differs."""
    return (movement.item, movement.quantity_delta, movement.reason)
