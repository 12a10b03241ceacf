"""Notifications in a SQLite file, next to the orders: durable, for many threads and processes."""

from oms_adapters.inbox.sqlite.sqlite_inbox import SqliteInbox

__all__ = ["SqliteInbox"]
