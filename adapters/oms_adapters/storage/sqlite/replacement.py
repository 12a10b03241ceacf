"""Saving an order: whether it may be, and which columns change."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from oms_adapters.storage.sqlite import statements
from oms_adapters.storage.sqlite.record import FACETS, Value, facets_of, key_of
from oms_core.domain.order import Order
from oms_core.errors import LeaseLost, OrderNotFound, PaymentReferenceInUse, StaleVersion
from oms_core.ports.clock import Clock
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.storage import Lease


class Replacement:
    """The next version of an order, on its way into its row."""

    def __init__(self, order: Order, document: str, lease: Lease | None) -> None:
        self._order = order
        self._document = document
        self._lease = lease
        self._facets = facets_of(order)

    def run(
        self, connection: sqlite3.Connection, clock: Clock, lease_changes: Mapping[str, Value]
    ) -> None:
        """Write the changed columns, or raise what ``OrderStorage`` says and change nothing."""
        order = self._order
        row = connection.execute(statements.LOOK, key_of(order.scope, order.id)).fetchone()
        if row is None:
            raise OrderNotFound(order.id)
        number, version, holder, token, published, *facets = row
        if self._lease is not None and not self._holds(self._lease, holder, token):
            raise LeaseLost(order.id)
        if version != order.version:
            raise StaleVersion(order.id)
        changes: dict[str, Value] = {
            "version": order.version + 1,
            **lease_changes,
            "document": self._document,
        }
        changes.update(
            (column, after)
            for column, before, after in zip(FACETS, facets, self._facets, strict=True)
            if before != after
        )
        if published >= facets[-1]:
            # All that was there has left: from now on there is something to send again.
            changes["events_from_us"] = to_microseconds(clock.now())
        sql = statements.replace(tuple(changes))
        try:
            connection.execute(sql, (*changes.values(), number))
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
                raise
            raise PaymentReferenceInUse from error

    def _holds(self, lease: Lease, holder: str | None, token: int) -> bool:
        """Tell whether *lease* is the last that was given, and not given back.

        One that ran out still counts while nobody else claimed the order: its holder is late,
        but alone.
        """
        named = (lease.scope, lease.order_id) == (self._order.scope, self._order.id)
        return named and (lease.holder, lease.token) == (holder, token)
