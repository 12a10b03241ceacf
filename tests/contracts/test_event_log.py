"""Every event log adapter sits the exam that embedders' own adapters sit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from oms_adapters.event_log.memory import MemoryEventLog
from oms_adapters.event_log.mongodb import MongoEventLog
from oms_adapters.event_log.sqlite import SqliteEventLog
from oms_adapters.sqlite import SqliteDatabase
from oms_core.ports.clock import Clock
from oms_core.ports.event_log import EventLog
from oms_core.testing import EventLogContract
from tests.support import mongo_server


class TestMemoryEventLog(EventLogContract):
    def make_log(self, clock: Clock) -> EventLog:
        return MemoryEventLog(clock)


class TestSqliteEventLog(EventLogContract):
    def make_log(self, clock: Clock) -> EventLog:
        self._folder = TemporaryDirectory()
        self._database = SqliteDatabase(Path(self._folder.name) / "oms.db")
        return SqliteEventLog(self._database, clock)

    def teardown_method(self) -> None:
        self._database.close()
        self._folder.cleanup()


class TestMongoEventLog(EventLogContract):
    def make_log(self, clock: Clock) -> EventLog:
        return MongoEventLog(mongo_server.emptied_database(), clock)
