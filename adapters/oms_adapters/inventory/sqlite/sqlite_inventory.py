"""The inventory port over one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from attrs import evolve

from oms_adapters.inventory.sqlite import outbox
from oms_adapters.inventory.sqlite.audit import SqliteStockAudit
from oms_adapters.inventory.sqlite.levels import Query, levels_of_items, levels_of_scope
from oms_adapters.inventory.sqlite.tables import INVENTORY
from oms_adapters.inventory.sqlite.warehouse import TO_LAPSE, Warehouse
from oms_adapters.sqlite import SqliteDatabase
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    OutOfStock,
    Reserved,
    StockItem,
    StockLevel,
    StockMovement,
    left_after,
    movement_of_commit,
    summed,
)
from oms_core.domain.scope import Scope
from oms_core.errors import IdempotencyKeyReused, InsufficientStock
from oms_core.ports.clock import Clock, SystemClock
from oms_core.ports.cursors import decode_stock_cursor
from oms_core.ports.inventory import (
    CommitOutcome,
    HardenOutcome,
    ReserveOutcome,
    StockPage,
    as_inventory,
)
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.reservation_record import RecordState, ReservationRecord
from oms_core.ports.stock_listing import items_to_look_up, stock_page
from oms_core.ports.stock_outbox import UnpublishedStock

T = TypeVar("T")

LAPSES_MAX: Final = 500
"""Reservations that lapse in one transaction: after a quiet night there may be many."""

_MOVEMENTS: Final = """
SELECT movement_id, quantity_delta, reason, at_us, actor FROM stock_movements
WHERE tenant = ? AND org = ? AND sku = ? AND location = ? AND number > ?
ORDER BY number LIMIT ?
"""


class SqliteInventory:
    """Promises stock from *database*; implements ``Inventory``, ``StockOutbox``.

    Every call is one operation of one transaction, so that it happens whole or not at all,
    and no two see the same piece available, from whichever thread or process. SOFT
    reservations lapse by *clock*, noticed by whichever call comes next.

    Raises:
        StoreUnusable: a newer version of this program has changed the tables.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        database.migrate(INVENTORY)

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
        wanted = summed(demands)

        def run(warehouse: Warehouse, now: datetime) -> ReserveOutcome:
            reservation = warehouse.find(reservation_id)
            reservation = reservation or ReservationRecord(RecordState.LAPSED, wanted)
            if reservation.answer is not None:
                return reservation.answer
            taken = warehouse.take(reservation.demands)
            match taken:
                case OutOfStock(shortages):
                    refused = evolve(reservation, state=RecordState.REFUSED, shortages=shortages)
                    warehouse.keep(reservation_id, refused)
                case Reserved():
                    lapses_us = _lapses_us(allocation, now)
                    held = evolve(reservation, state=RecordState.HELD, lapses_us=lapses_us)
                    warehouse.keep(reservation_id, held)
            return taken

        return self._write(scope, run)

    def harden(self, scope: Scope, reservation_id: str) -> HardenOutcome:
        """Make a SOFT reservation permanent; see ``Inventory.harden``."""

        def run(warehouse: Warehouse, _now: datetime) -> HardenOutcome:
            reservation = warehouse.find(reservation_id)
            if reservation is None:
                return AlreadyReleased()
            outcome = reservation.answer or warehouse.take(reservation.demands)
            hard = evolve(reservation, state=RecordState.HELD, lapses_us=None)
            if isinstance(outcome, Reserved) and hard != reservation:
                warehouse.keep(reservation_id, hard)
            return outcome

        return self._write(scope, run)

    def release(self, scope: Scope, reservation_id: str) -> AlreadyReleased | AlreadyCommitted:
        """Make the pieces available again, for good; see ``Inventory.release``."""

        def run(warehouse: Warehouse, _now: datetime) -> AlreadyReleased | AlreadyCommitted:
            reservation = warehouse.find(reservation_id) or ReservationRecord(RecordState.LAPSED)
            if isinstance(reservation.answer, AlreadyReleased | AlreadyCommitted):
                return reservation.answer
            if reservation.state is RecordState.HELD:
                warehouse.give_back(reservation.demands)
            warehouse.keep(reservation_id, reservation.brought_to(RecordState.RELEASED))
            return AlreadyReleased()

        return self._write(scope, run)

    def commit(self, scope: Scope, reservation_id: str, *, actor: str) -> CommitOutcome:
        """Let the goods leave; see ``Inventory.commit``."""

        def run(warehouse: Warehouse, now: datetime) -> CommitOutcome:
            reservation = warehouse.find(reservation_id)
            if reservation is None:
                return AlreadyReleased()
            outcome = reservation.answer or warehouse.take(reservation.demands)
            if not isinstance(outcome, Reserved):
                return outcome
            warehouse.give_back(reservation.demands)
            for demand in reservation.demands:
                warehouse.book(movement_of_commit(reservation_id, demand, at=now, actor=actor))
            warehouse.keep(reservation_id, reservation.brought_to(RecordState.COMMITTED))
            return AlreadyCommitted()

        return self._write(scope, run)

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
        part = summed(demands)

        def run(warehouse: Warehouse, now: datetime) -> CommitOutcome:
            if warehouse.find(part_id) is not None:
                return AlreadyCommitted()
            reservation = warehouse.find(reservation_id)
            if reservation is None:
                return AlreadyReleased()
            outcome = reservation.answer or warehouse.take(reservation.demands)
            if not isinstance(outcome, Reserved | AlreadyCommitted):
                return outcome
            left = left_after(_held(reservation), part)
            if isinstance(left, OutOfStock):
                if reservation.state is RecordState.LAPSED:
                    warehouse.give_back(reservation.demands)
                return left
            warehouse.give_back(part)
            for demand in part:
                warehouse.book(movement_of_commit(part_id, demand, at=now, actor=actor))
            warehouse.keep(part_id, ReservationRecord(RecordState.COMMITTED, part))
            state = RecordState.HELD if left else RecordState.COMMITTED
            rest = evolve(reservation.brought_to(state), demands=left)
            warehouse.keep(reservation_id, rest)
            return AlreadyCommitted()

        return self._write(scope, run)

    # -- counting --------------------------------------------------------------------------

    def adjust(self, scope: Scope, movement: StockMovement) -> StockLevel:
        """Append *movement* to the ledger once; see ``Inventory.adjust``."""

        def run(warehouse: Warehouse, _now: datetime) -> StockLevel:
            item = movement.item
            known = warehouse.known_movement(movement.movement_id)
            if known is not None:
                # When it is sent again, the time differs, and perhaps who sends it.
                if known != (item, movement.quantity_delta, movement.reason):
                    raise IdempotencyKeyReused
                return warehouse.level(item)
            if movement.quantity_delta < 0:
                available = warehouse.level(item).available
                if available < -movement.quantity_delta:
                    raise InsufficientStock(item.sku, item.location, available)
            return warehouse.book(movement)

        return self._write(scope, run)

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
        after = None if cursor is None else decode_stock_cursor(cursor)
        self._lapse(scope)
        if items is None:
            found = self._levels(levels_of_scope(scope, sku, location, after, limit + 1))
        else:
            wanted = items_to_look_up(items, sku=sku, location=location, after=after, limit=limit)
            found = sorted(self._levels(levels_of_items(scope, wanted))) if wanted else []
        levels = [
            StockLevel(StockItem(sku, location), on_hand, reserved)
            for sku, location, on_hand, reserved in found
        ]
        return stock_page(levels, limit)

    def movements(
        self, scope: Scope, item: StockItem, *, limit: int = 100, after: int = 0
    ) -> tuple[StockMovement, ...]:
        """Return the ledger of *item*; see ``Inventory.movements``."""
        place = (scope.tenant_id.bytes, scope.org_id.bytes, item.sku, item.location)
        rows = self._read(
            lambda connection: connection.execute(_MOVEMENTS, (*place, after, limit)).fetchall()
        )
        return tuple(
            StockMovement(movement_id, item, delta, reason, from_microseconds(at_us), actor)
            for movement_id, delta, reason, at_us, actor in rows
        )

    # -- events ----------------------------------------------------------------------------

    def claim_unpublished(
        self,
        holder: str,  # noqa: ARG002 - the token tells claims apart, and nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[UnpublishedStock]:
        """Claim items whose ledger has grown; see ``StockOutbox.claim_unpublished``."""
        now_us = to_microseconds(self._clock.now())
        if not self._read(
            lambda connection: connection.execute(outbox.WAITING, (now_us, 1)).fetchall()
        ):
            return []

        def run(connection: sqlite3.Connection) -> list[UnpublishedStock]:
            now = self._clock.now()
            until_us = to_microseconds(now + timedelta(seconds=lease_s))
            return outbox.claim(
                connection, now_us=to_microseconds(now), until_us=until_us, limit=limit
            )

        return self._change(run)

    def mark_published(self, sent: Sequence[UnpublishedStock]) -> None:
        """Record that entries left; see ``StockOutbox.mark_published``."""
        if sent:
            now_us = to_microseconds(self._clock.now())
            self._change(lambda connection: outbox.mark(connection, sent, now_us=now_us))

    def ping(self) -> None:
        """Write and flush a little; see ``Inventory.ping``."""
        with as_inventory():
            self._database.ping()

    def stock_audit(self) -> SqliteStockAudit:
        """Look into it; see ``AuditableInventory.stock_audit``."""
        return SqliteStockAudit(self._database)

    # ------------------------------------------------------------------------------------

    def _levels(self, query: Query) -> list[tuple[str, str, int, int]]:
        return self._read(lambda connection: connection.execute(*query).fetchall())

    def _lapse(self, scope: Scope) -> None:
        """Let lapse what is over its time, before a read. Mostly there is nothing."""
        now_us = to_microseconds(self._clock.now())
        first = (scope.tenant_id.bytes, scope.org_id.bytes, now_us, 1)
        if self._read(lambda connection: connection.execute(TO_LAPSE, first).fetchall()):
            self._write(scope, lambda _warehouse, _now: None)

    def _write(self, scope: Scope, run: Callable[[Warehouse, datetime], T]) -> T:
        """Run *run* once everything that is over its time has lapsed."""

        def lapse_and_run(connection: sqlite3.Connection) -> tuple[T] | None:
            now = self._clock.now()
            warehouse = Warehouse(connection, scope)
            if warehouse.lapse(to_microseconds(now), LAPSES_MAX) == LAPSES_MAX:
                return None
            return (run(warehouse, now),)

        # More lapses than one transaction should hold up the others for: take turns.
        while (answer := self._change(lapse_and_run)) is None:
            pass
        return answer[0]

    def _change(self, run: Callable[[sqlite3.Connection], T]) -> T:
        with as_inventory():
            return self._database.write(run)

    def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        with as_inventory():
            return self._database.read(run)


def _lapses_us(allocation: Allocation, now: datetime) -> int | None:
    if allocation.model is not AllocationModel.SOFT:
        return None
    return to_microseconds(now + timedelta(seconds=allocation.ttl_s))


def _held(reservation: ReservationRecord) -> tuple[Demand, ...]:
    """Tell what has not left yet of a reservation that is held, or was just taken again."""
    return () if reservation.state is RecordState.COMMITTED else reservation.demands
