"""Returns: goods of an order on their way back."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.line_item import LineQuantity


class ReturnState(StrEnum):
    """How far a return is."""

    REQUESTED = "requested"
    APPROVED = "approved"
    """The customer may send the goods."""
    REJECTED = "rejected"
    PARTIALLY_RECEIVED = "partially_received"
    RECEIVED = "received"


class Condition(StrEnum):
    """In which condition goods came back."""

    NEW = "new"
    OPENED = "opened"
    USED = "used"
    DAMAGED = "damaged"


@frozen
class ReceivedLine:
    """Pieces of one line that came back together."""

    line: int
    quantity: int
    condition: Condition
    restock: bool
    """They can be sold again: they go back into the stock they came from."""


@frozen
class Receipt:
    """Goods that came back in one parcel."""

    id: UUID
    lines: tuple[ReceivedLine, ...]
    at: datetime
    is_booked: bool = False
    """Stock has been told. Until then nothing counts as returned."""


@frozen
class Return:
    """Some pieces of some lines that the customer sends back."""

    id: UUID
    lines: tuple[LineQuantity, ...]
    state: ReturnState
    requested_at: datetime
    reason: str | None = None
    decided_at: datetime | None = None
    decision: str | None = None
    """What the person who decided says."""
    receipts: tuple[Receipt, ...] = ()

    @property
    def is_open(self) -> bool:
        """More may come back under it."""
        return self.state not in {ReturnState.REJECTED, ReturnState.RECEIVED}

    def received(self, line: int) -> int:
        """Count the pieces of a line that came back and are booked."""
        return self._received(line, booked=True)

    def announced(self, line: int) -> int:
        """Count the pieces of a line that came back, booked or about to be."""
        return self._received(line, booked=False)

    def _received(self, line: int, *, booked: bool) -> int:
        return sum(
            one.quantity
            for receipt in self.receipts
            if receipt.is_booked or not booked
            for one in receipt.lines
            if one.line == line
        )
