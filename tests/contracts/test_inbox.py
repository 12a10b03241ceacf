"""Every inbox adapter sits the exam that embedders' own adapters sit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.inbox.mongodb import MongoInbox
from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.sqlite import SqliteDatabase
from oms_core.ports.clock import Clock
from oms_core.ports.inbox import WebhookInbox
from oms_core.testing import InboxContract
from tests.support import mongo_server


class TestMemoryInbox(InboxContract):
    def make_inbox(self, clock: Clock) -> WebhookInbox:
        return MemoryInbox(clock)


class TestSqliteInbox(InboxContract):
    def make_inbox(self, clock: Clock) -> WebhookInbox:
        self._folder = TemporaryDirectory()
        self._database = SqliteDatabase(Path(self._folder.name) / "oms.db")
        return SqliteInbox(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
        self._folder.cleanup()


class TestMongoInbox(InboxContract):
    def make_inbox(self, clock: Clock) -> WebhookInbox:
        self._database = mongo_server.emptied_database()
        return MongoInbox(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
