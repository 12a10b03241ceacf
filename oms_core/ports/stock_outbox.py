"""The stock outbox port: an inventory hands out the entries of its ledger as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from attrs import frozen

from oms_core.domain.stock_event import StockEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.inventory import StockItem, StockMovement
    from oms_core.domain.scope import Scope

ENTRIES_MAX: Final = 100
"""Of one item at a time: an item with a long history must not hold up all others."""


@frozen
class UnpublishedStock:
    """A stock item whose ledger has grown, claimed by one relay."""

    scope: Scope
    item: StockItem
    published: int
    """The number of the last entry that has left."""
    movements: tuple[StockMovement, ...]
    """The entries behind it, in the order of their numbers, which count on by one."""
    token: int
    """Tells this claim from earlier and later ones."""

    @property
    def last(self) -> int:
        """The number of the last of the entries."""
        return self.published + len(self.movements)

    @property
    def events(self) -> tuple[StockEvent, ...]:
        """The entries as they leave."""
        return tuple(
            StockEvent(self.scope, movement, number)
            for number, movement in enumerate(self.movements, self.published + 1)
        )


@runtime_checkable
class StockOutbox(Protocol):
    """What an ``Inventory`` also is whose ledger leaves as events.

    An inventory that is a service elsewhere is none: the service publishes its own.

    Promises every adapter keeps (``oms_core.testing.StockOutboxContract`` runs them all):

    * The ledger is the outbox: an entry that is in it leaves, after any crash, and booking it
      takes no write more than before.
    * Entries of one item leave in the order of their numbers, without a gap, at least once.
    * A claim gives one relay an item's entries; when it runs out, others may claim them, and
      what was marked under it after that changes nothing.

    Every method raises ``InventoryUnavailable`` when the outcome is unknown: repeat the call.
    """

    def claim_unpublished(
        self, holder: str, *, limit: int, lease_s: float
    ) -> Sequence[UnpublishedStock]:
        """Claim up to *limit* items with entries that have not left, those waiting longest first.

        Of one item up to ``ENTRIES_MAX`` entries; the next claim hands out more.
        """
        ...

    def mark_published(self, sent: Sequence[UnpublishedStock]) -> None:
        """Record that everything in *sent* has left, and end these claims; one write for all."""
        ...
