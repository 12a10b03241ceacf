"""Which pieces of an order are meant, and what is said of those that are not there."""

from uuid import UUID

import pytest

from oms_core import Money, Operation, OperationKind, OperationState
from oms_core.domain.choosing import choose
from oms_core.domain.line_item import LineItem, LineQuantity
from oms_core.errors import InvalidInput, NotPossible
from oms_core.testing import NOON, an_order

LINES = [
    LineItem(number, sku, 5, Money(1_000, "USD"))
    for number, sku in enumerate(["CRUNCHY-ARMCHAIR", "SILENT-DRUM", "WOBBLY-LAMP"], 1)
]
LEFT = {1: 2, 2: 0, 3: 5}


def chosen(*lines: LineQuantity) -> tuple[LineQuantity, ...]:
    asked = Operation(UUID(int=1), OperationKind.FULFILL, OperationState.RUNNING, NOON, "pat")
    return choose(an_order(lines=LINES), asked, lines, LEFT, "fulfill")


def test_without_lines_all_that_is_left_is_meant() -> None:
    assert chosen() == (LineQuantity(1, 2), LineQuantity(3, 5))


def test_pieces_stand_in_the_order_of_the_lines_however_they_are_named() -> None:
    """The same pieces are the same fulfillment, whoever writes them down."""
    assert chosen(LineQuantity(3, 4), LineQuantity(1, 1)) == (
        LineQuantity(1, 1),
        LineQuantity(3, 4),
    )


def test_every_line_with_too_few_pieces_is_told() -> None:
    with pytest.raises(NotPossible) as refused:
        chosen(LineQuantity(3, 5), LineQuantity(2, 1), LineQuantity(1, 3))

    assert refused.value.why == (
        "Line 1 (CRUNCHY-ARMCHAIR) has 2 left to fulfill, not 3. "
        "Line 2 (SILENT-DRUM) has 0 left to fulfill, not 1."
    )


def test_lines_that_are_not_there_or_named_twice_are_told_before_pieces_are_counted() -> None:
    with pytest.raises(InvalidInput) as refused:
        chosen(LineQuantity(1, 9), LineQuantity(4, 1), LineQuantity(1, 1))

    assert [(mistake.pointer, mistake.message) for mistake in refused.value.mistakes] == [
        ("/lines/1/line", "the order has no line 4"),
        ("/lines/2/line", "is named twice; add them up"),
    ]
