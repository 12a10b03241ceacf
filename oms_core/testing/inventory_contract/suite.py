"""What every part of the inventory exam starts with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    Demand,
    StockItem,
    StockLevel,
    StockMovement,
)
from oms_core.testing.clock import SimulatedClock
from oms_core.testing.orders import a_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.inventory import Inventory, ReserveOutcome

ARMCHAIR: Final = StockItem("CRUNCHY-ARMCHAIR")
LAMP: Final = StockItem("WOBBLY-LAMP")
RUG: Final = StockItem("FLYING-RUG")

HARD: Final = Allocation(AllocationModel.HARD)
SOFT: Final = Allocation(AllocationModel.SOFT, ttl_s=900.0)


class InventorySuite(ABC):
    """A clock that stands still, and an empty inventory that goes by it."""

    clock: SimulatedClock
    inventory: Inventory
    scope: Scope = a_scope()

    @abstractmethod
    def make_inventory(self, clock: Clock) -> Inventory:
        """Make an empty inventory whose SOFT reservations lapse by *clock*."""

    def setup_method(self) -> None:
        """Give every test an inventory of its own; pytest calls it."""
        self.clock = SimulatedClock()
        self.inventory = self.make_inventory(self.clock)
        self._deliveries = 0

    def teardown_method(self) -> None:  # noqa: B027 - a hook to extend, not one to fill
        """Clean up; pytest calls it. Extend it if your inventory must be closed."""

    # -- words the tests are written in ------------------------------------------------------

    def movement(
        self,
        item: StockItem = ARMCHAIR,
        quantity_delta: int = 10,
        *,
        movement_id: str = "delivery-4711",
        reason: str = "delivery 4711",
    ) -> StockMovement:
        """Make a ledger entry of the present moment."""
        return StockMovement(
            movement_id, item, quantity_delta, reason, self.clock.now(), "pat@example.com"
        )

    def receive(self, item: StockItem, quantity: int, *, scope: Scope | None = None) -> StockLevel:
        """Book a delivery of its own."""
        self._deliveries += 1
        movement = self.movement(item, quantity, movement_id=f"received-{self._deliveries}")
        return self.inventory.adjust(scope or self.scope, movement)

    def reserve(
        self,
        reservation_id: str,
        wanted: Mapping[StockItem, int],
        *,
        allocation: Allocation = HARD,
        scope: Scope | None = None,
    ) -> ReserveOutcome:
        """Reserve so many pieces of each item, in the order that is given."""
        demands = [Demand(item, quantity) for item, quantity in wanted.items()]
        return self.inventory.reserve(
            scope or self.scope, reservation_id, demands, allocation=allocation
        )

    def level(self, item: StockItem, *, scope: Scope | None = None) -> StockLevel:
        """Read one level, of a known or an unknown item."""
        (level,) = self.inventory.levels(scope or self.scope, items=[item]).levels
        return level
