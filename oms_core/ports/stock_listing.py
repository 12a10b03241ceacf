"""What a listing of stock shows, whichever store it is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.ports.cursors import encode_stock_cursor
from oms_core.ports.inventory import StockPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.inventory import StockItem, StockLevel


def items_to_look_up(
    items: Sequence[StockItem],
    *,
    sku: str | None,
    location: str | None,
    after: StockItem | None,
    limit: int,
) -> list[StockItem]:
    """Sort out which of *items* a page can show: one more than *limit* tells that it goes on."""
    return [
        item
        for item in sorted(set(items))
        if (after is None or item > after)
        and sku in {None, item.sku}
        and location in {None, item.location}
    ][: limit + 1]


def stock_page(found: Sequence[StockLevel], limit: int) -> StockPage:
    """Make a page of what was *found*, sorted, when one more than *limit* was looked for."""
    levels = tuple(found[:limit])
    goes_on = len(found) > len(levels) > 0
    return StockPage(levels, encode_stock_cursor(levels[-1].item) if goes_on else None)
