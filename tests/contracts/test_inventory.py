"""Every inventory adapter sits the exam that embedders' own adapters sit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.inventory.mongodb import MongoInventory
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.sqlite import SqliteDatabase
from oms_core.ports.clock import Clock
from oms_core.ports.inventory import Inventory
from oms_core.testing import InventoryContract, StockAuditContract
from oms_entrypoints.http.server import RunningServer, serve
from oms_entrypoints.http.settings import HttpSettings
from tests.support import mongo_server
from tests.support.stock_service import StockService, client_of


class TestMemoryInventory(InventoryContract, StockAuditContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        return MemoryInventory(clock)


class TestSqliteInventory(InventoryContract, StockAuditContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        self._folder = TemporaryDirectory()
        self._database = SqliteDatabase(Path(self._folder.name) / "oms.db")
        return SqliteInventory(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
        self._folder.cleanup()


class TestMongoInventory(InventoryContract, StockAuditContract):
    def make_inventory(self, clock: Clock) -> Inventory:
        self._database = mongo_server.emptied_database()
        return MongoInventory(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()


class TestHttpInventory(InventoryContract):
    """Over a real socket: our client, and our server as the service."""

    _service: StockService
    _server: RunningServer

    @classmethod
    def setup_class(cls) -> None:
        cls._service = StockService()
        cls._server = serve(cls._service.app, HttpSettings(port=0))

    @classmethod
    def teardown_class(cls) -> None:
        assert cls._server.stop(10)

    def make_inventory(self, clock: Clock) -> Inventory:
        self._service.renew(clock)
        self._client = client_of(self._server.url)
        return self._client

    def teardown_method(self) -> None:
        self._client.close()
