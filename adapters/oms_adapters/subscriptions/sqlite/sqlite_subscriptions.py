"""The subscriptions port over one SQLite file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from oms_adapters.sqlite import Schema, SqliteDatabase
from oms_core.domain.delivery import DeliveryProgress
from oms_core.domain.scope import Scope
from oms_core.domain.subscription import Subscription
from oms_core.ports.clock import Clock, SystemClock
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.subscriptions import (
    DeliveryTally,
    Subscribed,
    Waiting,
    progress_from,
    subscription_from,
    to_document,
)

Value: TypeAlias = "int | str | bytes | None"

WEBHOOKS: Final = Schema(
    "webhook_subscriptions",
    (
        (
            """
            CREATE TABLE webhook_subscriptions (
                tenant BLOB NOT NULL,
                org BLOB NOT NULL,
                id BLOB NOT NULL,
                created_us INTEGER NOT NULL,
                version INTEGER NOT NULL,
                enabled INTEGER NOT NULL,
                document TEXT NOT NULL,

                progress_version INTEGER NOT NULL,
                position INTEGER NOT NULL,
                next_held_us INTEGER,
                has_room INTEGER NOT NULL,
                failing INTEGER NOT NULL,
                resume_us INTEGER,
                progress TEXT NOT NULL,

                claimed_until_us INTEGER NOT NULL DEFAULT 0,
                PRIMARY KEY (tenant, org, id)
            ) STRICT
            """,
        ),
        (
            # For monitoring: how many orders are held up, and events given up.
            "ALTER TABLE webhook_subscriptions ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE webhook_subscriptions ADD COLUMN dead INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE webhook_subscriptions ADD COLUMN held_since_us INTEGER",
            """
            UPDATE webhook_subscriptions SET
                held = json_array_length(progress, '$.held'),
                dead = json_array_length(progress, '$.dead'),
                held_since_us = (
                    SELECT min(json_extract(value, '$.since'))
                    FROM json_each(progress, '$.held')
                )
            """,
        ),
    ),
)

_KEY: Final = "tenant = ? AND org = ? AND id = ?"
_COLUMNS: Final = "version, document, progress_version, progress"
_FREE: Final = "enabled = 1 AND resume_us <= :now AND claimed_until_us <= :now"
_PROGRESS: Final = (
    "position",
    "next_held_us",
    "has_room",
    "failing",
    "resume_us",
    "held",
    "dead",
    "held_since_us",
    "progress",
)

_ADD: Final = f"""
INSERT INTO webhook_subscriptions (
    tenant, org, id, created_us, version, enabled, document,
    progress_version, {", ".join(_PROGRESS)}
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""  # noqa: S608 - made of constants; every value is a parameter
_FIND: Final = f"SELECT {_COLUMNS} FROM webhook_subscriptions WHERE {_KEY}"  # noqa: S608 - likewise
_LIST: Final = f"""
SELECT {_COLUMNS} FROM webhook_subscriptions WHERE tenant = ? AND org = ? ORDER BY created_us, id
"""  # noqa: S608 - likewise
_SAVE: Final = f"""
UPDATE webhook_subscriptions SET version = version + 1, enabled = ?, document = ?
WHERE {_KEY} AND version = ?
"""  # noqa: S608 - likewise
_REMOVE: Final = f"DELETE FROM webhook_subscriptions WHERE {_KEY}"  # noqa: S608 - likewise
_WAITING: Final = f"""
SELECT tenant, org, id, position, next_held_us, has_room, failing
FROM webhook_subscriptions WHERE {_FREE}
"""  # noqa: S608 - likewise
_TALLY: Final = """
SELECT
    count(*) FILTER (WHERE enabled = 1 AND resume_us IS NOT NULL AND failing = 0),
    count(*) FILTER (WHERE enabled = 1 AND resume_us IS NOT NULL AND failing = 1),
    count(*) FILTER (WHERE enabled = 1 AND resume_us IS NULL),
    count(*) FILTER (WHERE enabled = 0),
    coalesce(sum(held), 0),
    coalesce(sum(dead), 0),
    min(held_since_us)
FROM webhook_subscriptions
"""
_CLAIM: Final = f"""
UPDATE webhook_subscriptions
SET claimed_until_us = :until, progress_version = progress_version + 1
WHERE tenant = :tenant AND org = :org AND id = :id AND {_FREE}
RETURNING {_COLUMNS}
"""  # noqa: S608 - likewise
_RECORD: Final = f"""
UPDATE webhook_subscriptions
SET progress_version = progress_version + 1, claimed_until_us = 0,
    {", ".join(f"{name} = ?" for name in _PROGRESS)}
WHERE {_KEY} AND progress_version = ?
"""  # noqa: S608 - likewise


class SqliteSubscriptions:
    """Keeps subscriptions in *database*; implements ``Subscriptions``.

    Claims are compared with *clock*, which all processes must share.

    Raises:
        StoreUnusable: a newer version of this program has changed the table.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        database.migrate(WEBHOOKS)

    def add(self, subscribed: Subscribed) -> None:
        """Keep a new one; see ``Subscriptions.add``."""
        subscription, progress = subscribed.subscription, subscribed.progress
        self._changed(
            _ADD,
            (
                *_key_of(subscription.scope, subscription.id),
                to_microseconds(subscription.created_at),
                subscription.version,
                int(subscription.is_enabled),
                _to_text(subscription),
                progress.version,
                *_columns_of(progress),
            ),
        )

    def find(self, scope: Scope, subscription_id: UUID) -> Subscribed | None:
        """Read one; see ``Subscriptions.find``."""
        rows = self._rows(_FIND, _key_of(scope, subscription_id))
        return _subscribed(rows[0]) if rows else None

    def list_all(self, scope: Scope) -> Sequence[Subscribed]:
        """Read all of a scope; see ``Subscriptions.list_all``."""
        return [_subscribed(row) for row in self._rows(_LIST, _key_of(scope, UUID(int=0))[:2])]

    def save(self, subscription: Subscription) -> bool:
        """Replace the subscription; see ``Subscriptions.save``."""
        key = _key_of(subscription.scope, subscription.id)
        values = (int(subscription.is_enabled), _to_text(subscription))
        return self._changed(_SAVE, (*values, *key, subscription.version))

    def remove(self, scope: Scope, subscription_id: UUID) -> bool:
        """Forget one; see ``Subscriptions.remove``."""
        return self._changed(_REMOVE, _key_of(scope, subscription_id))

    def waiting(self) -> Sequence[Waiting]:
        """Tell which may be delivered to; see ``Subscriptions.waiting``."""
        rows = self._rows(_WAITING, {"now": to_microseconds(self._clock.now())})
        return [
            Waiting(
                Scope(UUID(bytes=tenant), UUID(bytes=org)),
                UUID(bytes=subscription_id),
                position,
                None if next_held_us is None else from_microseconds(next_held_us),
                bool(has_room),
                bool(failing),
            )
            for tenant, org, subscription_id, position, next_held_us, has_room, failing in rows
        ]

    def tally(self) -> DeliveryTally:
        """Count how deliveries are; see ``Subscriptions.tally``."""
        ((*counts, since_us),) = self._rows(_TALLY, ())
        active, failing, stopped, disabled, held, dead = counts
        since = None if since_us is None else from_microseconds(since_us)
        return DeliveryTally(active, failing, stopped, disabled, held, dead, since)

    def claim(self, scope: Scope, subscription_id: UUID, *, lease_s: float) -> Subscribed | None:
        """Claim one; see ``Subscriptions.claim``."""
        tenant, org, own = _key_of(scope, subscription_id)

        def run(connection: sqlite3.Connection) -> Any:
            now = self._clock.now()
            until = now + timedelta(seconds=lease_s)
            parameters = {
                "tenant": tenant,
                "org": org,
                "id": own,
                "now": to_microseconds(now),
                "until": to_microseconds(until),
            }
            return connection.execute(_CLAIM, parameters).fetchone()

        row = self._database.write(run, undoable=False)
        return None if row is None else _subscribed(row)

    def record(self, scope: Scope, subscription_id: UUID, progress: DeliveryProgress) -> bool:
        """Replace the progress; see ``Subscriptions.record``."""
        key = _key_of(scope, subscription_id)
        return self._changed(_RECORD, (*_columns_of(progress), *key, progress.version))

    def _changed(self, sql: str, parameters: tuple[Value, ...]) -> bool:
        return self._database.write(
            lambda connection: connection.execute(sql, parameters).rowcount > 0, undoable=False
        )

    def _rows(self, sql: str, parameters: Any) -> list[Any]:
        return self._database.read(
            lambda connection: connection.execute(sql, parameters).fetchall()
        )


def _key_of(scope: Scope, subscription_id: UUID) -> tuple[bytes, bytes, bytes]:
    return scope.tenant_id.bytes, scope.org_id.bytes, subscription_id.bytes


def _columns_of(progress: DeliveryProgress) -> tuple[Value, ...]:
    """Return the values of ``_PROGRESS``; a stopped one never resumes by itself."""
    held_at, resume_at = progress.next_held_at, progress.resume_at
    resume_us = 0 if resume_at is None else to_microseconds(resume_at)
    return (
        progress.position,
        None if held_at is None else to_microseconds(held_at),
        int(progress.has_room),
        int(progress.failures > 0),
        None if progress.stopped is not None else resume_us,
        len(progress.held),
        len(progress.dead),
        None if progress.held_since is None else to_microseconds(progress.held_since),
        _to_text(progress),
    )


def _to_text(kept: Subscription | DeliveryProgress) -> str:
    return json.dumps(to_document(kept), ensure_ascii=False, separators=(",", ":"))


def _subscribed(row: tuple[int, str, int, str]) -> Subscribed:
    version, document, progress_version, progress = row
    return Subscribed(
        subscription_from(json.loads(document), version),
        progress_from(json.loads(progress), progress_version),
    )
