"""All parts of the inventory exam together."""

from __future__ import annotations

from oms_core.testing.inventory_contract.earmarks import LetsEarmarksLapse
from oms_core.testing.inventory_contract.ledger import KeepsALedger
from oms_core.testing.inventory_contract.levels import TellsLevels
from oms_core.testing.inventory_contract.parts import CommitsInParts
from oms_core.testing.inventory_contract.races import SurvivesRaces
from oms_core.testing.inventory_contract.reservations import KeepsReservationsWhole


class InventoryContract(
    KeepsReservationsWhole,
    CommitsInParts,
    LetsEarmarksLapse,
    KeepsALedger,
    TellsLevels,
    SurvivesRaces,
):
    """Every promise of ``Inventory``, as tests that pytest runs on your adapter.

    Inherit and say how an inventory is made::

        class TestMyInventory(InventoryContract):
            def make_inventory(self, clock: Clock) -> Inventory:
                return MyInventory(clock)

    Each test gets an empty inventory, whose clock is ``self.clock``: nothing sleeps. To clean
    up after a test, extend ``teardown_method``.
    """
