"""The SQL that lists stock levels: in the order of a table or index, from where it goes on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from oms_core.domain.inventory import StockItem
from oms_core.domain.scope import Scope

Query: TypeAlias = "tuple[str, tuple[int | str | bytes, ...]]"
"""A statement and its parameters; its rows are sku, location, on hand, reserved."""

_BY_NAME: Final = "SELECT sku, location, on_hand, reserved FROM stock"
_BY_LOCATION: Final = f"{_BY_NAME} INDEXED BY stock_by_location"

_OF_ITEMS: Final = """
WITH wanted (sku, location) AS (VALUES {values})
SELECT wanted.sku, wanted.location, coalesce(on_hand, 0), coalesce(reserved, 0)
FROM wanted LEFT JOIN stock
ON tenant = ? AND org = ? AND stock.sku = wanted.sku AND stock.location = wanted.location
"""


def levels_of_scope(
    scope: Scope, sku: str | None, location: str | None, after: StockItem | None, limit: int
) -> Query:
    """Ask for known items in order, behind *after*."""
    source = _BY_NAME if location is None else _BY_LOCATION
    conditions = ["tenant = ?", "org = ?"]
    parameters: list[int | str | bytes] = [scope.tenant_id.bytes, scope.org_id.bytes]
    if location is not None:
        conditions.append("location = ?")
        parameters.append(location)
    if sku is not None:
        conditions.append("sku = ?")
        parameters.append(sku)
    if after is not None:
        conditions.append("(sku, location) > (?, ?)")
        parameters += [after.sku, after.location]
    sql = f"{source} WHERE {' AND '.join(conditions)} ORDER BY sku, location LIMIT ?"
    return sql, (*parameters, limit)


def levels_of_items(scope: Scope, items: Iterable[StockItem]) -> Query:
    """Ask for exactly *items*, of which there is at least one, known or not."""
    places = [place for item in items for place in (item.sku, item.location)]
    sql = _OF_ITEMS.format(values=", ".join(["(?, ?)"] * (len(places) // 2)))
    return sql, (*places, scope.tenant_id.bytes, scope.org_id.bytes)
