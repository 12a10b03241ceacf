"""Notifications in the memory of one process: gone when it ends."""

from oms_adapters.inbox.memory.memory_inbox import MemoryInbox

__all__ = ["MemoryInbox"]
