"""Stock in the memory of one process: gone when it ends, and quick while it lives."""

from oms_adapters.inventory.memory.memory_inventory import MemoryInventory

__all__ = ["MemoryInventory"]
