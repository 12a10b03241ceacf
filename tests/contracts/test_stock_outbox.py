"""Every inventory that keeps its own ledger hands it out as events."""

from pathlib import Path
from tempfile import TemporaryDirectory

from oms_adapters.inventory.http import HttpInventory
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_core.ports.clock import Clock
from oms_core.ports.inventory import Inventory
from oms_core.ports.stock_outbox import StockOutbox
from oms_core.testing import StockOutboxContract
from tests.support import mongo_server


class TestMemoryStockOutbox(StockOutboxContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        return MemoryInventory(clock)


class TestSqliteStockOutbox(StockOutboxContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        self._folder = TemporaryDirectory()
        self._database = SqliteDatabase(Path(self._folder.name) / "oms.db")
        return SqliteInventory(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
        self._folder.cleanup()


class TestMongoStockOutbox(StockOutboxContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        self._database = mongo_server.emptied_database()
        return MongoInventory(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()


def test_the_client_of_an_inventory_service_leaves_events_to_the_service() -> None:
    outboxes = {MemoryInventory, SqliteInventory, MongoInventory}

    assert {
        each for each in (*outboxes, HttpInventory) if issubclass(each, StockOutbox)
    } == outboxes
