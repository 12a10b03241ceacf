"""The event feed in a SQLite file, next to the orders: durable, for many threads and processes."""

from oms_adapters.event_log.sqlite.sqlite_event_log import SqliteEventLog

__all__ = ["SqliteEventLog"]
