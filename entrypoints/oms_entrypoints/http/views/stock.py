"""What clients see of stock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict

from oms_entrypoints.http.views.shown import Cursor, Shown

if TYPE_CHECKING:
    from oms_core.domain.inventory import StockLevel
    from oms_core.ports.inventory import StockPage


class StockLevelView(TypedDict):
    """One sku at one location."""

    sku: str
    location: str
    on_hand: Annotated[int, Shown("What is there.")]
    reserved: Annotated[int, Shown("What is promised to orders.")]
    available: Annotated[int, Shown("What can still be promised.")]


class StockPageView(TypedDict):
    """Stock levels by sku and location."""

    levels: list[StockLevelView]
    limit: int
    next_cursor: Cursor


def stock_level_view(level: StockLevel) -> StockLevelView:
    """Show a stock level."""
    return {
        "sku": level.item.sku,
        "location": level.item.location,
        "on_hand": level.on_hand,
        "reserved": level.reserved,
        "available": level.available,
    }


def stock_page_view(page: StockPage, *, limit: int) -> StockPageView:
    """Show a page of stock levels."""
    return {
        "levels": [stock_level_view(level) for level in page.levels],
        "limit": limit,
        "next_cursor": page.next_cursor,
    }
