"""What every part of the storage exam starts with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from oms_core.ports.storage import Added
from oms_core.testing.clock import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.order import Order
    from oms_core.ports.clock import Clock
    from oms_core.ports.storage import Claim, OrderStorage

PLACE_ORDER = "place_order/1"
"""The saga definition of an order from ``an_order``."""


class StorageSuite(ABC):
    """A clock that stands still, and an empty store that goes by it."""

    clock: SimulatedClock
    store: OrderStorage

    @abstractmethod
    def make_store(self, clock: Clock) -> OrderStorage:
        """Make an empty store that compares leases with *clock*."""

    def setup_method(self) -> None:
        """Give every test a store of its own; pytest calls it."""
        self.clock = SimulatedClock()
        self.store = self.make_store(self.clock)

    def teardown_method(self) -> None:
        """Close the store; pytest calls it."""
        self.store.close()

    # -- words the tests are written in ------------------------------------------------------

    def stored(self, order: Order) -> Order:
        """Store a new order that nobody holds."""
        added = self.store.add(order)
        assert isinstance(added, Added)
        return added.order

    def stored_and_claimed(
        self, order: Order, holder: str = "worker-a", *, lease_s: float = 30.0
    ) -> Claim:
        """Store a new order in the hands of *holder*."""
        added = self.store.add(order, holder=holder, lease_s=lease_s)
        assert isinstance(added, Added)
        assert added.claim is not None
        return added.claim

    def claimed(self, order: Order, holder: str = "worker-a", *, lease_s: float = 30.0) -> Claim:
        """Claim an order that nobody holds."""
        claim = self.store.claim(order.scope, order.id, holder, lease_s=lease_s)
        assert claim is not None
        return claim

    def claim_due(
        self, holder: str = "worker-b", *, limit: int = 10, lease_s: float = 30.0
    ) -> Sequence[Claim]:
        """Claim what is due of the ordinary saga."""
        return self.store.claim_due(holder, limit=limit, lease_s=lease_s, definitions=[PLACE_ORDER])

    def read(self, order: Order) -> Order:
        """Read the order as it is now."""
        return self.store.get(order.scope, order.id)
