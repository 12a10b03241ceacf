"""The simulated provider's books in a SQLite file, next to the orders.

They share the orders' file and its writer, so a payment costs no flush of its own when
orders are being written at the same moment.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from cattrs.preconf.json import make_converter

from oms_adapters.payments.simulated.record import KeyRecord, PaymentRecord
from oms_adapters.sqlite import Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oms_adapters.payments.simulated.ledger import Books
    from oms_adapters.sqlite import SqliteDatabase

T = TypeVar("T")

SCHEMA: Final = Schema(
    "simulated_payments",
    (
        (
            """
            CREATE TABLE simulated_payments (
                account TEXT NOT NULL,
                tenant_id TEXT NOT NULL,
                reference TEXT NOT NULL,
                document TEXT NOT NULL,
                PRIMARY KEY (account, tenant_id, reference)
            ) STRICT
            """,
            """
            CREATE TABLE simulated_payment_keys (
                account TEXT NOT NULL,
                tenant_id TEXT NOT NULL,
                key TEXT NOT NULL,
                document TEXT NOT NULL,
                PRIMARY KEY (account, tenant_id, key)
            ) STRICT
            """,
        ),
    ),
)

_JSON: Final = make_converter(omit_if_default=True)
_JSON.register_unstructure_hook(UUID, str)
_JSON.register_structure_hook(UUID, lambda text, _: UUID(text))


class SqliteLedger:
    """Books that outlive the process. Any number of threads and processes may share them."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Make the tables if the file does not have them yet.

        Raises:
            StoreUnusable: a newer version of this program has changed them.
        """
        self._database = database
        database.migrate(SCHEMA)

    def write(
        self, account: str, tenant_id: UUID, reference: str, change: Callable[[Books], T]
    ) -> T:
        """Run *change* in a transaction; return once it is durable."""
        return self._database.write(
            lambda connection: change(_SqliteBooks(connection, account, tenant_id, reference))
        )

    def payment(self, account: str, tenant_id: UUID, reference: str) -> PaymentRecord | None:
        """Find a payment as it is durable."""
        return self._database.read(
            lambda connection: _SqliteBooks(connection, account, tenant_id, reference).payment()
        )

    def go_through(self, account: str, question: Callable[[Iterator[PaymentRecord]], T]) -> T:
        """Run *question* on what is durable."""
        return self._database.read(lambda connection: question(_payments(connection, account)))


def _payments(connection: sqlite3.Connection, account: str) -> Iterator[PaymentRecord]:
    rows = connection.execute(
        "SELECT document FROM simulated_payments WHERE account = ? ORDER BY tenant_id, reference",
        (account,),
    )
    for (document,) in rows:
        yield _JSON.loads(document, PaymentRecord)


class _SqliteBooks:
    def __init__(
        self, connection: sqlite3.Connection, account: str, tenant_id: UUID, reference: str
    ) -> None:
        self._connection = connection
        self._account = account
        self._tenant_id = tenant_id
        self._reference = reference

    def payment(self) -> PaymentRecord | None:
        row = self._connection.execute(
            "SELECT document FROM simulated_payments "
            "WHERE account = ? AND tenant_id = ? AND reference = ?",
            (self._account, self._tenant_id.hex, self._reference),
        ).fetchone()
        return None if row is None else _JSON.loads(row[0], PaymentRecord)

    def key(self, key: str) -> KeyRecord | None:
        row = self._connection.execute(
            "SELECT document FROM simulated_payment_keys "
            "WHERE account = ? AND tenant_id = ? AND key = ?",
            (self._account, self._tenant_id.hex, key),
        ).fetchone()
        return None if row is None else _JSON.loads(row[0], KeyRecord)

    def enter(self, payment: PaymentRecord, key: KeyRecord | None) -> None:
        self._connection.execute(
            "INSERT INTO simulated_payments (account, tenant_id, reference, document) "
            "VALUES (?, ?, ?, ?) ON CONFLICT (account, tenant_id, reference) "
            "DO UPDATE SET document = excluded.document",
            (payment.account, payment.tenant_id.hex, payment.reference, _JSON.dumps(payment)),
        )
        if key is not None:
            self._connection.execute(
                "INSERT INTO simulated_payment_keys (account, tenant_id, key, document) "
                "VALUES (?, ?, ?, ?) ON CONFLICT (account, tenant_id, key) "
                "DO UPDATE SET document = excluded.document",
                (key.account, key.tenant_id.hex, key.key, _JSON.dumps(key)),
            )
