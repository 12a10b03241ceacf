"""What another order system asks of the stock that is kept here.

The names are the asker's own: wider rules than for people, so that whatever its orders hold can
be reserved.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.application.adjust_stock import QUANTITY_DELTA_MAX
from oms_core.application.place_order import LINES_MAX, QUANTITY_MAX
from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    StockItem,
    StockMovement,
)
from oms_core.domain.rules import ListOf, OneOf, Text, Whole, check, require, ruled
from oms_core.ports.cursors import CURSOR_LENGTH_MAX
from oms_entrypoints.http.query import LIMIT_MAX, Instant

if TYPE_CHECKING:
    from collections.abc import Sequence

MOVEMENTS_MAX: Final = 1_000
ITEMS_MAX: Final = 1_000
_YEAR_MS: Final = 31_536_000_000
_MS_PER_S: Final = 1_000
_DEFAULT_TTL_MS: Final = round(Allocation().ttl_s * _MS_PER_S)

_SKU: Final = Text(chars_min=0, printable=False, example="CRUNCHY-ARMCHAIR")
_LOCATION: Final = Text(chars_min=0, printable=False, example="default")
_RESERVATION: Final = Text(512, printable=False, example="7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69")
_MOVEMENT: Final = Text(512, printable=False, example="delivery-4711")
_WORDS: Final = Text(chars_min=0, printable=False, example="delivery 4711")
_ACTOR: Final = Text(chars_min=0, printable=False, example="pat@example.com")
_RESERVATION_SAYS: Final = "Names the reservation within tenant and organization, for ever."


@frozen
class WantedItem:
    """So many pieces of one stock item."""

    sku: str = ruled(_SKU, says="What is counted.")
    location: str = ruled(_LOCATION, says="Where it lies.")
    quantity: int = ruled(Whole(1, LINES_MAX * QUANTITY_MAX, example=2), says="How many pieces.")

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class NamedItem:
    """One sku at one location."""

    sku: str = ruled(_SKU, says="What is counted.")
    location: str = ruled(_LOCATION, says="Where it lies.")

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))

    @property
    def item(self) -> StockItem:
        """The same for the inventory."""
        return StockItem(self.sku, self.location)


@frozen
class ReserveStock:
    """A wish for all of some pieces, or none of them."""

    reservation_id: str = ruled(_RESERVATION, says=_RESERVATION_SAYS)
    demands: Sequence[WantedItem] = ruled(
        ListOf(WantedItem, items_min=1, items_max=LINES_MAX),
        says="What is wanted, each stock item once.",
    )
    allocation: AllocationModel | str = ruled(
        OneOf(AllocationModel),
        says="`hard`: until it is released or committed. `soft`: it lapses after `ttl_ms`.",
        default=AllocationModel.HARD.value,
    )
    ttl_ms: int = ruled(
        Whole(1, _YEAR_MS, example=_DEFAULT_TTL_MS),
        says="How long a soft one lasts, in milliseconds.",
        default=_DEFAULT_TTL_MS,
    )

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))

    def to_demands(self) -> tuple[Demand, ...]:
        """Return what is wanted, for the inventory."""
        return _demands(self.demands)

    def to_allocation(self) -> Allocation:
        """Return how firmly it is wanted."""
        return Allocation(AllocationModel(self.allocation), self.ttl_ms / _MS_PER_S)


@frozen
class NameReservation:
    """The name of a reservation, made or not."""

    reservation_id: str = ruled(_RESERVATION, says=_RESERVATION_SAYS)

    def __attrs_post_init__(self) -> None:
        """Check it."""
        require(check(self))


@frozen
class CommitReservation:
    """The goods of a reservation leave."""

    reservation_id: str = ruled(_RESERVATION, says=_RESERVATION_SAYS)
    actor: str = ruled(_ACTOR, says="Who lets them leave, for the ledger.")

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class CommitPart:
    """A part of the goods of a reservation leaves."""

    reservation_id: str = ruled(_RESERVATION, says=_RESERVATION_SAYS)
    part_id: str = ruled(
        _RESERVATION, says="Names the part within tenant and organization, for ever."
    )
    demands: Sequence[WantedItem] = ruled(
        ListOf(WantedItem, items_min=1, items_max=LINES_MAX),
        says="What leaves, each stock item once.",
    )
    actor: str = ruled(_ACTOR, says="Who lets them leave, for the ledger.")

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))

    def to_demands(self) -> tuple[Demand, ...]:
        """Return what leaves, for the inventory."""
        return _demands(self.demands)


@frozen
class BookMovement:
    """A ledger entry as the asker made it, with its own name, time and actor."""

    movement_id: str = ruled(
        _MOVEMENT, says="Names the entry within tenant and organization, for ever."
    )
    sku: str = ruled(_SKU, says="What is counted.")
    location: str = ruled(_LOCATION, says="Where it lies.")
    quantity_delta: int = ruled(
        Whole(-QUANTITY_DELTA_MAX, QUANTITY_DELTA_MAX, example=100),
        says="Pieces that came (+) or left (-).",
    )
    reason: str = ruled(_WORDS, says="Why, for the ledger.")
    at: str = ruled(Instant(), says="When.")
    actor: str = ruled(_ACTOR, says="Who, for the ledger.")

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))

    def to_movement(self) -> StockMovement:
        """Return the entry."""
        return StockMovement(
            movement_id=self.movement_id,
            item=StockItem(self.sku, self.location),
            quantity_delta=self.quantity_delta,
            reason=self.reason,
            at=datetime.fromisoformat(self.at).astimezone(UTC),
            actor=self.actor,
        )


@frozen
class LookUpLevels:
    """Which stock levels are wanted, by any names."""

    items: Sequence[NamedItem] | None = ruled(
        ListOf(NamedItem, items_max=ITEMS_MAX),
        says="Exactly these, known or not; left out: all that are known.",
        default=None,
    )
    sku: str | None = ruled(_SKU, says="Only this sku.", default=None)
    location: str | None = ruled(_LOCATION, says="Only this location.", default=None)
    limit: int = ruled(
        Whole(1, LIMIT_MAX, example=LIMIT_MAX), says="How many at the most.", default=LIMIT_MAX
    )
    cursor: str | None = ruled(
        Text(chars_max=CURSOR_LENGTH_MAX),
        says="`next_cursor` of the page before: goes on after it.",
        default=None,
    )

    def __attrs_post_init__(self) -> None:
        """Check every field."""
        require(check(self))


@frozen
class LedgerListing:
    """Which part of the ledger of one stock item is wanted."""

    sku: str = ruled(_SKU, says="What is counted.")
    location: str = ruled(_LOCATION, says="Where it lies.")
    limit: int = ruled(
        Whole(1, MOVEMENTS_MAX, example=100), says="How many entries at the most.", default=100
    )
    after: int = ruled(
        Whole(0, 1_000_000_000, example=0),
        says="How many of the oldest entries to skip.",
        default=0,
    )

    def __attrs_post_init__(self) -> None:
        """Check every parameter."""
        require(check(self))


def _demands(wanted: Sequence[WantedItem]) -> tuple[Demand, ...]:
    return tuple(Demand(StockItem(one.sku, one.location), one.quantity) for one in wanted)
