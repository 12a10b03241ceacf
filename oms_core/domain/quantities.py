"""How many pieces of each line are where: the truth that the statuses beside it follow from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import frozen

from oms_core.domain.fulfillment import FulfillmentState
from oms_core.domain.payment import TransferState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oms_core.domain.fulfillment import Fulfillment
    from oms_core.domain.line_item import LineItem, LineQuantity
    from oms_core.domain.payment import Refund
    from oms_core.domain.returns import Return


@frozen
class LineQuantities:
    """Pieces of one line. Each further on is part of those before it."""

    ordered: int
    cancelled: int = 0
    fulfilling: int = 0
    """In fulfillments that have not left yet."""
    fulfilled: int = 0
    delivered: int = 0
    returning: int = 0
    """In returns that are requested or approved, and not back yet."""
    returned: int = 0
    refunded: int = 0
    """Given back, or about to be, piece by piece; amounts without lines do not count."""

    @property
    def to_fulfill(self) -> int:
        """What can still be put into a fulfillment."""
        return self.ordered - self.cancelled - self.fulfilling - self.fulfilled

    @property
    def to_return(self) -> int:
        """What the customer has and has not announced to send back."""
        return self.delivered - self.returning - self.returned

    @property
    def to_refund(self) -> int:
        """What can still be refunded piece by piece."""
        return self.ordered - self.refunded


def count_pieces(
    lines: Sequence[LineItem],
    fulfillments: Iterable[Fulfillment],
    returns: Iterable[Return],
    refunds: Iterable[Refund],
    *,
    cancelled: bool,
) -> dict[int, LineQuantities]:
    """Count by line number."""
    by_state: dict[FulfillmentState, Counter[int]] = {one: Counter() for one in FulfillmentState}
    for fulfillment in fulfillments:
        _add(by_state[fulfillment.state], fulfillment.lines)
    returning: Counter[int] = Counter()
    returned: Counter[int] = Counter()
    for one in returns:
        for part in one.lines:
            back = one.received(part.line)
            returned[part.line] += back
            if one.is_open:
                returning[part.line] += part.quantity - back
    refunded: Counter[int] = Counter()
    for refund in refunds:
        if refund.state is not TransferState.REJECTED:
            _add(refunded, refund.lines)
    delivered = by_state[FulfillmentState.DELIVERED]
    shipped = by_state[FulfillmentState.SHIPPED]
    return {
        line.number: LineQuantities(
            ordered=line.quantity,
            cancelled=line.quantity if cancelled else 0,
            fulfilling=by_state[FulfillmentState.REQUESTED][line.number],
            fulfilled=shipped[line.number] + delivered[line.number],
            delivered=delivered[line.number],
            returning=returning[line.number],
            returned=returned[line.number],
            refunded=refunded[line.number],
        )
        for line in lines
    }


def share_of(total_minor: int, lines: Sequence[LineItem], pieces: dict[int, int]) -> int:
    """Return the part of an order's total that stands for some of its pieces, in minor units.

    In proportion to their prices (or their number, if all is free), rounded down. Shares of a
    growing number of pieces only grow, and all pieces stand for exactly the total; so the
    differences between them add up, whatever the parts.
    """
    if all(pieces.get(line.number, 0) >= line.quantity for line in lines):
        return total_minor
    weights = {line.number: line.unit_price.minor for line in lines}
    whole = sum(line.quantity * weights[line.number] for line in lines)
    if whole == 0:
        weights = dict.fromkeys(weights, 1)
        whole = sum(line.quantity for line in lines)
    part = sum(pieces.get(number, 0) * weight for number, weight in weights.items())
    return total_minor * part // whole


def _add(counter: Counter[int], lines: Iterable[LineQuantity]) -> None:
    for part in lines:
        counter[part.line] += part.quantity
