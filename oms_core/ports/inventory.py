"""The inventory port: promises stock to orders."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeAlias

from attrs import frozen

from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    OutOfStock,
    Reserved,
)
from oms_core.errors import InventoryUnavailable, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from oms_core.domain.inventory import (
        Allocation,
        Demand,
        StockItem,
        StockLevel,
        StockMovement,
    )
    from oms_core.domain.scope import Scope

ReserveOutcome: TypeAlias = "Reserved | OutOfStock | AlreadyReleased | AlreadyCommitted"
HardenOutcome: TypeAlias = "Reserved | OutOfStock | AlreadyReleased | AlreadyCommitted"
CommitOutcome: TypeAlias = "AlreadyCommitted | AlreadyReleased | OutOfStock"


@frozen
class StockPage:
    """Stock levels sorted by sku and location; ``next_cursor`` continues after them."""

    levels: tuple[StockLevel, ...]
    next_cursor: str | None = None


class Inventory(Protocol):
    """Promises stock to orders.

    Promises every adapter keeps (``oms_core.testing.InventoryContract`` runs them all):

    * A reservation is whole or absent, whatever crashes; it is never partly held.
    * Same *reservation_id*: the first outcome again, never a second reservation. A refusal
      is remembered too.
    * ``release`` of what was never reserved succeeds, and a late ``reserve`` of that id is
      refused: a zombie's reserve cannot leak stock.
    * The ledger is append-only; on-hand is its sum. ``on_hand - reserved`` is never negative
      (HARD), enforced by the store's own conditional write and by no caller's lock.
    * Every call may be repeated after a lost answer. Scopes never see each other.

    Every method raises ``InventoryUnavailable`` when the outcome is unknown: repeat the
    same call. One that is reached over a network may also raise ``InventoryUnusable``: it
    refuses us, this call had no effect, and a person must act before it is repeated.
    """

    def reserve(
        self,
        scope: Scope,
        reservation_id: str,
        demands: Sequence[Demand],
        *,
        allocation: Allocation,
    ) -> ReserveOutcome:
        """Promise all of *demands* (one per stock item) or nothing.

        A SOFT reservation lapses ``allocation.ttl_s`` seconds after it was made. Reserving
        a lapsed one again is a new attempt for the same pieces.
        """
        ...

    def harden(self, scope: Scope, reservation_id: str) -> HardenOutcome:
        """Make a SOFT reservation permanent; for a HARD one nothing is left to do.

        A lapsed one is taken again if the stock is still there, else ``OutOfStock``.
        An unknown id is ``AlreadyReleased``: nothing is promised under it.
        """
        ...

    def release(self, scope: Scope, reservation_id: str) -> AlreadyReleased | AlreadyCommitted:
        """Make the pieces available again and leave a tombstone under the id.

        ``AlreadyReleased`` is success, now and on every repeat. ``AlreadyCommitted`` means
        that the goods have left: nothing was changed.
        """
        ...

    def commit(self, scope: Scope, reservation_id: str, *, actor: str) -> CommitOutcome:
        """Let the goods leave: on-hand and reserved drop, a ledger entry for each item.

        ``AlreadyCommitted`` is success, now and on every repeat. Otherwise nothing left:
        released before or never reserved (``AlreadyReleased``), or a lapsed SOFT reservation
        whose pieces are gone (``OutOfStock``).
        """
        ...

    def commit_part(
        self,
        scope: Scope,
        reservation_id: str,
        part_id: str,
        demands: Sequence[Demand],
        *,
        actor: str,
    ) -> CommitOutcome:
        """Let a part of a reservation's goods leave; the rest stays promised.

        ``AlreadyCommitted`` is success, now and on every repeat of *part_id*, whatever has
        become of the reservation since. Once nothing is left of it, the reservation itself is
        committed. Otherwise nothing left, as with ``commit``; ``OutOfStock`` also if *demands*
        are more than the reservation holds by now.
        """
        ...

    def adjust(self, scope: Scope, movement: StockMovement) -> StockLevel:
        """Append *movement* to the ledger; answers with the level after it.

        The same movement id again answers with the present level and changes nothing.

        Raises:
            InsufficientStock: it would leave less on hand than is promised.
            IdempotencyKeyReused: the id names a movement of another item, quantity or
                reason.
        """
        ...

    def levels(
        self,
        scope: Scope,
        *,
        items: Sequence[StockItem] | None = None,
        sku: str | None = None,
        location: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> StockPage:
        """Return stock levels, sorted; *items* asks for exactly these, known or not.

        Raises:
            InvalidInput: *cursor* is not one that this method gave out.
        """
        ...

    def movements(
        self, scope: Scope, item: StockItem, *, limit: int = 100, after: int = 0
    ) -> tuple[StockMovement, ...]:
        """Return the ledger of *item* in the order of its entries, from number *after* on."""
        ...

    def ping(self) -> None:
        """Raise ``InventoryUnavailable`` unless the inventory can be used now."""
        ...


@contextmanager
def as_inventory() -> Iterator[None]:
    """Let no outcome that is unknown look like the store's: the caller repeats the same call.

    For inventories that live in a store.
    """
    try:
        yield
    except StoreUnavailable as error:
        raise InventoryUnavailable(error.reason) from error
