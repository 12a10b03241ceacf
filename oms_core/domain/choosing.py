"""Choosing pieces of an order's lines: those that are named, or all that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.domain.line_item import LineQuantity
from oms_core.errors import InvalidInput, Mistake, NotPossible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order


def choose(
    order: Order,
    operation: Operation,
    lines: Sequence[LineQuantity],
    left: Mapping[int, int],
    verb: str,
) -> tuple[LineQuantity, ...]:
    """Return the pieces that are meant: each line once, or without *lines* all that is *left*.

    *verb* says what they are left to, in the sentence of a refusal.

    Raises:
        InvalidInput: lines that the order does not have, or that are named twice.
        NotPossible: more than is left of a line.
    """
    if not lines:
        return tuple(LineQuantity(n, quantity) for n, quantity in left.items() if quantity)
    _require_each_line_once(order, lines)
    skus = {line.number: line.sku for line in order.lines}
    wanted = tuple(sorted(lines, key=lambda one: one.line))
    too_many = [
        f"Line {one.line} ({skus[one.line]}) has {left[one.line]} left to {verb}, "
        f"not {one.quantity}."
        for one in wanted
        if one.quantity > left[one.line]
    ]
    if too_many:
        raise NotPossible(operation.kind, " ".join(too_many))
    return wanted


def _require_each_line_once(order: Order, lines: Sequence[LineQuantity]) -> None:
    known = {line.number for line in order.lines}
    seen: set[int] = set()
    mistakes = []
    for index, one in enumerate(lines):
        if one.line not in known:
            mistakes.append(Mistake(f"/lines/{index}/line", f"the order has no line {one.line}"))
        elif one.line in seen:
            mistakes.append(Mistake(f"/lines/{index}/line", "is named twice; add them up"))
        seen.add(one.line)
    if mistakes:
        raise InvalidInput(tuple(mistakes))
