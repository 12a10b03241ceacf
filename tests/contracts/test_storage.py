"""Every storage adapter sits the exam that embedders' own adapters sit."""

from oms_adapters.storage.memory import MemoryStorage
from oms_core.ports.clock import Clock
from oms_core.ports.storage import OrderStorage
from oms_core.testing import StorageContract


class TestMemoryStorage(StorageContract):
    def make_store(self, clock: Clock) -> OrderStorage:
        return MemoryStorage(clock)
