"""Stock, its ledger, and what is promised.

The tables themselves refuse what must never be: more promised than there is, and one
movement twice.
"""

from __future__ import annotations

from typing import Final

from oms_adapters.sqlite import Schema

INVENTORY: Final = Schema(
    "inventory",
    (
        (
            """
            CREATE TABLE stock (
                tenant BLOB NOT NULL,
                org BLOB NOT NULL,
                sku TEXT NOT NULL,
                location TEXT NOT NULL,
                on_hand INTEGER NOT NULL,
                reserved INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND on_hand),
                entries INTEGER NOT NULL,
                PRIMARY KEY (tenant, org, sku, location)
            ) STRICT, WITHOUT ROWID
            """,
            "CREATE INDEX stock_by_location ON stock (tenant, org, location, sku)",
            """
            CREATE TABLE stock_movements (
                tenant BLOB NOT NULL,
                org BLOB NOT NULL,
                sku TEXT NOT NULL,
                location TEXT NOT NULL,
                number INTEGER NOT NULL,
                movement_id TEXT NOT NULL,
                quantity_delta INTEGER NOT NULL,
                reason TEXT NOT NULL,
                at_us INTEGER NOT NULL,
                actor TEXT NOT NULL,
                PRIMARY KEY (tenant, org, sku, location, number)
            ) STRICT, WITHOUT ROWID
            """,
            """
            CREATE UNIQUE INDEX stock_movements_by_id ON stock_movements (tenant, org, movement_id)
            """,
            """
            CREATE TABLE stock_reservations (
                tenant BLOB NOT NULL,
                org BLOB NOT NULL,
                id TEXT NOT NULL,
                state TEXT NOT NULL,
                demands TEXT NOT NULL,
                shortages TEXT,
                lapses_us INTEGER,
                PRIMARY KEY (tenant, org, id)
            ) STRICT, WITHOUT ROWID
            """,
            """
            CREATE INDEX stock_reservations_to_lapse
            ON stock_reservations (tenant, org, lapses_us) WHERE lapses_us IS NOT NULL
            """,
        ),
        (
            # How far the ledger of each item has left as events, and who sends them now.
            "ALTER TABLE stock ADD COLUMN published INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE stock ADD COLUMN events_from_us INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE stock ADD COLUMN events_token INTEGER NOT NULL DEFAULT 0",
            """
            CREATE INDEX stock_unpublished ON stock (events_from_us) WHERE entries > published
            """,
        ),
    ),
)
