"""Subscriptions to webhooks in a SQLite file, for many threads and processes."""

from oms_adapters.subscriptions.sqlite.sqlite_subscriptions import SqliteSubscriptions

__all__ = ["SqliteSubscriptions"]
