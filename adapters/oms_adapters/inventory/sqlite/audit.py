"""The stock audit port over one SQLite file."""

# ruff: noqa: S608 - texts of constants; every value is a parameter

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from oms_adapters.inventory.sqlite.reservation import demands_from_text
from oms_adapters.sqlite import SqliteDatabase
from oms_core.domain.inventory import StockItem
from oms_core.domain.scope import Scope
from oms_core.ports.inventory import as_inventory
from oms_core.ports.reservation_record import RecordState
from oms_core.ports.stock_audit import HeldPromise, StockBooks

_SCOPES: Final = """
SELECT tenant, org FROM stock WHERE (tenant, org) > (?, ?)
ORDER BY tenant, org LIMIT 1
"""
"""The next one only: all items of a scope are passed over by the index."""

_BOOKS: Final = f"""
WITH
page AS (
    SELECT sku, location, on_hand, reserved FROM stock
    WHERE tenant = :tenant AND org = :org
    AND (:from_start OR (sku, location) > (:sku, :location))
    ORDER BY sku, location LIMIT :limit
),
promised AS (
    SELECT json_extract(demand.value, '$[0]') AS sku, json_extract(demand.value, '$[1]')
    AS location, sum(json_extract(demand.value, '$[2]')) AS pieces
    FROM stock_reservations AS kept, json_each(kept.demands) AS demand
    WHERE kept.tenant = :tenant AND kept.org = :org AND kept.state = '{RecordState.HELD}'
    GROUP BY 1, 2
)
SELECT page.sku, page.location, on_hand, reserved,
    coalesce((
        SELECT sum(quantity_delta) FROM stock_movements AS entry
        WHERE entry.tenant = :tenant AND entry.org = :org
        AND entry.sku = page.sku AND entry.location = page.location
    ), 0),
    coalesce(pieces, 0)
FROM page LEFT JOIN promised USING (sku, location) ORDER BY page.sku, page.location
"""
"""One statement sees one moment."""

_PROMISES: Final = f"""
SELECT id, demands, lapses_us FROM stock_reservations
WHERE tenant = ? AND org = ? AND id > ? AND state = '{RecordState.HELD}' ORDER BY id LIMIT ?
"""

_PROMISES_OF: Final = f"""
SELECT id, demands, lapses_us FROM stock_reservations
WHERE tenant = ? AND org = ? AND id IN ({{places}}) AND state = '{RecordState.HELD}'
"""
_ASKED_MAX: Final = 500
"""SQLite takes a limited number of parameters."""


class SqliteStockAudit:
    """Looks into the stock of *database*; implements ``StockAudit``."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    def scopes(self, *, after: Scope | None = None, limit: int) -> Sequence[Scope]:
        """List the scopes that have stock; see ``StockAudit.scopes``."""
        found: list[Scope] = []
        while len(found) < limit:
            rows = self._rows(_SCOPES, (b"", b"") if after is None else _key_of(after))
            if not rows:
                break
            ((tenant, org),) = rows
            after = Scope(UUID(bytes=tenant), UUID(bytes=org))
            found.append(after)
        return found

    def books(
        self, scope: Scope, *, after: StockItem | None = None, limit: int
    ) -> Sequence[StockBooks]:
        """Return the books of items; see ``StockAudit.books``."""
        parameters = {
            "tenant": scope.tenant_id.bytes,
            "org": scope.org_id.bytes,
            "from_start": after is None,
            "sku": "" if after is None else after.sku,
            "location": "" if after is None else after.location,
            "limit": limit,
        }
        return [
            StockBooks(StockItem(sku, location), *figures)
            for sku, location, *figures in self._rows(_BOOKS, parameters)
        ]

    def promises(
        self, scope: Scope, *, after: str | None = None, limit: int
    ) -> Sequence[HeldPromise]:
        """List what is held; see ``StockAudit.promises``."""
        return [
            _promise(*row) for row in self._rows(_PROMISES, (*_key_of(scope), after or "", limit))
        ]

    def promises_of(
        self, scope: Scope, reservation_ids: Collection[str]
    ) -> Mapping[str, HeldPromise]:
        """Return those that are held; see ``StockAudit.promises_of``."""
        asked, found = list(reservation_ids), {}
        for start in range(0, len(asked), _ASKED_MAX):
            part = asked[start : start + _ASKED_MAX]
            sql = _PROMISES_OF.format(places=", ".join("?" * len(part)))
            for row in self._rows(sql, (*_key_of(scope), *part)):
                promise = _promise(*row)
                found[promise.reservation_id] = promise
        return found

    def _rows(self, sql: str, parameters: Any) -> list[tuple[Any, ...]]:
        with as_inventory():
            return self._database.read(
                lambda connection: connection.execute(sql, parameters).fetchall()
            )


def _promise(name: str, demands: str, lapses_us: int | None) -> HeldPromise:
    return HeldPromise(name, demands_from_text(demands), lapses_us is not None)


def _key_of(scope: Scope) -> tuple[bytes, bytes]:
    return scope.tenant_id.bytes, scope.org_id.bytes
