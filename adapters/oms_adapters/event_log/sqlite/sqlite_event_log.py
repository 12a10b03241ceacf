"""The event log port over one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, Final
from uuid import UUID

from oms_adapters.sqlite import Schema, SqliteDatabase
from oms_adapters.sqlite.json_text import from_json, to_json
from oms_core.domain.event_envelope import EventEnvelope
from oms_core.domain.scope import Scope
from oms_core.ports.clock import Clock, SystemClock
from oms_core.ports.event_log import LoggedEvent, by_scope, from_log_document, to_log_document
from oms_core.ports.order_document import to_microseconds

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
        (
            # When it was appended; what is there already counts from now on.
            "ALTER TABLE events ADD COLUMN logged_us INTEGER NOT NULL DEFAULT 0",
            "UPDATE events SET logged_us = 1000000 * CAST(strftime('%s', 'now') AS INTEGER)",
        ),
    ),
)

_HEAD: Final = "SELECT coalesce(max(position), 0) FROM events WHERE tenant = ? AND org = ?"
_ADD: Final = """
INSERT INTO events (tenant, org, position, id, document, logged_us) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, org, id) DO NOTHING
"""
_READ: Final = """
SELECT position, document FROM events WHERE tenant = ? AND org = ? AND position > ?
ORDER BY position LIMIT ?
"""
_KNOWN: Final = "SELECT id FROM events WHERE tenant = ? AND org = ? AND id IN ({places})"
_ASKED_MAX: Final = 500
"""SQLite takes a limited number of parameters."""
_OLDEST: Final = "SELECT coalesce(min(position), 1) FROM events WHERE tenant = ? AND org = ?"
_NEXT_SCOPE: Final = """
SELECT tenant, org FROM events WHERE (tenant, org) > (?, ?) ORDER BY tenant, org LIMIT 1
"""
_LOWEST: Final = """
SELECT position, logged_us FROM events WHERE tenant = ? AND org = ? ORDER BY position LIMIT ?
"""
_DROP: Final = "DELETE FROM events WHERE tenant = ? AND org = ? AND position <= ?"


class SqliteEventLog:
    """Keeps events in *database*; implements ``EventLog``.

    A batch is one transaction, and SQLite lets one write at a time: that alone makes positions
    consecutive, from however many processes they are given out.

    Raises:
        StoreUnusable: a newer version of this program has changed the table.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
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
            now_us = to_microseconds(self._clock.now())
            for key, rows in prepared:
                (head,) = connection.execute(_HEAD, key).fetchone()
                for row in rows:
                    head += connection.execute(_ADD, (*key, head + 1, *row, now_us)).rowcount

        self._database.write(run)

    def read(self, scope: Scope, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Return what comes after a position; see ``EventLog.read``."""
        parameters = (*_key_of(scope), after, limit)
        rows = self._database.read(
            lambda connection: connection.execute(_READ, parameters).fetchall()
        )
        return [
            LoggedEvent(position, from_log_document(scope, from_json(text)))
            for position, text in rows
        ]

    def known(self, scope: Scope, event_ids: Collection[UUID]) -> Collection[UUID]:
        """Return the ids that are in the log; see ``EventLog.known``."""
        asked, found = list(event_ids), set()
        for start in range(0, len(asked), _ASKED_MAX):
            part = [event_id.bytes for event_id in asked[start : start + _ASKED_MAX]]
            sql = _KNOWN.format(places=", ".join("?" * len(part)))
            parameters = (*_key_of(scope), *part)
            rows = self._database.read(
                lambda connection: connection.execute(sql, parameters).fetchall()  # noqa: B023 - called at once
            )
            found |= {UUID(bytes=event_id) for (event_id,) in rows}
        return found

    def oldest(self, scope: Scope) -> int:
        """Tell the lowest position; see ``EventLog.oldest``."""
        key = _key_of(scope)
        return self._database.read(
            lambda connection: int(connection.execute(_OLDEST, key).fetchone()[0])
        )

    def scopes(self) -> Sequence[Scope]:
        """Tell whose events there are; see ``EventLog.scopes``."""

        def run(connection: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
            # From one to the next by the key: their events are not looked at.
            found: list[tuple[bytes, bytes]] = []
            after = (b"", b"")
            while (row := connection.execute(_NEXT_SCOPE, after).fetchone()) is not None:
                after = (row[0], row[1])
                found.append(after)
            return found

        found = self._database.read(run)
        return [Scope(UUID(bytes=tenant), UUID(bytes=org)) for tenant, org in found]

    def drop(self, scope: Scope, *, up_to: int | None, before: datetime, limit: int) -> int:
        """Forget the oldest events; see ``EventLog.drop``."""
        key, before_us = _key_of(scope), to_microseconds(before)

        def run(connection: sqlite3.Connection) -> int:
            (head,) = connection.execute(_HEAD, key).fetchone()
            last = head - 1 if up_to is None else min(up_to, head - 1)
            old = takewhile(
                lambda row: row[0] <= last and row[1] < before_us,
                connection.execute(_LOWEST, (*key, limit)).fetchall(),
            )
            reached = max((position for position, _ in old), default=0)
            return connection.execute(_DROP, (*key, reached)).rowcount

        return self._database.write(run)

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
    return to_json(to_log_document(event))
