"""The table of orders: the document, and beside it what the store looks up by.

An order's save rewrites only the indexes whose columns changed, so what never changes
(age, channel, customer) costs an index entry once. Partial indexes hold only the orders
that a worker, an operator or the publisher has still to see: their size follows the work
under way, not the orders of all time.
"""

from __future__ import annotations

from typing import Final

from oms_adapters.sqlite import Schema

ORDERS: Final = Schema(
    "orders",
    (
        (
            """
            CREATE TABLE orders (
                number INTEGER PRIMARY KEY,
                tenant BLOB NOT NULL,
                org BLOB NOT NULL,
                id BLOB NOT NULL,
                version INTEGER NOT NULL,

                created_us INTEGER NOT NULL,
                status TEXT NOT NULL,
                channel TEXT NOT NULL,
                customer BLOB,
                provider TEXT NOT NULL,
                live_reference TEXT,
                definition TEXT NOT NULL,
                saga_state TEXT NOT NULL,
                due_us INTEGER,
                entries INTEGER NOT NULL,

                holder TEXT,
                token INTEGER NOT NULL,
                leased_until_us INTEGER NOT NULL,
                deliveries INTEGER NOT NULL,

                published INTEGER NOT NULL DEFAULT 0,
                events_from_us INTEGER NOT NULL,
                events_token INTEGER NOT NULL DEFAULT 0,

                document TEXT NOT NULL
            ) STRICT
            """,
            "CREATE UNIQUE INDEX orders_by_id ON orders (tenant, org, id)",
            """
            CREATE UNIQUE INDEX orders_by_live_reference
            ON orders (tenant, provider, live_reference) WHERE live_reference IS NOT NULL
            """,
            "CREATE INDEX orders_by_age ON orders (tenant, org, created_us, id)",
            # The channel at its end: of all pairs of filters, these two may leave many orders.
            """
            CREATE INDEX orders_by_status
            ON orders (tenant, org, status, created_us, id, channel)
            """,
            "CREATE INDEX orders_by_channel ON orders (tenant, org, channel, created_us, id)",
            """
            CREATE INDEX orders_by_customer
            ON orders (tenant, org, customer, created_us, id) WHERE customer IS NOT NULL
            """,
            # With the lease in the index, orders in a worker's hands are passed over without
            # looking at them.
            """
            CREATE INDEX orders_due
            ON orders (due_us, number, leased_until_us, definition) WHERE due_us IS NOT NULL
            """,
            """
            CREATE INDEX orders_unfinished
            ON orders (saga_state, created_us, id, tenant, org) WHERE saga_state <> 'finished'
            """,
            """
            CREATE INDEX orders_unpublished
            ON orders (events_from_us, number) WHERE published < entries
            """,
        ),
        (
            # A column of its own, so that a live order, and accepting one, costs no more entry.
            "ALTER TABLE orders ADD COLUMN dead_reference TEXT",
            """
            UPDATE orders SET dead_reference = json_extract(document, '$.payment.reference')
            WHERE live_reference IS NULL
            """,
            """
            CREATE INDEX orders_by_dead_reference
            ON orders (tenant, provider, dead_reference, created_us, id)
            WHERE dead_reference IS NOT NULL
            """,
        ),
    ),
)
