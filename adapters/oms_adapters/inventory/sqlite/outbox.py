"""The ledger as an outbox: which items have entries that have not left."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from oms_core.domain.inventory import StockItem, StockMovement
from oms_core.domain.scope import Scope
from oms_core.ports.order_document import from_microseconds
from oms_core.ports.stock_outbox import ENTRIES_MAX, UnpublishedStock

Row: TypeAlias = "tuple[Any, ...]"

WAITING: Final = """
SELECT tenant, org, sku, location FROM stock INDEXED BY stock_unpublished
WHERE entries > published AND events_from_us <= ? ORDER BY events_from_us LIMIT ?
"""
CLAIM: Final = f"""
UPDATE stock SET events_from_us = ?, events_token = events_token + 1
WHERE (tenant, org, sku, location) IN ({WAITING})
RETURNING tenant, org, sku, location, published, events_token
"""  # noqa: S608 - made of constants; every value is a parameter
_NEWS: Final = """
SELECT movement_id, quantity_delta, reason, at_us, actor FROM stock_movements
WHERE tenant = ? AND org = ? AND sku = ? AND location = ? AND number > ?
ORDER BY number LIMIT ?
"""
_MARK: Final = """
UPDATE stock SET published = ?, events_from_us = ?
WHERE tenant = ? AND org = ? AND sku = ? AND location = ? AND events_token = ?
"""


def claim(
    connection: sqlite3.Connection, *, now_us: int, until_us: int, limit: int
) -> list[UnpublishedStock]:
    """Claim items whose ledger has grown, and read what is new of each."""
    claimed = connection.execute(CLAIM, (until_us, now_us, limit)).fetchall()
    return [_read(connection, row) for row in claimed]


def mark(connection: sqlite3.Connection, sent: Sequence[UnpublishedStock], *, now_us: int) -> None:
    """Record what left. An item with more waits behind all others from now on."""
    connection.executemany(
        _MARK,
        [
            (
                each.last,
                now_us,
                each.scope.tenant_id.bytes,
                each.scope.org_id.bytes,
                each.item.sku,
                each.item.location,
                each.token,
            )
            for each in sent
        ],
    )


def _read(connection: sqlite3.Connection, row: Row) -> UnpublishedStock:
    tenant, org, sku, location, published, token = row
    item = StockItem(sku, location)
    found = connection.execute(_NEWS, (tenant, org, sku, location, published, ENTRIES_MAX))
    movements = tuple(
        StockMovement(movement_id, item, delta, reason, from_microseconds(at_us), actor)
        for movement_id, delta, reason, at_us, actor in found
    )
    scope = Scope(UUID(bytes=tenant), UUID(bytes=org))
    return UnpublishedStock(scope, item, published, movements, token)
