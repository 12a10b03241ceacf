"""One scope's stock, as far as one transaction reaches."""

from __future__ import annotations

import sqlite3
from typing import Final

from oms_adapters.inventory.sqlite.reservation import (
    demands_from_text,
    demands_to_text,
    shortages_from_text,
    shortages_to_text,
)
from oms_core.domain.inventory import (
    Demand,
    OutOfStock,
    Reserved,
    Shortage,
    StockItem,
    StockLevel,
    StockMovement,
)
from oms_core.domain.scope import Scope
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.reservation_record import RecordState, ReservationRecord

_LEVEL: Final = """
SELECT on_hand, reserved FROM stock WHERE tenant = ? AND org = ? AND sku = ? AND location = ?
"""

_TAKE: Final = """
UPDATE stock SET reserved = reserved + ?
WHERE tenant = ? AND org = ? AND sku = ? AND location = ? AND on_hand - reserved >= ?
"""

_GIVE_BACK: Final = """
UPDATE stock SET reserved = reserved - ?
WHERE tenant = ? AND org = ? AND sku = ? AND location = ?
"""

_COUNT: Final = """
UPDATE stock SET on_hand = on_hand + ?, entries = entries + 1
WHERE tenant = ? AND org = ? AND sku = ? AND location = ?
RETURNING on_hand, reserved, entries
"""

_COUNT_FIRST: Final = """
INSERT INTO stock (on_hand, tenant, org, sku, location, reserved, entries)
VALUES (?, ?, ?, ?, ?, 0, 1)
RETURNING on_hand, reserved, entries
"""

_ENTER: Final = """
INSERT INTO stock_movements (
    tenant, org, sku, location, number, movement_id, quantity_delta, reason, at_us, actor
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_KNOWN: Final = """
SELECT sku, location, quantity_delta, reason
FROM stock_movements WHERE tenant = ? AND org = ? AND movement_id = ?
"""

_FIND: Final = """
SELECT state, demands, shortages, lapses_us
FROM stock_reservations WHERE tenant = ? AND org = ? AND id = ?
"""

_KEEP: Final = """
INSERT INTO stock_reservations (tenant, org, id, state, demands, shortages, lapses_us)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, org, id) DO UPDATE
SET state = excluded.state, demands = excluded.demands, shortages = excluded.shortages,
    lapses_us = excluded.lapses_us
"""

TO_LAPSE: Final = """
SELECT id FROM stock_reservations INDEXED BY stock_reservations_to_lapse
WHERE tenant = ? AND org = ? AND lapses_us <= ? ORDER BY lapses_us LIMIT ?
"""


class Warehouse:
    """The stock of one scope. Whoever uses it is inside a write, and so alone."""

    def __init__(self, connection: sqlite3.Connection, scope: Scope) -> None:
        self._connection = connection
        self._scope = (scope.tenant_id.bytes, scope.org_id.bytes)

    # -- counting --------------------------------------------------------------------------

    def level(self, item: StockItem) -> StockLevel:
        """Tell the level of *item*, known or not."""
        row = self._connection.execute(_LEVEL, self._place(item)).fetchone()
        return StockLevel(item, *(row or (0, 0)))

    def book(self, movement: StockMovement) -> StockLevel:
        """Append *movement* to the ledger; the item is known from now on."""
        place = self._place(movement.item)
        counted = (movement.quantity_delta, *place)
        rows = self._connection.execute(_COUNT, counted).fetchall()
        rows = rows or self._connection.execute(_COUNT_FIRST, counted).fetchall()
        [(on_hand, reserved, number)] = rows
        entry = (
            movement.movement_id,
            movement.quantity_delta,
            movement.reason,
            to_microseconds(movement.at),
            movement.actor,
        )
        self._connection.execute(_ENTER, (*place, number, *entry))
        return StockLevel(movement.item, on_hand, reserved)

    def known_movement(self, movement_id: str) -> tuple[StockItem, int, str] | None:
        """Tell what the ledger has under this id: item, quantity and reason."""
        row = self._connection.execute(_KNOWN, (*self._scope, movement_id)).fetchone()
        if row is None:
            return None
        sku, location, quantity_delta, reason = row
        return StockItem(sku, location), quantity_delta, reason

    # -- promising -------------------------------------------------------------------------

    def find(self, reservation_id: str) -> ReservationRecord | None:
        """Read a reservation."""
        row = self._connection.execute(_FIND, (*self._scope, reservation_id)).fetchone()
        if row is None:
            return None
        state, demands, shortages, lapses_us = row
        return ReservationRecord(
            RecordState(state),
            demands_from_text(demands),
            shortages_from_text(shortages) if shortages is not None else (),
            lapses_us,
        )

    def keep(self, reservation_id: str, reservation: ReservationRecord) -> None:
        """Write a reservation over what is known of it."""
        shortages = shortages_to_text(reservation.shortages) if reservation.shortages else None
        self._connection.execute(
            _KEEP,
            (
                *self._scope,
                reservation_id,
                reservation.state.value,
                demands_to_text(reservation.demands),
                shortages,
                reservation.lapses_us,
            ),
        )

    def take(self, demands: tuple[Demand, ...]) -> Reserved | OutOfStock:
        """Take every piece that is asked for, or none."""
        for index, demand in enumerate(demands):
            place, quantity = self._place(demand.item), demand.quantity
            if not self._connection.execute(_TAKE, (quantity, *place, quantity)).rowcount:
                self.give_back(demands[:index])
                return OutOfStock(self._shortages(demands))
        return Reserved()

    def give_back(self, demands: tuple[Demand, ...]) -> None:
        """Make pieces that were taken available again."""
        self._connection.executemany(
            _GIVE_BACK, [(demand.quantity, *self._place(demand.item)) for demand in demands]
        )

    def lapse(self, now_us: int, limit: int) -> int:
        """Let up to *limit* SOFT reservations lapse whose time is over; returns how many did."""
        ids = self._connection.execute(TO_LAPSE, (*self._scope, now_us, limit)).fetchall()
        for (reservation_id,) in ids:
            reservation = self.find(reservation_id)
            if reservation is not None:
                self.give_back(reservation.demands)
                self.keep(reservation_id, reservation.brought_to(RecordState.LAPSED))
        return len(ids)

    def _shortages(self, demands: tuple[Demand, ...]) -> list[Shortage]:
        return [
            Shortage(demand.item, demand.quantity, available)
            for demand in demands
            if (available := self.level(demand.item).available) < demand.quantity
        ]

    def _place(self, item: StockItem) -> tuple[bytes, bytes, str, str]:
        return (*self._scope, item.sku, item.location)
