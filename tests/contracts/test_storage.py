"""Every storage adapter sits the exam that embedders' own adapters sit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.memory import MemoryStorage
from oms_adapters.storage.mongodb import MongoStorage
from oms_adapters.storage.mongodb.payment_claims import keep_by_claims
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core.ports.clock import Clock
from oms_core.ports.storage import OrderStorage
from oms_core.testing import StorageContract
from tests.support import mongo_server


class TestMemoryStorage(StorageContract):
    def make_store(self, clock: Clock) -> OrderStorage:
        return MemoryStorage(clock)


class TestSqliteStorage(StorageContract):
    def make_store(self, clock: Clock) -> OrderStorage:
        self._folder = TemporaryDirectory()
        return SqliteStorage(SqliteDatabase(Path(self._folder.name) / "oms.db"), clock)

    def teardown_method(self) -> None:
        super().teardown_method()
        self._folder.cleanup()


class TestMongoStorage(StorageContract):
    def make_store(self, clock: Clock) -> OrderStorage:
        return MongoStorage(mongo_server.emptied_database(), clock)


class TestMongoStorageWithPaymentClaims(StorageContract):
    """As it must be before the collection of orders is sharded."""

    def make_store(self, clock: Clock) -> OrderStorage:
        database = mongo_server.emptied_database("claims")
        keep_by_claims(database)
        return MongoStorage(database, clock)
