"""Stock in a SQLite file: durable, for one machine, needing nothing but Python."""

from oms_adapters.inventory.sqlite.sqlite_inventory import SqliteInventory

__all__ = ["SqliteInventory"]
