"""The stock audit port: lets a checker see what an inventory adds its sums up from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from oms_core.domain.inventory import Demand, StockItem
    from oms_core.domain.scope import Scope


@frozen
class StockBooks:
    """What an inventory says of one item, and what that should be the sum of; of one moment."""

    item: StockItem
    on_hand: int
    reserved: int
    ledger: int
    """The sum of the item's ledger."""
    promised: int
    """The sum of what is held of it, over all reservations."""


@frozen
class HeldPromise:
    """A reservation whose pieces are held now."""

    reservation_id: str
    demands: tuple[Demand, ...]
    """What is still held: parts that left are no longer in it."""
    lapses: bool = False
    """It is SOFT, and ends by itself."""


class StockAudit(Protocol):
    """Looks into an inventory, and changes nothing.

    Promises every adapter keeps (``oms_core.testing.StockAuditContract`` runs them all):

    * Page by page, each entry that was there at the beginning is met once.
    * The figures of one ``books`` answer are of one moment: what others do never makes them
      contradict one another.

    Every method raises ``InventoryUnavailable`` when the inventory does not answer.
    """

    def scopes(self, *, after: Scope | None = None, limit: int) -> Sequence[Scope]:
        """List the scopes that have stock, behind *after*, by tenant and organization."""
        ...

    def books(
        self, scope: Scope, *, after: StockItem | None = None, limit: int
    ) -> Sequence[StockBooks]:
        """Return the books of the items behind *after*, by sku and location."""
        ...

    def promises(
        self, scope: Scope, *, after: str | None = None, limit: int
    ) -> Sequence[HeldPromise]:
        """List what is held in *scope*, behind the reservation *after*; the order is its own."""
        ...

    def promises_of(
        self, scope: Scope, reservation_ids: Collection[str]
    ) -> Mapping[str, HeldPromise]:
        """Return those of these reservations that are held."""
        ...


@runtime_checkable
class AuditableInventory(Protocol):
    """An inventory that lets itself be audited; one that is reached over HTTP does not."""

    def stock_audit(self) -> StockAudit:
        """Look into it."""
        ...
