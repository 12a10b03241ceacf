"""One scope's stock: what is counted, what is promised, and to whom."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

from attrs import Factory, define

from oms_core.domain.inventory import (
    Demand,
    OutOfStock,
    Reserved,
    Shortage,
    StockItem,
    StockLevel,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from oms_core.domain.inventory import StockMovement
    from oms_core.ports.inventory import ReserveOutcome

Place: TypeAlias = "tuple[str, str]"
"""Sku and location: sorts and hashes faster than a ``StockItem``."""


@define(eq=False)
class Stock:
    """One stock item's two sums, and the ledger that the first is the sum of."""

    item: StockItem
    on_hand: int = 0
    reserved: int = 0
    ledger: list[StockMovement] = Factory(list)
    published: int = 0
    """So many entries of the ledger have left as events."""
    claimed_until: datetime | None = None
    token: int = 0

    @property
    def level(self) -> StockLevel:
        """Both sums at this moment."""
        return StockLevel(self.item, self.on_hand, self.reserved)


@define(eq=False)
class Reservation:
    """What was asked for under one id, and the answer that every repeat gets.

    ``answer`` is ``None`` while nothing is decided: a SOFT reservation that lapsed.
    """

    demands: tuple[Demand, ...]
    answer: ReserveOutcome | None = None
    expires_at: datetime | None = None
    """When a held SOFT reservation lapses; ``None``: never."""

    @property
    def is_held(self) -> bool:
        """Its pieces are among the reserved ones."""
        return isinstance(self.answer, Reserved)


class Warehouse:
    """The stock of one scope. Its callers hold the inventory's lock."""

    def __init__(self) -> None:
        self.reservations: dict[str, Reservation] = {}
        self.movements: dict[str, StockMovement] = {}
        self.news: dict[Place, Stock] = {}
        """Items with entries that have not left as events, those waiting longest first."""
        self._stock: dict[Place, Stock] = {}
        self._places: list[Place] = []
        self._places_at: defaultdict[str, list[Place]] = defaultdict(list)
        self._lapses: list[tuple[datetime, int, Reservation]] = []
        self._lapse_number = 0

    def level(self, item: StockItem) -> StockLevel:
        """Tell the level of *item*, known or not."""
        stock = self._stock.get((item.sku, item.location))
        return StockLevel(item, 0, 0) if stock is None else stock.level

    def ledger(self, item: StockItem) -> list[StockMovement]:
        """Return the entries of *item*, oldest first; nothing may be changed in it."""
        stock = self._stock.get((item.sku, item.location))
        return [] if stock is None else stock.ledger

    def book(self, movement: StockMovement) -> StockLevel:
        """Append *movement* to the ledger; the item is known from now on."""
        place = (movement.item.sku, movement.item.location)
        stock = self._stock.get(place)
        if stock is None:
            stock = self._stock[place] = Stock(movement.item)
            insort(self._places, place)
            insort(self._places_at[movement.item.location], place)
        stock.on_hand += movement.quantity_delta
        stock.ledger.append(movement)
        self.news.setdefault(place, stock)
        self.movements[movement.movement_id] = movement
        return stock.level

    # -- reservations ----------------------------------------------------------------------

    def hold(self, reservation: Reservation, until: datetime | None) -> Reserved | OutOfStock:
        """Take every piece that *reservation* asks for, or none."""
        shortages = [
            Shortage(demand.item, demand.quantity, available)
            for demand in reservation.demands
            if (available := self.level(demand.item).available) < demand.quantity
        ]
        if shortages:
            return OutOfStock(shortages)
        self._change_reserved(reservation, +1)
        reservation.answer = Reserved()
        reservation.expires_at = until
        if until is not None:
            self._lapse_number += 1
            heappush(self._lapses, (until, self._lapse_number, reservation))
        return reservation.answer

    def let_go(self, reservation: Reservation, answer: ReserveOutcome | None) -> None:
        """Make its pieces available again if it held any; *answer* is given from now on."""
        if reservation.is_held:
            self._change_reserved(reservation, -1)
        reservation.answer = answer
        reservation.expires_at = None

    def split(self, reservation: Reservation, left: tuple[Demand, ...]) -> None:
        """Let a held reservation hold only what is *left* of it."""
        self._change_reserved(reservation, -1)
        reservation.demands = left
        self._change_reserved(reservation, +1)

    def lapse(self, now: datetime) -> None:
        """Let SOFT reservations lapse whose time is over. They are not final: see ``hold``."""
        while self._lapses and self._lapses[0][0] <= now:
            until, _, reservation = heappop(self._lapses)
            if reservation.expires_at == until:
                self.let_go(reservation, None)

    def _change_reserved(self, reservation: Reservation, sign: int) -> None:
        for demand in reservation.demands:
            place = (demand.item.sku, demand.item.location)
            if place in self._stock:
                self._stock[place].reserved += sign * demand.quantity

    # -- listing ---------------------------------------------------------------------------

    def page(
        self,
        *,
        items: Iterable[StockItem] | None,
        sku: str | None,
        location: str | None,
        after: Place | None,
        limit: int,
    ) -> list[StockLevel]:
        """Return up to *limit* levels sorted by sku and location, from behind *after* on."""
        if items is not None:
            places = sorted({(item.sku, item.location) for item in items})
        elif location is not None:
            places = self._places_at.get(location, [])
        else:
            places = self._places
        start = 0 if after is None else bisect_right(places, after)
        if sku is not None:
            start = max(start, bisect_right(places, (sku,)))
        levels: list[StockLevel] = []
        for place in places[start : start + limit] if items is None else places[start:]:
            if sku is not None and place[0] != sku:
                break
            if len(levels) == limit:
                break
            if location is None or place[1] == location:
                levels.append(self.level(StockItem(*place)))
        return levels
