"""How a worker hears that another process, or this one, brought work to a SQLite file."""

from __future__ import annotations

import sqlite3
import threading
from time import monotonic
from typing import Final

from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import statements
from oms_core.errors import StoreUnavailable
from oms_core.ports.clock import Clock
from oms_core.ports.order_document import to_microseconds

LOOK_EVERY_S: Final = 0.05
"""SQLite has nobody who could call; asking for the number of the last commit costs 5 µs."""


class SqliteSignal:
    """Notices commits to *database*; implements ``WorkSignal``.

    Only after a commit of somebody else's is the file asked whether an order is due and free.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._closed = threading.Event()
        self._seen = self._last_commit()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a commit that leaves something to do; see ``WorkSignal.wait``."""
        ends_at = monotonic() + timeout_s
        while not self._closed.is_set():
            commit = self._last_commit()
            if commit != self._seen:
                self._seen = commit
                if self._is_something_due():
                    return True
            left_s = ends_at - monotonic()
            if left_s <= 0:
                break
            self._closed.wait(min(left_s, LOOK_EVERY_S))
        return False

    def close(self) -> None:
        """Close the connection; see ``WorkSignal.close``."""
        self._closed.set()
        if self._connection is not None:
            self._connection.close()

    def _last_commit(self) -> int:
        """Tell a number that changes with every commit of another connection's."""
        try:
            if self._connection is None:
                self._connection = self._database.open_reader()
            (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"SQLite: {type(error).__name__}") from error
        return int(number)

    def _is_something_due(self) -> bool:
        now_us = to_microseconds(self._clock.now())
        parameters = (now_us, now_us)
        found = self._database.read(
            lambda connection: connection.execute(statements.ANY_DUE, parameters).fetchone()
        )
        return found is not None
