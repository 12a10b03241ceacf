"""A reservation as a row: what was asked for under an id, and what came of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

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


def demands_to_text(demands: Iterable[Demand]) -> str:
    """Write demands as JSON: ``[[sku, location, quantity], ...]``."""
    return _to_text([d.item.sku, d.item.location, d.quantity] for d in demands)


def demands_from_text(text: str) -> tuple[Demand, ...]:
    """Read what ``demands_to_text`` wrote."""
    return tuple(
        Demand(StockItem(sku, location), count) for sku, location, count in json.loads(text)
    )


def shortages_to_text(shortages: Iterable[Shortage]) -> str:
    """Write shortages as JSON: ``[[sku, location, wanted, available], ...]``."""
    return _to_text([s.item.sku, s.item.location, s.wanted, s.available] for s in shortages)


def shortages_from_text(text: str) -> tuple[Shortage, ...]:
    """Read what ``shortages_to_text`` wrote."""
    return tuple(
        Shortage(StockItem(sku, location), wanted, available)
        for sku, location, wanted, available in json.loads(text)
    )


def _to_text(rows: Iterable[list[str | int]]) -> str:
    return json.dumps(list(rows), ensure_ascii=False, separators=(",", ":"))
