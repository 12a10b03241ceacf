"""A page of stock levels, and which items one by names looks up."""

import pytest

from oms_core.domain.inventory import StockItem, StockLevel
from oms_core.ports.cursors import decode_stock_cursor
from oms_core.ports.stock_listing import items_to_look_up, stock_page

A, B_NORTH, B_SOUTH, C = (
    StockItem("ARMCHAIR"),
    StockItem("BOAT", "north"),
    StockItem("BOAT", "south"),
    StockItem("CLOCK"),
)


@pytest.mark.parametrize(
    ("sku", "location", "after", "limit", "expected"),
    [
        (None, None, None, 9, [A, B_NORTH, B_SOUTH, C]),
        (None, None, B_NORTH, 9, [B_SOUTH, C]),
        ("BOAT", None, None, 9, [B_NORTH, B_SOUTH]),
        ("BOAT", "south", None, 9, [B_SOUTH]),
        (None, "north", None, 9, [B_NORTH]),
        (None, None, None, 2, [A, B_NORTH, B_SOUTH]),
        (None, None, C, 9, []),
    ],
)
def test_items_are_looked_up_once_each_in_order_and_one_more_than_fit(
    sku: str | None,
    location: str | None,
    after: StockItem | None,
    limit: int,
    expected: list[StockItem],
) -> None:
    names = [C, B_SOUTH, A, B_NORTH, A]

    found = items_to_look_up(names, sku=sku, location=location, after=after, limit=limit)

    assert expected == found


def test_a_page_goes_on_after_its_last_level_if_there_is_one_more() -> None:
    levels = [StockLevel(item, 3, 1) for item in (A, B_NORTH, B_SOUTH)]

    page = stock_page(levels, 2)

    assert tuple(levels[:2]) == page.levels
    assert page.next_cursor is not None
    assert decode_stock_cursor(page.next_cursor) == B_NORTH


@pytest.mark.parametrize("limit", [0, 3, 4])
def test_a_page_with_everything_or_nothing_on_it_is_the_last(limit: int) -> None:
    levels = [StockLevel(item, 3, 1) for item in (A, B_NORTH, B_SOUTH)]

    assert stock_page(levels, limit).next_cursor is None
