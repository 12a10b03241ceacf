"""Every inventory adapter sits the exam that embedders' own adapters sit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_core.ports.clock import Clock
from oms_core.ports.inventory import Inventory
from oms_core.testing import InventoryContract
from tests.support import mongo_server


class TestMemoryInventory(InventoryContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        return MemoryInventory(clock)


class TestSqliteInventory(InventoryContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        self._folder = TemporaryDirectory()
        self._database = SqliteDatabase(Path(self._folder.name) / "oms.db")
        return SqliteInventory(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
        self._folder.cleanup()


class TestMongoInventory(InventoryContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        self._database = mongo_server.emptied_database()
        return MongoInventory(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
