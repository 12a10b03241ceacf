"""One SQLite file, shared by every adapter that keeps its tables in it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from oms_adapters.sqlite import file, schema, verdict
from oms_adapters.sqlite.group_commit import GroupCommit
from oms_adapters.sqlite.read_pool import ReadPool
from oms_adapters.sqlite.schema import Schema
from oms_core.errors import StoreUnavailable, StoreUnusable

T = TypeVar("T")

_PROBE = Schema(
    "probe",
    (
        (
            "CREATE TABLE probe (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT",
            "INSERT INTO probe (id, count) VALUES (1, 0)",
        ),
    ),
)


def _probe(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE probe SET count = count + 1")


class SqliteDatabase:
    """A database file that any number of threads and processes may use at once.

    ``busy_timeout_s`` bounds, in seconds, how long a write waits for other processes.

    Raises:
        StoreUnusable: the path cannot be opened, or the file is damaged, foreign, or written
            by a newer version; the sentence names it and says what to do.
    """

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_s: float = 5.0) -> None:
        if not os.fspath(path):
            raise StoreUnusable("The database file has no name; name one, such as oms.db.")
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - keeps symbolic links
        self._busy_timeout_s = busy_timeout_s
        self._process = os.getpid()
        opened = file.open_file(self.path, busy_timeout_s=busy_timeout_s)
        self._identity = file.identity(self.path)
        self._writer = GroupCommit(
            lambda: self._connect(writes=True),
            self._translated,
            opened,
            # Once a transaction: what is acknowledged into a file that was moved away is lost.
            vouch=self._require_same_file,
            wait_max_s=busy_timeout_s,
        )
        self._readers = ReadPool(lambda: self._connect(writes=False))
        try:
            self.migrate(_PROBE)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def migrate(self, tables: Schema) -> None:
        """Bring *tables* up to date; safe from several processes at once, and repeatable.

        Raises:
            StoreUnusable: a newer version of this program has changed these tables.
        """
        seen = self.read(lambda connection: schema.version_of(connection, tables))
        if seen > tables.version:
            raise verdict.newer(self.path)
        if seen < tables.version:
            self.write(lambda connection: schema.upgrade(connection, tables))

    def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run *run* on a connection that only reads, and return what it returns.

        It sees every write that was acknowledged before. *run* fetches all it needs and
        returns values, not cursors.

        Raises:
            StoreUnavailable: the file cannot be read now: try again.
            StoreUnusable: the file is damaged.
        """
        self._require_own_process()
        try:
            return self._readers.run(run)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def write(self, run: Callable[[sqlite3.Connection], T], *, undoable: bool = True) -> T:
        """Run *run* in a transaction; return its result once that is durable.

        Concurrent writes share a transaction and its flush (see ``GroupCommit``). So *run*
        may be run by another thread, after other operations whose writes it sees: it works
        with the connection alone, neither begins nor ends a transaction, and calls nothing
        that waits. An exception from *run* undoes what *run* wrote, and is raised here.
        With ``undoable=False``, which is quicker, it does not: such a *run* changes nothing but
        with its last statement.

        Raises:
            StoreUnavailable: the disk is full or the file locked or read-only. Nothing was
                acknowledged, but the write may have happened: repeat it.
            StoreUnusable: the file is damaged.
        """
        self._require_own_process()
        return self._writer.submit(run, undoable=undoable)

    def open_reader(self) -> sqlite3.Connection:
        """Open a connection that only reads, for a caller that keeps it; close it at the end.

        Raises:
            StoreUnavailable: the file cannot be opened now.
        """
        self._require_own_process()
        try:
            return self._connect(writes=False)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    @property
    def writes_waiting(self) -> int:
        """How many writes wait for the transaction after the present one; for metrics."""
        return self._writer.waiting

    def ping(self) -> None:
        """Write and flush one small row.

        Raises:
            StoreUnavailable: the file cannot be written now, or is no longer there.
        """
        self._require_same_file()
        self.write(_probe)

    def close(self) -> None:
        """Finish the writes under way and close every connection. Repeatable.

        Afterwards reads and writes raise ``StoreUnavailable``.
        """
        if self._process != os.getpid():
            return  # the connections are the parent's
        self._readers.close()
        self._writer.close()

    def _connect(self, *, writes: bool) -> sqlite3.Connection:
        self._require_same_file()
        connection = file.connect(self.path, busy_timeout_s=self._busy_timeout_s, writes=writes)
        try:
            # Its store may have been carried over while this process had no connection.
            file.require_open(connection, self.path)
            if writes:
                # The writer does its own waiting.
                connection.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_same_file(self) -> None:
        """Refuse a file that took our file's place: we would write into two."""
        if file.identity(self.path) != self._identity:
            raise StoreUnavailable(f"{self.path} was moved, removed or replaced while in use")

    def _require_own_process(self) -> None:
        if self._process != os.getpid():
            raise StoreUnusable(
                f"The database file {self.path} was opened before this process was forked; "
                "open it again in the child process."
            )

    def _translated(self, error: sqlite3.Error) -> Exception:
        return verdict.verdict(error, self.path) or error
