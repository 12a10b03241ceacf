"""Orders in a SQLite file: durable, for one machine, needing nothing but Python."""

from oms_adapters.storage.sqlite.sqlite_storage import SqliteStorage

__all__ = ["SqliteStorage"]
