"""Connections for readers: taken out for one read, then put back for the next."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from oms_core.errors import StoreUnavailable

T = TypeVar("T")

IDLE_MAX: Final = 8
"""Connections kept for the next reader; each holds up to 1 MiB of cached pages."""


class ReadPool:
    """Runs reads, each on a connection of its own, so that readers never wait for one another."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._mutex = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    def run(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run *run*, which must fetch all it needs: an open cursor would freeze what is seen."""
        with self._mutex:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            # The latest one back has the warmest cache.
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._connect()
        try:
            result = run(connection)
        except BaseException:
            # Its traceback may keep a cursor open, and with it an old state of the store.
            connection.close()
            raise
        if not self._keep(connection):
            connection.close()
        return result

    def _keep(self, connection: sqlite3.Connection) -> bool:
        with self._mutex:
            if self._closed or len(self._idle) >= IDLE_MAX:
                return False
            self._idle.append(connection)
            return True

    def close(self) -> None:
        """Close the idle connections; one that is out is closed when it comes back."""
        with self._mutex:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
