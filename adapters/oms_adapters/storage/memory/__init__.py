"""Orders in the memory of one process: gone when it ends, and quick while it lives."""

from oms_adapters.storage.memory.memory_storage import MemoryStorage

__all__ = ["MemoryStorage"]
