"""Opening the database file: ours or new, sound, and in write-ahead mode."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

from oms_adapters.sqlite import schema, verdict
from oms_core.errors import StoreUnusable

SQLITE_MIN: Final = (3, 37, 0)
"""The first release with STRICT tables."""

_EXAMINED_MAX_BYTES: Final = 64 * 1024 * 1024
"""Files up to this size are checked page by page at the start, which takes a fraction of a
second; damage in a larger one shows when the page is read."""

_RETRY_S: Final = 0.01

_making_file = threading.Lock()


def open_file(
    path: Path, *, busy_timeout_s: float, may_be_sealed: bool = False
) -> sqlite3.Connection:
    """Open or make the database file and return the connection that may write.

    Several threads and processes may do this at once for one file that is not there yet.
    *may_be_sealed*: also one whose store was carried over elsewhere.

    Raises:
        StoreUnusable: the file cannot be ours; the sentence says why and what to do. It was
            left as it is.
    """
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        raise StoreUnusable(
            f"This Python brings SQLite {sqlite3.sqlite_version}, which is too old for "
            f"{path}; use a Python with SQLite 3.37 or newer."
        )
    _make_file(path)
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            return _prepare(path, may_be_sealed=may_be_sealed)
        except sqlite3.Error as error:
            # Going over to write-ahead mode would not wait for other processes by itself.
            if not verdict.is_contention(error) or time.monotonic() > deadline:
                raise verdict.at_start(error, path) from error
        time.sleep(_RETRY_S)


def connect(
    path: Path, *, busy_timeout_s: float, writes: bool, exclusive: bool = False
) -> sqlite3.Connection:
    """Connect to a file that :func:`open_file` has prepared.

    *exclusive*: the first transaction fails if anybody else has the file open, and from then
    on nobody else can open it (sqlite.org/wal.html, "Use of WAL Without Shared-Memory").
    """
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=busy_timeout_s,
        isolation_level=None,  # transactions begin where we say, not where Python guesses
        check_same_thread=False,  # one thread at a time, but not always the same
        cached_statements=256,
    )
    try:
        if exclusive:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA trusted_schema = OFF")
        if writes:
            # Every commit is on the disk before it is acknowledged; on macOS a plain flush
            # would leave it in the drive's cache.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
            # Some builds overwrite what is deleted with zeros, page by page, at every update.
            connection.execute("PRAGMA secure_delete = FAST")
            # Pages that change often are copied from the log to the file once in 16 MiB
            # instead of once in 4: a third of the time of a small transaction.
            connection.execute("PRAGMA wal_autocheckpoint = 4000")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        else:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA cache_size = -1000")
    except BaseException:
        connection.close()
        raise
    return connection


def identity(path: Path) -> tuple[int, int] | None:
    """Tell one file from another under the same name; ``None`` if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_file(path: Path) -> None:
    """Make the file, for this user only, unless it is there."""
    try:
        # Closing any descriptor of a file drops the locks that SQLite holds on it in this
        # process (POSIX). So the file is opened here only when nobody else can have it yet.
        with _making_file:
            if path.is_dir():
                raise StoreUnusable(f"{path} is a directory; name a file in it.")
            if not path.exists():
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
                _flush_folder(path.parent)
    except FileExistsError:
        pass  # another process was faster
    except (OSError, ValueError) as error:
        raise verdict.unopenable(path, error) from error
    if not (os.access(path, os.R_OK | os.W_OK) and os.access(path.parent, os.W_OK)):
        raise verdict.unwritable(path)


def _flush_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prepare(path: Path, *, may_be_sealed: bool) -> sqlite3.Connection:
    connection = connect(path, busy_timeout_s=0.0, writes=True)
    try:
        blank = schema.is_blank(connection)
        if not blank:
            _require_ours(connection, path, may_be_sealed=may_be_sealed)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnusable(
                f"The database file {path} lies on a drive that cannot share memory between "
                "processes (a network drive?); name a file on a local disk."
            )
        if blank:
            connection.execute("BEGIN IMMEDIATE")
            if schema.is_blank(connection):
                schema.claim_file(connection)
            connection.execute("COMMIT")
            _require_ours(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def require_open(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose store was carried over elsewhere.

    Raises:
        StoreUnusable: the sentence says where to.
    """
    if schema.application_id(connection) == schema.SEALED_ID:
        (target, at) = connection.execute(
            f"SELECT target, sealed_at FROM {schema.CARRIED_OVER}"  # noqa: S608 - our own name
        ).fetchone()
        raise verdict.sealed(path, target, at)


def _require_ours(
    connection: sqlite3.Connection, path: Path, *, may_be_sealed: bool = False
) -> None:
    if not may_be_sealed:
        require_open(connection, path)
    if schema.application_id(connection) not in {schema.APPLICATION_ID, schema.SEALED_ID}:
        raise verdict.foreign(path)
    if schema.format_of(connection) > schema.FORMAT:
        raise verdict.newer(path)
    if path.stat().st_size <= _EXAMINED_MAX_BYTES:
        (answer,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if answer != "ok":
            raise verdict.damaged(path)
