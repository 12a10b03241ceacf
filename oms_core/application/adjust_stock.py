"""Adjust stock: the request for one ledger entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.domain.inventory import StockItem, StockMovement
from oms_core.domain.line_item import DEFAULT_LOCATION
from oms_core.domain.rules import Text, Whole, check, require, ruled
from oms_core.errors import Mistake

if TYPE_CHECKING:
    from datetime import datetime

QUANTITY_DELTA_MAX: Final = 1_000_000_000


@frozen
class AdjustStock:
    """A request to book goods in (+) or out (-). Making one checks everything.

    Raises:
        InvalidInput: with a JSON pointer and a sentence for each mistake.
    """

    sku: str = ruled(Text(example="CRUNCHY-ARMCHAIR"), says="What is counted.")
    quantity_delta: int = ruled(
        Whole(-QUANTITY_DELTA_MAX, QUANTITY_DELTA_MAX, example=100),
        says="Pieces that came (+) or left (-); never 0.",
    )
    reason: str = ruled(Text(printable=False, example="delivery 4711"), says="Why, for the ledger.")
    location: str = ruled(
        Text(example=DEFAULT_LOCATION), says="Where it lies.", default=DEFAULT_LOCATION
    )

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        mistakes = check(self)
        if self.quantity_delta == 0 and not mistakes:
            mistakes.append(Mistake("/quantity_delta", "must not be 0"))
        require(mistakes)

    def movement(self, idempotency_key: str, *, actor: str, at: datetime) -> StockMovement:
        """Return the ledger entry; the same key again is the same entry."""
        return StockMovement(
            movement_id=idempotency_key,
            item=StockItem(self.sku, self.location),
            quantity_delta=self.quantity_delta,
            reason=self.reason,
            at=at,
            actor=actor,
        )
