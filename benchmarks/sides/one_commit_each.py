"""The base of P5: the same file and the same statements, but every write commits for itself."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from oms_adapters.sqlite import SqliteDatabase

T = TypeVar("T")


class OneCommitEach(SqliteDatabase):
    """A database without group commit; just as durable."""

    def __init__(self, path: Path) -> None:
        """Open the file, and a connection of our own for the writes."""
        self._own: sqlite3.Connection | None = None
        super().__init__(path)
        self._turn = threading.Lock()
        self._own = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        self._own.execute("PRAGMA synchronous = FULL")
        (mode,) = self._own.execute("PRAGMA journal_mode").fetchone()
        assert mode == "wal"

    def write(self, run: Callable[[sqlite3.Connection], T], *, undoable: bool = True) -> T:
        """Run *run* in a transaction of its own; nothing of it may fail."""
        if self._own is None:
            return super().write(run, undoable=undoable)
        with self._turn:
            self._own.execute("BEGIN IMMEDIATE")
            result = run(self._own)
            self._own.execute("COMMIT")
            return result

    def close(self) -> None:
        """Close every connection."""
        if self._own is not None:
            self._own.close()
        super().close()
