"""A reservation as a document: what was asked for under an id, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeAlias

from attrs import frozen

from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    OutOfStock,
    Reserved,
    Shortage,
    StockItem,
)
from oms_core.ports.inventory import ReserveOutcome

Document: TypeAlias = "dict[str, Any]"


class State(StrEnum):
    """What came of a reservation."""

    HELD = "held"
    REFUSED = "refused"
    LAPSED = "lapsed"
    """SOFT and over its time: nothing is held and nothing is decided."""
    RELEASED = "released"
    COMMITTED = "committed"


@frozen
class Reservation:
    """One reservation. Its demands shrink only as parts of its goods leave."""

    state: State
    demands: tuple[Demand, ...] = ()
    shortages: tuple[Shortage, ...] = ()
    """Why it was refused."""
    lapses_us: int | None = None
    """When a held SOFT reservation lapses; ``None``: never."""

    @property
    def answer(self) -> ReserveOutcome | None:
        """What every repeat is told; ``None``: it must be tried again."""
        match self.state:
            case State.HELD:
                return Reserved()
            case State.REFUSED:
                return OutOfStock(self.shortages)
            case State.RELEASED:
                return AlreadyReleased()
            case State.COMMITTED:
                return AlreadyCommitted()
            case State.LAPSED:
                return None


def summed(demands: Iterable[Demand]) -> tuple[Demand, ...]:
    """Make one demand per stock item, sorted. Two for one item must not count one by one."""
    wanted: Counter[StockItem] = Counter()
    for demand in demands:
        wanted[demand.item] += demand.quantity
    return tuple(Demand(item, quantity) for item, quantity in sorted(wanted.items()))


def to_stored(reservation: Reservation) -> Document:
    """Write it, apart from its id. A field that would be empty is left out."""
    stored: Document = {
        "state": reservation.state.value,
        "demands": [[d.item.sku, d.item.location, d.quantity] for d in reservation.demands],
    }
    if reservation.shortages:
        stored["shortages"] = [
            [s.item.sku, s.item.location, s.wanted, s.available] for s in reservation.shortages
        ]
    if reservation.lapses_us is not None:
        stored["lapses_us"] = reservation.lapses_us
    return stored


def from_stored(stored: Document) -> Reservation:
    """Read what ``to_stored`` wrote."""
    return Reservation(
        State(stored["state"]),
        tuple(
            Demand(StockItem(sku, location), quantity)
            for sku, location, quantity in stored["demands"]
        ),
        tuple(
            Shortage(StockItem(sku, location), wanted, available)
            for sku, location, wanted, available in stored.get("shortages", ())
        ),
        stored.get("lapses_us"),
    )
