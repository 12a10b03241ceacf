"""Every subscriptions adapter sits the exam that embedders' own adapters sit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.subscriptions.memory import MemorySubscriptions
from oms_adapters.subscriptions.mongodb import MongoSubscriptions
from oms_adapters.subscriptions.sqlite import SqliteSubscriptions
from oms_core.ports.clock import Clock
from oms_core.ports.subscriptions import Subscriptions
from oms_core.testing import SubscriptionsContract
from tests.support import mongo_server


class TestMemorySubscriptions(SubscriptionsContract):
    def make_subscriptions(self, clock: Clock) -> Subscriptions:
        return MemorySubscriptions(clock)


class TestSqliteSubscriptions(SubscriptionsContract):
    def make_subscriptions(self, clock: Clock) -> Subscriptions:
        self._folder = TemporaryDirectory()
        self._database = SqliteDatabase(Path(self._folder.name) / "oms.db")
        return SqliteSubscriptions(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
        self._folder.cleanup()


class TestMongoSubscriptions(SubscriptionsContract):
    def make_subscriptions(self, clock: Clock) -> Subscriptions:
        return MongoSubscriptions(mongo_server.emptied_database(), clock)
