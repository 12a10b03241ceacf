"""The inbox port over one SQLite file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from oms_adapters.inbox.sqlite import statements
from oms_adapters.inbox.sqlite.tables import INBOX
from oms_adapters.sqlite import SqliteDatabase
from oms_core.errors import StoreUnusable
from oms_core.ports.clock import Clock, SystemClock
from oms_core.ports.cursors import InboxPosition, decode_inbox_cursor, encode_inbox_cursor
from oms_core.ports.event_document import event_from_text, event_to_text
from oms_core.ports.inbox import InboxPage, InboxState, ReceivedEvent
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.payments import PaymentRef, ProviderEvent

Row: TypeAlias = "tuple[Any, ...]"
Value: TypeAlias = "int | str | bytes"

_log = logging.getLogger("oms_adapters.inbox.sqlite")


class SqliteInbox:
    """Keeps notifications in *database*; implements ``WebhookInbox``.

    Any number of threads and processes may use one file. Claims are compared with *clock*,
    which all of them must share; for the machine's clock that is a matter of course.

    Raises:
        StoreUnusable: a newer version of this program has changed the table.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        database.migrate(INBOX)

    def store(self, provider: str, events: Sequence[ProviderEvent], *, at: datetime) -> int:
        """Store *events*; see ``WebhookInbox.store``."""
        if not events:
            return 0
        received_us = to_microseconds(at)
        rows = [
            (
                event.ref.tenant_id.bytes,
                provider,
                event.event_id,
                event.ref.reference,
                received_us,
                event_to_text(event),
            )
            for event in events
        ]
        return self._database.write(
            lambda connection: connection.executemany(statements.STORE, rows).rowcount,
            undoable=len(rows) > 1,
        )

    def of_payment(self, provider: str, ref: PaymentRef) -> Sequence[ReceivedEvent]:
        """Return every event of a payment; see ``WebhookInbox.of_payment``."""
        key = (ref.tenant_id.bytes, provider, ref.reference)
        return [_received(*row) for row in self._rows(statements.OF_PAYMENT, key)]

    def claim_new(
        self,
        holder: str,  # noqa: ARG002 - nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[ReceivedEvent]:
        """Claim events nobody has acted on yet; see ``WebhookInbox.claim_new``."""
        # With nothing to do it only reads: it takes no lock and writes nothing.
        if not self._rows(statements.CLAIMABLE, (to_microseconds(self._clock.now()), 1)):
            return []

        def run(connection: sqlite3.Connection) -> list[Row]:
            now = self._clock.now()
            until = now + timedelta(seconds=lease_s)
            parameters = (to_microseconds(until), to_microseconds(now), limit)
            return connection.execute(statements.CLAIM, parameters).fetchall()

        claimed = []
        for received_us, _, provider, state, document in sorted(
            self._database.write(run, undoable=False)
        ):
            try:
                claimed.append(_received(provider, received_us, state, document))
            except StoreUnusable as error:
                # One that this program cannot read must not keep it from all the others.
                _log.error("%s", error)
        return claimed

    def mark(self, events: Sequence[ReceivedEvent], state: InboxState) -> None:
        """Record what became of *events*; see ``WebhookInbox.mark``."""
        if not events:
            return
        rows = [
            (state.value, each.event.ref.tenant_id.bytes, each.event.event_id, each.provider)
            for each in events
        ]
        self._database.write(
            lambda connection: connection.executemany(statements.MARK, rows).rowcount
        )

    def list_events(
        self,
        states: Collection[InboxState],
        *,
        tenant_id: UUID | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> InboxPage:
        """List events, newest first; see ``WebhookInbox.list_events``."""
        end = InboxPosition(statements.END_US, 0)
        before = end if cursor is None else decode_inbox_cursor(cursor)
        wanted = sorted(set(states))
        if not wanted:
            return InboxPage(())
        tenant = () if tenant_id is None else (tenant_id.bytes,)
        # A number that does not fit is another store's: it is behind all of ours.
        number = min(before.number, statements.END_US)
        each = [(*tenant, state.value, before.received_us, number, limit + 1) for state in wanted]
        sql = statements.page(len(wanted), of_one_tenant=tenant_id is not None)
        rows = self._rows(sql, tuple(value for values in each for value in values))
        rows.sort(reverse=True)
        page = tuple(
            _received(provider, received_us, state, document)
            for received_us, _, provider, state, document in rows[:limit]
        )
        goes_on = len(rows) > len(page) > 0
        last = InboxPosition(*rows[limit - 1][:2]) if goes_on else None
        return InboxPage(page, None if last is None else encode_inbox_cursor(last))

    def find_events(self, tenant_id: UUID, event_id: str) -> Sequence[ReceivedEvent]:
        """Return the tenant's events with this id; see ``WebhookInbox.find_events``."""
        rows = self._rows(statements.FIND, (tenant_id.bytes, event_id))
        return [_received(*row) for row in rows]

    def count_new(self) -> int:
        """Count the events nobody has acted on yet; see ``WebhookInbox.count_new``."""
        [(count,)] = self._rows(statements.COUNT_NEW, ())
        return int(count)

    def _rows(self, sql: str, parameters: tuple[Value, ...]) -> list[Row]:
        return self._database.read(
            lambda connection: connection.execute(sql, parameters).fetchall()
        )


def _received(provider: str, received_us: int, state: str, document: str) -> ReceivedEvent:
    event = event_from_text(document)
    return ReceivedEvent(provider, event, from_microseconds(received_us), InboxState(state))
