"""Whose file it is, and which tables stand in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, TypeAlias

from attrs import frozen

APPLICATION_ID: Final = 0x4F4D5331
"""``OMS1`` in the file's header (bytes 68-71): how ``file`` and we recognise our own."""

SEALED_ID: Final = 0x4F4D5358
"""``OMSX``: a file whose store was carried over elsewhere. Earlier programs take it for foreign."""

CARRIED_OVER: Final = "oms_carried_over"
"""The table that says under which name the file's store is carried, and where it went."""

FORMAT: Final = 1
"""``user_version`` of the file: the layout that is common to all schemas."""

Migration: TypeAlias = Sequence[str]
"""SQL statements, one each, that run in one transaction and are never edited again."""

_REGISTRY: Final = """
CREATE TABLE oms_schemas (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""


@frozen
class Schema:
    """One adapter's tables: the migrations that made them, oldest first.

    The schema's version is the number of its migrations, so a change is one more migration
    at the end.
    """

    name: str
    migrations: tuple[Migration, ...]

    @property
    def version(self) -> int:
        """What the file says after all migrations ran."""
        return len(self.migrations)


def is_blank(connection: sqlite3.Connection) -> bool:
    """Tell whether nobody has written anything into the file yet."""
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return objects == 0 and application_id(connection) == 0 and format_of(connection) == 0


def application_id(connection: sqlite3.Connection) -> int:
    """Whose file it is; 0 if nobody said."""
    return int(connection.execute("PRAGMA application_id").fetchone()[0])


def format_of(connection: sqlite3.Connection) -> int:
    """Which common layout the file has."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def claim_file(connection: sqlite3.Connection) -> None:
    """Make a blank file ours, inside the caller's transaction."""
    connection.execute(_REGISTRY)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def version_of(connection: sqlite3.Connection, schema: Schema) -> int:
    """How many of *schema*'s migrations the file has seen; 0 if it does not know the schema."""
    row = connection.execute(
        "SELECT version FROM oms_schemas WHERE name = ?", (schema.name,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def upgrade(connection: sqlite3.Connection, schema: Schema) -> None:
    """Run the migrations that the file has not seen, inside the caller's transaction.

    Asks for the version again: another process may have upgraded while we waited for the
    write lock.
    """
    seen = version_of(connection, schema)
    for migration in schema.migrations[seen:]:
        for statement in migration:
            connection.execute(statement)
    if seen < schema.version:
        connection.execute(
            "INSERT INTO oms_schemas (name, version) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET version = excluded.version",
            (schema.name, schema.version),
        )
