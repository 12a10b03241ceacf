"""What each SQLite error means to whoever called."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Final

from oms_core.errors import StorageTrouble, StoreUnavailable, StoreUnusable

_PRIMARY_CODE: Final = 0xFF
"""Extended result codes keep the primary one in their low byte (sqlite.org/rescode.html)."""

_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_ABORT,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_SCHEMA,
        sqlite3.SQLITE_NOLFS,
    }
)
"""The disk is full, slow, read-only or locked: an operator can mend that while we wait."""

_CONTENTION: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
)


def verdict(error: sqlite3.Error, path: Path) -> StorageTrouble | None:
    """Translate *error*, met while using the open file at *path*.

    ``None`` means that the statement itself is wrong, which is a bug of ours: it must
    surface as it is instead of being retried for ever.
    """
    # The module's own errors (a closed connection, a wrong binding) carry no code.
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code & _PRIMARY_CODE in _DAMAGED:
        return damaged(path)
    if code & _PRIMARY_CODE in _PASSING:
        return StoreUnavailable(f"{path}: {error.sqlite_errorname} ({error})")
    return None


def is_contention(error: sqlite3.Error) -> bool:
    """Another process is at the file right now, so trying again makes sense.

    Not if our own connection still looks at an older state: that lasts as long as we wait.
    """
    code = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY_CODE in _CONTENTION and code != sqlite3.SQLITE_BUSY_SNAPSHOT


def at_start(error: sqlite3.Error, path: Path) -> StoreUnusable:
    """Translate *error*, met while opening the file: a person starts us and can act."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code == sqlite3.SQLITE_NOTADB:
        return foreign(path)
    if code == sqlite3.SQLITE_CORRUPT:
        return damaged(path)
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return unwritable(path)
    if code == sqlite3.SQLITE_FULL:
        return StoreUnusable(
            f"There is no space left for the database file {path}; free some, then start again."
        )
    if code in _CONTENTION:
        return StoreUnusable(
            f"The database file {path} is locked by another program; "
            "end that program or wait for it, then start again."
        )
    return StoreUnusable(
        f"The database file {path} cannot be used ({error}); mend that or name another file."
    )


def damaged(path: Path) -> StoreUnusable:
    """Say that the file's content cannot be trusted."""
    return StoreUnusable(
        f"The database file {path} is damaged; restore it from a backup, "
        "or name another file to start with an empty store."
    )


def foreign(path: Path) -> StoreUnusable:
    """Say that the file holds something else, which must stay as it is."""
    return StoreUnusable(
        f"{path} is not a database of this order system, or its beginning is damaged; it was "
        "left as it is. Name another file, or restore this one from a backup."
    )


def sealed(path: Path, target: str, at: str) -> StoreUnusable:
    """Say that orders are accepted elsewhere by now."""
    return StoreUnusable(
        f"The store in {path} was carried over to {target} at {at}, and this file must not be "
        "used beside it; let the configuration name that store."
    )


def in_use(path: Path) -> StoreUnusable:
    """Say that a store can be carried over only while nobody uses it."""
    return StoreUnusable(
        f"The database file {path} is in use by another program; end every oms serve, oms worker "
        "and other program that has it open, then start again."
    )


def newer(path: Path) -> StoreUnusable:
    """Say that this program is too old for the file."""
    return StoreUnusable(
        f"The database file {path} was written by a newer version of this program; "
        "install that version again, or name another file."
    )


def unwritable(path: Path) -> StoreUnusable:
    """Say that this user may not write where it must."""
    return StoreUnusable(
        f"The database file {path} cannot be read and written here; give this user write "
        "permission for the file and for its folder, or name another file."
    )


def unopenable(path: Path, error: OSError | ValueError) -> StoreUnusable:
    """Say why the operating system does not let us make the file."""
    if isinstance(error, ValueError):
        return StoreUnusable(f"{str(path)!r} cannot be a file name; name another file.")
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return StoreUnusable(
                f"The database file {path} cannot be made because there is no folder "
                f"{path.parent}; create that folder or name another file."
            )
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return unwritable(path)
        case _:
            return StoreUnusable(
                f"The database file {path} cannot be made ({error.strerror}); "
                "mend that or name another file."
            )
