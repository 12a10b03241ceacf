"""Rows that are placed together: as many as may be, and never two that are for the same thing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from oms_core import NewLineItem, PlaceOrder
from oms_entrypoints.bulk.bad_row import BadRow
from oms_entrypoints.bulk.order_file import Row
from oms_entrypoints.bulk.order_import import waves


def a_row(line: int, key: int, payment: int) -> Row:
    request = PlaceOrder(
        idempotency_key=f"key-{key}",
        payment_provider="simulated",
        payment_reference=f"pay-{payment}",
        channel="web",
        line_items=(NewLineItem("CRUNCHY-ARMCHAIR", 1, "1.00"),),
    )
    return Row(line, request)


def names_of(row: Row | BadRow) -> list[Any]:
    if isinstance(row, BadRow):
        return []
    return [("key", row.request.idempotency_key), ("pay", row.request.payment_reference)]


small = st.integers(1, 4)
several_rows = st.lists(st.one_of(st.none(), st.tuples(small, small)), max_size=30).map(
    lambda drawn: [
        BadRow(line, "is bad") if each is None else a_row(line, *each)
        for line, each in enumerate(drawn, 1)
    ]
)


@given(several_rows, st.integers(1, 6))
def test_no_two_rows_for_one_key_or_one_payment_are_placed_together(
    rows: list[Row | BadRow], size: int
) -> None:
    found = list(waves(rows, size))

    assert [row for wave in found for row in wave] == rows
    for wave in found:
        names = [name for row in wave for name in names_of(row)]
        assert len(names) == len(set(names))
        assert 1 <= len(wave) <= size


def test_rows_that_have_nothing_in_common_are_placed_together() -> None:
    rows = [a_row(number, number, number) for number in range(10)]

    assert [len(wave) for wave in waves(rows, 4)] == [4, 4, 2]
