"""Every inventory adapter sits the exam that embedders' own adapters sit."""

from oms_adapters.inventory.memory import MemoryInventory
from oms_core.ports.clock import Clock
from oms_core.ports.inventory import Inventory
from oms_core.testing import InventoryContract


class TestMemoryInventory(InventoryContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        return MemoryInventory(clock)
