"""The SQLite engine: one file, one writer with group commit, many readers.

It lies beneath the adapters that keep their tables in the file, and knows none of them::

    database = SqliteDatabase("oms.db")
    storage = SqliteStorage(database)
    inventory = SqliteInventory(database)
"""

from oms_adapters.sqlite.database import SqliteDatabase
from oms_adapters.sqlite.departing_file import DepartingFile, TableShelf
from oms_adapters.sqlite.schema import Migration, Schema

__all__ = ["DepartingFile", "Migration", "Schema", "SqliteDatabase", "TableShelf"]
