"""The event log port over one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from oms_adapters.sqlite import Schema, SqliteDatabase
from oms_core.domain.event_envelope import EventEnvelope
from oms_core.domain.scope import Scope
from oms_core.ports.event_log import LoggedEvent, by_scope, from_log_document, to_log_document

EVENTS: Final = Schema(
    "events",
    (
        (
            """
            CREATE TABLE events (
                tenant BLOB NOT NULL,
                org BLOB NOT NULL,
                position INTEGER NOT NULL,
                id BLOB NOT NULL,
                document TEXT NOT NULL,
                PRIMARY KEY (tenant, org, position)
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE UNIQUE INDEX events_by_id ON events (tenant, org, id)",
        ),
    ),
)

_HEAD: Final = "SELECT coalesce(max(position), 0) FROM events WHERE tenant = ? AND org = ?"
_ADD: Final = """
INSERT INTO events (tenant, org, position, id, document) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (tenant, org, id) DO NOTHING
"""
_READ: Final = """
SELECT position, document FROM events WHERE tenant = ? AND org = ? AND position > ?
ORDER BY position LIMIT ?
"""
_to_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class SqliteEventLog:
    """Keeps events in *database*; implements ``EventLog``.

    A batch is one transaction, and SQLite lets one write at a time: that alone makes positions
    consecutive, from however many processes they are given out.

    Raises:
        StoreUnusable: a newer version of this program has changed the table.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        database.migrate(EVENTS)

    def append(self, events: Sequence[EventEnvelope]) -> None:
        """Number what is new; see ``EventLog.append``."""
        prepared = [
            (_key_of(scope), [(event.event_id.bytes, _to_text(event)) for event in each])
            for scope, each in by_scope(events).items()
        ]
        if not prepared:
            return

        def run(connection: sqlite3.Connection) -> None:
            for key, rows in prepared:
                (head,) = connection.execute(_HEAD, key).fetchone()
                for row in rows:
                    head += connection.execute(_ADD, (*key, head + 1, *row)).rowcount

        self._database.write(run)

    def read(self, scope: Scope, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Return what comes after a position; see ``EventLog.read``."""
        parameters = (*_key_of(scope), after, limit)
        rows = self._database.read(
            lambda connection: connection.execute(_READ, parameters).fetchall()
        )
        return [
            LoggedEvent(position, from_log_document(scope, json.loads(text)))
            for position, text in rows
        ]

    def heads(self, scopes: Collection[Scope]) -> Mapping[Scope, int]:
        """Tell the last positions; see ``EventLog.heads``."""

        def run(connection: sqlite3.Connection) -> dict[Scope, Any]:
            return {
                scope: connection.execute(_HEAD, _key_of(scope)).fetchone()[0] for scope in scopes
            }

        return self._database.read(run)


def _key_of(scope: Scope) -> tuple[bytes, bytes]:
    return scope.tenant_id.bytes, scope.org_id.bytes


def _to_text(event: EventEnvelope) -> str:
    return _to_json(to_log_document(event))
