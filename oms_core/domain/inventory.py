"""Stock: what is counted, what is promised, and the words the inventory answers with."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from attrs import field, frozen, validators

from oms_core.domain.line_item import DEFAULT_LOCATION, LineItem

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


LEDGER_NAMESPACE: Final = UUID("0b0e9d3a-52a4-5c7e-8f0e-6d1c9a7be214")
"""Fixed for ever: changing it would let a repeated commit take the goods away twice."""


class AllocationModel(StrEnum):
    """How firmly a reservation holds stock."""

    HARD = "hard"
    """Available stock drops until the reservation is released or committed."""
    SOFT = "soft"
    """Earmarked for a limited time; lapses by itself unless it is made hard in time."""


@frozen
class Allocation:
    """The allocation model in force for a tenant; ``ttl_s`` (seconds) counts for SOFT only."""

    model: AllocationModel = AllocationModel.HARD
    ttl_s: float = 900.0


@frozen(order=True)
class StockItem:
    """What is counted: one sku at one location."""

    sku: str
    location: str = DEFAULT_LOCATION


@frozen
class Demand:
    """A positive number of pieces of one stock item.

    Checked when it is made (``ValueError``): a negative one would add to the available stock.
    """

    item: StockItem
    quantity: int = field(validator=validators.gt(0))


@frozen
class StockLevel:
    """One stock item at one moment. ``available`` is never negative in the HARD model."""

    item: StockItem
    on_hand: int
    reserved: int

    @property
    def available(self) -> int:
        """What can still be promised."""
        return self.on_hand - self.reserved


@frozen
class StockMovement:
    """A ledger entry: a signed number of pieces that came (+) or left (-)."""

    movement_id: str
    """Unique per scope: the same id again has no second effect."""
    item: StockItem
    quantity_delta: int
    reason: str
    at: datetime
    actor: str


@frozen
class Reserved:
    """The reservation is held, whole."""


@frozen
class Shortage:
    """A stock item that cannot meet its demand."""

    item: StockItem
    wanted: int
    available: int


def _all_shortages(shortages: Iterable[Shortage]) -> tuple[Shortage, ...]:
    return tuple(shortages)


@frozen
class OutOfStock:
    """Nothing was reserved, because of *shortages* (never empty)."""

    shortages: tuple[Shortage, ...] = field(converter=_all_shortages)


@frozen
class AlreadyReleased:
    """The reservation was released before: a late reserve of the same id is refused."""


@frozen
class AlreadyCommitted:
    """The goods of this reservation have left: it cannot be released or reserved again."""


def demands_of(lines: Iterable[LineItem]) -> tuple[Demand, ...]:
    """Make one demand per stock item, sorted by item so that no two callers deadlock."""
    return _summed((StockItem(line.sku, line.location), line.quantity) for line in lines)


def summed(demands: Iterable[Demand]) -> tuple[Demand, ...]:
    """Make one demand per stock item, sorted. Two for one item must not count one by one."""
    return _summed((demand.item, demand.quantity) for demand in demands)


def _summed(pieces: Iterable[tuple[StockItem, int]]) -> tuple[Demand, ...]:
    wanted: Counter[StockItem] = Counter()
    for item, quantity in pieces:
        wanted[item] += quantity
    return tuple(Demand(item, quantity) for item, quantity in sorted(wanted.items()))


def left_after(
    demands: Iterable[Demand], part: Iterable[Demand]
) -> tuple[Demand, ...] | OutOfStock:
    """Return what is left of a reservation's *demands* once *part* of them has left.

    ``OutOfStock`` if more of an item is to leave than the reservation holds of it.
    """
    held = {demand.item: demand.quantity for demand in demands}
    wanted = Counter[StockItem]()
    for demand in part:
        wanted[demand.item] += demand.quantity
    shortages = [
        Shortage(item, quantity, held.get(item, 0))
        for item, quantity in sorted(wanted.items())
        if held.get(item, 0) < quantity
    ]
    if shortages:
        return OutOfStock(shortages)
    return tuple(
        Demand(item, quantity - wanted[item])
        for item, quantity in held.items()
        if quantity > wanted[item]
    )


def movement_of_commit(
    reservation_id: str, demand: Demand, *, at: datetime, actor: str
) -> StockMovement:
    """Make the ledger entry for the pieces of one stock item that leave with a reservation.

    Its id follows from the reservation and the item, so that a repeat has no second effect in
    any store.
    """
    item = demand.item
    name = (
        f"commit/{len(reservation_id)}/{reservation_id}/{len(item.sku)}/{item.sku}/{item.location}"
    )
    return StockMovement(
        movement_id=str(uuid5(LEDGER_NAMESPACE, name)),
        item=item,
        quantity_delta=-demand.quantity,
        reason=f"commit of reservation {reservation_id}",
        at=at,
        actor=actor,
    )
