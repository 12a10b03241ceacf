"""Every subscriptions adapter sits the exam that embedders' own adapters sit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.subscriptions.memory import MemorySubscriptions
from oms_adapters.subscriptions.mongodb import MongoSubscriptions
from oms_adapters.subscriptions.mongodb.mongo_subscriptions import NAME
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
        self._database = mongo_server.emptied_database()
        return MongoSubscriptions(self._database, clock)

    def test_who_waits_is_told_without_reading_one_subscription(self) -> None:
        """It is asked several times a second, and each may hold a thousand dead letters."""
        for number in range(1, 21):
            subscribed = self.added(number)
            if number > 15:
                self.kept.save(evolve(subscribed.subscription, is_enabled=False))
        there = mongo_server.client()[self._database.name]
        there.command("profile", 2)

        waiting = self.kept.waiting()

        there.command("profile", 0)
        (query,) = there["system.profile"].find(
            {"op": "query", "ns": f"{there.name}.{NAME}"}, {"docsExamined": 1, "keysExamined": 1}
        )
        there["system.profile"].drop()
        assert len(waiting) == 15
        assert query["docsExamined"] == 0
        assert query["keysExamined"] <= len(waiting) + 2
