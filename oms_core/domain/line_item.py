"""What is bought: lines, and the amounts added to them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.domain.money import Money

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_LOCATION: Final = "default"
"""Where stock lies when nobody names a place."""


@frozen
class LineItem:
    """One line of an order; ``number`` counts from 1 and never changes."""

    number: int
    sku: str
    quantity: int
    unit_price: Money
    name: str | None = None
    location: str = DEFAULT_LOCATION

    @property
    def subtotal(self) -> Money:
        """Quantity times unit price, exactly."""
        return self.unit_price * self.quantity


@frozen
class LineQuantity:
    """Some pieces of one line, named by its number."""

    line: int
    quantity: int


class AdjustmentKind(StrEnum):
    """Why the total is not just the sum of the lines."""

    SHIPPING = "shipping"
    TAX = "tax"
    FEE = "fee"
    DISCOUNT = "discount"


@frozen
class Adjustment:
    """A signed amount added to the sum of the lines; a discount is negative."""

    kind: AdjustmentKind
    amount: Money
    label: str | None = None


def order_total(
    lines: Iterable[LineItem], adjustments: Iterable[Adjustment], currency: str
) -> Money:
    """Sum of quantity times unit price, plus all adjustments; all are in *currency*."""
    goods = sum(line.quantity * line.unit_price.minor for line in lines)
    added = sum(adjustment.amount.minor for adjustment in adjustments)
    return Money(goods + added, currency)
