"""A cursor says where to go on, and every other text is refused."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_core.domain.inventory import StockItem
from oms_core.errors import InvalidInput
from oms_core.ports.cursors import (
    CURSOR_LENGTH_MAX,
    OrderPosition,
    decode_order_cursor,
    decode_stock_cursor,
    encode_order_cursor,
    encode_stock_cursor,
    order_position,
    position_to_continue_from,
)
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.storage import OrderQuery
from oms_core.testing import an_order

INSTANTS = st.datetimes(timezones=st.just(UTC)).map(to_microseconds)
POSITIONS = st.builds(OrderPosition, INSTANTS, st.uuids())
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=255)
ITEMS = st.builds(StockItem, NAMES, NAMES)


@given(POSITIONS)
def test_an_order_cursor_reads_back(position: OrderPosition) -> None:
    assert decode_order_cursor(encode_order_cursor(position)) == position


@given(ITEMS)
def test_a_stock_cursor_reads_back_and_is_not_too_long(item: StockItem) -> None:
    cursor = encode_stock_cursor(item)

    assert decode_stock_cursor(cursor) == item
    assert len(cursor) <= CURSOR_LENGTH_MAX


def test_even_the_longest_names_fit() -> None:
    cursor = encode_stock_cursor(StockItem("🪑" * 255, "🪑" * 255))

    assert len(cursor) <= CURSOR_LENGTH_MAX
    assert decode_stock_cursor(cursor) == StockItem("🪑" * 255, "🪑" * 255)


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,60}", fullmatch=True))
def test_text_that_no_listing_gave_out_is_refused(text: str) -> None:
    for decode in (decode_order_cursor, decode_stock_cursor):
        with pytest.raises(InvalidInput):
            decode(text)


@given(POSITIONS, st.data())
def test_a_cursor_with_one_character_changed_is_refused(
    position: OrderPosition, data: st.DataObject
) -> None:
    cursor = encode_order_cursor(position)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters().filter(lambda character: character != cursor[place]))

    with pytest.raises(InvalidInput):
        decode_order_cursor(cursor[:place] + other + cursor[place + 1 :])


@given(ITEMS, st.integers(min_value=0, max_value=3_000))
def test_a_stock_cursor_cut_off_is_refused(item: StockItem, length: int) -> None:
    cursor = encode_stock_cursor(item)

    if length < len(cursor):
        with pytest.raises(InvalidInput):
            decode_stock_cursor(cursor[:length])


def test_a_cursor_of_one_listing_is_none_of_the_other() -> None:
    of_orders = encode_order_cursor(OrderPosition(1, UUID(int=1)))
    of_stock = encode_stock_cursor(StockItem("CRUNCHY-ARMCHAIR"))

    with pytest.raises(InvalidInput):
        decode_stock_cursor(of_orders)
    with pytest.raises(InvalidInput):
        decode_order_cursor(of_stock)


def test_the_position_of_an_order_is_exact_to_the_microsecond() -> None:
    order = an_order(at=datetime(2031, 5, 4, 12, 0, 0, 123_457, tzinfo=UTC))

    assert order_position(order) == OrderPosition(1_935_662_400_123_457, order.id)


def test_a_listing_without_a_cursor_begins_with_the_newest() -> None:
    assert position_to_continue_from(OrderQuery(offset=7)) is None
