"""The storage port over one SQLite file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from attrs import evolve

from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import statements
from oms_adapters.storage.sqlite.job_turns import SqliteJobTurns
from oms_adapters.storage.sqlite.listing import page_of
from oms_adapters.storage.sqlite.record import Value, facets_of, from_text, key_of, to_text
from oms_adapters.storage.sqlite.replacement import Replacement
from oms_adapters.storage.sqlite.tables import ORDERS
from oms_adapters.storage.sqlite.walking import bounds_of
from oms_adapters.storage.sqlite.work_signal import SqliteSignal
from oms_core.domain.order import Order
from oms_core.domain.saga_position import SagaState
from oms_core.domain.scope import Scope
from oms_core.errors import OrderNotFound, PaymentReferenceInUse, StoreUnusable
from oms_core.ports.clock import Clock, SystemClock
from oms_core.ports.cursors import encode_order_cursor, order_position, position_to_continue_from
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.storage import (
    Added,
    AlreadyThere,
    Claim,
    KeptOrder,
    Lease,
    OrderPage,
    OrderPlace,
    OrderQuery,
    Unpublished,
    UnreadableOrder,
    Walked,
)

Row: TypeAlias = "tuple[Any, ...]"

UNFINISHED: Final = tuple(state for state in SagaState if state is not SagaState.FINISHED)

_log = logging.getLogger("oms_adapters.storage.sqlite")


class SqliteStorage:
    """Keeps orders in *database*; implements ``OrderStorage``.

    Any number of threads and processes may use one file. Leases are compared with *clock*,
    which all of them must share; for the machine's clock that is a matter of course.

    Raises:
        StoreUnusable: a newer version of this program has changed the tables.
    """

    def __init__(self, database: SqliteDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        database.migrate(ORDERS)

    # -- single orders ---------------------------------------------------------------------

    def add(
        self, order: Order, *, holder: str | None = None, lease_s: float = 0.0
    ) -> Added | AlreadyThere:
        """Store a new order; see ``OrderStorage.add``."""
        key = key_of(order.scope, order.id)
        document, facets = to_text(order), facets_of(order)

        def run(connection: sqlite3.Connection) -> datetime | str:
            """Return until when it is leased, or the document that is there already."""
            now = self._clock.now()
            until = now + timedelta(seconds=lease_s)
            lease = (None, 0, 0, 0) if holder is None else (holder, 1, to_microseconds(until), 1)
            row = (*key, order.version, *facets, *lease, to_microseconds(now), document)
            if connection.execute(statements.ADD, row).rowcount:
                return until
            there = connection.execute(statements.GET, key).fetchone()
            # Two things are unique. The id comes first: a repeat gets its order.
            if there is None:
                raise PaymentReferenceInUse
            return str(there[0])

        answer = self._database.write(run, undoable=False)
        if isinstance(answer, str):
            return AlreadyThere(from_text(order.id.bytes, answer))
        if holder is None:
            return Added(order)
        return Added(order, Claim(order, Lease(order.scope, order.id, holder, 1, answer)))

    def get(self, scope: Scope, order_id: UUID) -> Order:
        """Read one order; see ``OrderStorage.get``."""
        rows = self._rows(statements.GET, key_of(scope, order_id))
        if not rows:
            raise OrderNotFound(order_id)
        return from_text(order_id.bytes, rows[0][0])

    def find_by_payment(self, tenant_id: UUID, provider: str, reference: str) -> Order | None:
        """Find the order a payment belongs to; see ``OrderStorage.find_by_payment``."""
        key: dict[str, Value] = {
            "tenant": tenant_id.bytes,
            "provider": provider,
            "reference": reference,
        }
        rows = self._rows(statements.FIND_BY_PAYMENT, key)
        if not rows:
            return None
        _, order_id, document = min(rows)
        return from_text(order_id, document)

    def save(self, order: Order) -> Order:
        """Replace the order without a lease; see ``OrderStorage.save``."""
        saved = evolve(order, version=order.version + 1)
        replacement = Replacement(order, to_text(saved), None)
        self._database.write(
            lambda connection: replacement.run(connection, self._clock, {}), undoable=False
        )
        return saved

    def checkpoint(self, order: Order, lease: Lease, *, extend_s: float | None) -> Claim:
        """Replace the order under a lease; see ``OrderStorage.checkpoint``."""
        saved = evolve(order, version=order.version + 1)
        replacement = Replacement(order, to_text(saved), lease)

        def run(connection: sqlite3.Connection) -> datetime:
            if extend_s is None:
                given_back = {"holder": None, "leased_until_us": 0, "deliveries": 0}
                replacement.run(connection, self._clock, given_back)
                return lease.expires_at
            until = self._clock.now() + timedelta(seconds=extend_s)
            extended = {"leased_until_us": to_microseconds(until), "deliveries": 0}
            replacement.run(connection, self._clock, extended)
            return until

        until = self._database.write(run, undoable=False)
        return Claim(saved, evolve(lease, expires_at=until))

    # -- listing ---------------------------------------------------------------------------

    def list_orders(self, scope: Scope, query: OrderQuery) -> OrderPage:
        """List orders of one scope, newest first; see ``OrderStorage.list_orders``."""
        page = page_of(scope, query, position_to_continue_from(query))
        rows = sorted(self._rows(page.sql, page.parameters), reverse=True)
        orders = tuple(from_text(order_id, text) for _, order_id, text in rows[: query.limit])
        goes_on = len(rows) > len(orders) > 0
        return OrderPage(
            orders, encode_order_cursor(order_position(orders[-1])) if goes_on else None
        )

    def walk(
        self,
        *,
        after: OrderPlace | None = None,
        limit: int,
        tenant_id: UUID | None = None,
        org_id: UUID | None = None,
    ) -> Sequence[Walked]:
        """Walk through all orders; see ``OrderStorage.walk``."""
        bounds = bounds_of(after, tenant_id, org_id)
        rows = self._rows(statements.WALK, (*bounds.above, *bounds.up_to, limit))
        return [_walked(*row) for row in rows]

    def list_sagas(
        self, states: Collection[SagaState], *, scope: Scope | None = None, limit: int = 50
    ) -> Sequence[Order]:
        """List orders by the state of their saga; see ``OrderStorage.list_sagas``."""
        wanted = [state for state in UNFINISHED if state in states]
        if not wanted:
            return []
        in_scope = () if scope is None else (scope.tenant_id.bytes, scope.org_id.bytes)
        sql = statements.sagas(len(wanted), in_one_scope=scope is not None)
        each = [(state.value, *in_scope, limit) for state in wanted]
        rows = sorted(self._rows(sql, tuple(value for values in each for value in values)))
        return [from_text(order_id, text) for _, order_id, text in rows[:limit]]

    def count_sagas(self) -> dict[SagaState, int]:
        """Count the unfinished sagas by state; see ``OrderStorage.count_sagas``."""
        counts = {state: self._rows(statements.COUNT_SAGAS, (state.value,)) for state in UNFINISHED}
        return {state: count for state, [(count,)] in counts.items()}

    # -- sharing out work ------------------------------------------------------------------

    def claim_due(
        self,
        holder: str,
        *,
        limit: int,
        lease_s: float,
        definitions: Collection[str],
        passing_over: Collection[UUID] = (),
    ) -> Sequence[Claim]:
        """Claim orders that are due; see ``OrderStorage.claim_due``."""
        known = sorted(set(definitions))
        if not known:
            return []
        left_out = sorted(tenant_id.bytes for tenant_id in passing_over)
        now_us = to_microseconds(self._clock.now())
        # An idle worker only reads: it takes no lock and writes nothing.
        due = statements.due(len(known), len(left_out))
        if not self._rows(due, (now_us, now_us, *known, *left_out, 1)):
            return []

        def run(connection: sqlite3.Connection) -> tuple[datetime, list[Row]]:
            now = self._clock.now()
            until = now + timedelta(seconds=lease_s)
            now_us = to_microseconds(now)
            wanted = (now_us, now_us, *known, *left_out, limit)
            parameters = (holder, to_microseconds(until), *wanted)
            claim_due = statements.claim_due(len(known), len(left_out))
            return until, connection.execute(claim_due, parameters).fetchall()

        until, rows = self._database.write(run, undoable=False)
        rows.sort(key=lambda row: row[:2])
        return [
            Claim(order, Lease(order.scope, order.id, holder, token, until), deliveries)
            for order, (*_, token, deliveries, _) in _readable(rows, order_id=2)
        ]

    def claim(self, scope: Scope, order_id: UUID, holder: str, *, lease_s: float) -> Claim | None:
        """Claim one order, due or not; see ``OrderStorage.claim``."""
        key = key_of(scope, order_id)

        def run(connection: sqlite3.Connection) -> tuple[datetime, Row | None]:
            now = self._clock.now()
            until = now + timedelta(seconds=lease_s)
            parameters = (holder, to_microseconds(until), *key, to_microseconds(now))
            row = connection.execute(statements.CLAIM, parameters).fetchone()
            if row is None and connection.execute(statements.GET, key).fetchone() is None:
                raise OrderNotFound(order_id)
            return until, row

        until, row = self._database.write(run)
        if row is None:
            return None
        token, deliveries, text = row
        order = from_text(order_id.bytes, text)
        return Claim(order, Lease(scope, order_id, holder, token, until), deliveries)

    def release(self, lease: Lease) -> None:
        """Give a claim back untouched; see ``OrderStorage.release``."""
        parameters = (*key_of(lease.scope, lease.order_id), lease.holder, lease.token)
        self._database.write(
            lambda connection: connection.execute(statements.RELEASE, parameters).rowcount,
            undoable=False,
        )

    def listen(self) -> SqliteSignal:
        """Listen for work; see ``OrderStorage.listen``."""
        return SqliteSignal(self._database, self._clock)

    def job_turns(self) -> SqliteJobTurns:
        """Share scheduled jobs out; see ``OrderStorage.job_turns``."""
        return SqliteJobTurns(self._database, self._clock)

    def earliest_due(self) -> datetime | None:
        """Tell when there is something to claim; see ``OrderStorage.earliest_due``."""
        now_us = to_microseconds(self._clock.now())
        moments = [due_us for (due_us,) in self._rows(statements.EARLIEST_DUE, {"now": now_us})]
        earliest = min((due_us for due_us in moments if due_us is not None), default=None)
        return None if earliest is None else from_microseconds(earliest)

    # -- events ----------------------------------------------------------------------------

    def claim_unpublished(
        self,
        holder: str,  # noqa: ARG002 - the token tells claims apart, and nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[Unpublished]:
        """Claim orders whose events have not left; see ``OrderStorage.claim_unpublished``."""
        if not self._rows(statements.UNPUBLISHED, (to_microseconds(self._clock.now()), 1)):
            return []

        def run(connection: sqlite3.Connection) -> list[Row]:
            now = self._clock.now()
            until = now + timedelta(seconds=lease_s)
            parameters = (to_microseconds(until), to_microseconds(now), limit)
            return connection.execute(statements.CLAIM_UNPUBLISHED, parameters).fetchall()

        rows = sorted(self._database.write(run))
        return [
            Unpublished(order, published, token)
            for order, (*_, published, token, _) in _readable(rows, order_id=1)
        ]

    def unpublished_since(self) -> datetime | None:
        """Tell since when events wait; see ``OrderStorage.unpublished_since``."""
        now_us = to_microseconds(self._clock.now())
        ((since_us,),) = self._rows(statements.UNPUBLISHED_SINCE, (now_us,))
        return None if since_us is None else from_microseconds(since_us)

    def mark_published(self, sent: Sequence[Unpublished]) -> None:
        """Record that events left; see ``OrderStorage.mark_published``."""
        if not sent:
            return

        def run(connection: sqlite3.Connection) -> None:
            now_us = to_microseconds(self._clock.now())
            connection.executemany(
                statements.MARK_PUBLISHED,
                [
                    (
                        len(claim.order.history),
                        now_us,
                        *key_of(claim.order.scope, claim.order.id),
                        claim.token,
                    )
                    for claim in sent
                ],
            )

        self._database.write(run)

    # -- the store itself ------------------------------------------------------------------

    def ping(self) -> None:
        """Write and flush a little; see ``OrderStorage.ping``."""
        self._database.ping()

    def close(self) -> None:
        """Close the database, for everybody who shares it; see ``OrderStorage.close``."""
        self._database.close()

    def _rows(self, sql: str, parameters: tuple[Value, ...] | Mapping[str, Value]) -> list[Row]:
        return self._database.read(
            lambda connection: connection.execute(sql, parameters).fetchall()
        )


def _walked(
    tenant: bytes,
    org: bytes,
    order_id: bytes,
    published: int,
    holder: str | None,
    leased_until_us: int,
    text: str,
) -> Walked:
    try:
        order = from_text(order_id, text)
    except StoreUnusable as error:
        scope = Scope(UUID(bytes=tenant), UUID(bytes=org))
        return UnreadableOrder(OrderPlace(scope, UUID(bytes=order_id)), error.sentence)
    until = None if holder is None else from_microseconds(leased_until_us)
    return KeptOrder(order, published, holder, until)


def _readable(rows: list[Row], *, order_id: int) -> Iterator[tuple[Order, Row]]:
    """Read the documents at the rows' ends, passing over those that cannot be read.

    One order that this program cannot read must not keep it from all the others. It stays
    claimed until its lease runs out, and is reported every time.
    """
    for row in rows:
        try:
            yield from_text(row[order_id], row[-1]), row
        except StoreUnusable as error:
            _log.error("%s", error)
