"""The stock audit port over an inventory in memory."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from oms_core.domain.inventory import StockItem
from oms_core.ports.stock_audit import HeldPromise, StockBooks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from threading import Lock

    from oms_adapters.inventory.memory.warehouse import Reservation, Warehouse
    from oms_core.domain.scope import Scope


class MemoryStockAudit:
    """Looks into *warehouses* under their lock; implements ``StockAudit``."""

    def __init__(self, warehouses: Mapping[Scope, Warehouse], lock: Lock) -> None:
        self._warehouses = warehouses
        self._lock = lock

    def scopes(self, *, after: Scope | None = None, limit: int) -> Sequence[Scope]:
        """List the scopes that have stock; see ``StockAudit.scopes``."""
        with self._lock:
            found = sorted(filter(self._has_stock, self._warehouses), key=_name)
        return [scope for scope in found if after is None or _name(scope) > _name(after)][:limit]

    def _has_stock(self, scope: Scope) -> bool:
        page = self._warehouses[scope].page
        return bool(page(items=None, sku=None, location=None, after=None, limit=1))

    def books(
        self, scope: Scope, *, after: StockItem | None = None, limit: int
    ) -> Sequence[StockBooks]:
        """Return the books of items; see ``StockAudit.books``."""
        place = None if after is None else (after.sku, after.location)
        with self._lock:
            warehouse = self._warehouses.get(scope)
            if warehouse is None:
                return []
            promised = _sum_of(warehouse.reservations.values())
            levels = warehouse.page(items=None, sku=None, location=None, after=place, limit=limit)
            return [
                StockBooks(
                    level.item,
                    level.on_hand,
                    level.reserved,
                    sum(entry.quantity_delta for entry in warehouse.ledger(level.item)),
                    promised[level.item],
                )
                for level in levels
            ]

    def promises(
        self, scope: Scope, *, after: str | None = None, limit: int
    ) -> Sequence[HeldPromise]:
        """List what is held; see ``StockAudit.promises``."""
        with self._lock:
            warehouse = self._warehouses.get(scope)
            held = [] if warehouse is None else _held(warehouse.reservations.items())
        held.sort(key=lambda promise: promise.reservation_id)
        return [one for one in held if after is None or one.reservation_id > after][:limit]

    def promises_of(
        self, scope: Scope, reservation_ids: Collection[str]
    ) -> Mapping[str, HeldPromise]:
        """Return those that are held; see ``StockAudit.promises_of``."""
        with self._lock:
            warehouse = self._warehouses.get(scope)
            known = {} if warehouse is None else warehouse.reservations
            asked = [(name, known[name]) for name in reservation_ids if name in known]
            return {one.reservation_id: one for one in _held(asked)}


def _held(reservations: Iterable[tuple[str, Reservation]]) -> list[HeldPromise]:
    return [
        HeldPromise(name, one.demands, one.expires_at is not None)
        for name, one in reservations
        if one.is_held
    ]


def _sum_of(reservations: Iterable[Reservation]) -> Counter[StockItem]:
    promised = Counter[StockItem]()
    for reservation in reservations:
        if reservation.is_held:
            for demand in reservation.demands:
                promised[demand.item] += demand.quantity
    return promised


def _name(scope: Scope) -> tuple[int, int]:
    return scope.tenant_id.int, scope.org_id.int
