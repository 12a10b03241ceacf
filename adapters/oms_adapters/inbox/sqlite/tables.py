"""The table of notifications.

The applier's index holds only the events that nobody has acted on: its size follows the
backlog, not the notifications of all time.
"""

from __future__ import annotations

from typing import Final

from oms_adapters.sqlite import Schema

INBOX: Final = Schema(
    "inbox",
    (
        (
            """
            CREATE TABLE inbox (
                number INTEGER PRIMARY KEY,
                tenant BLOB NOT NULL,
                provider TEXT NOT NULL,
                event_id TEXT NOT NULL,
                reference TEXT NOT NULL,
                received_us INTEGER NOT NULL,
                state TEXT NOT NULL DEFAULT 'new',
                claimed_until_us INTEGER NOT NULL DEFAULT 0,
                document TEXT NOT NULL
            ) STRICT
            """,
            "CREATE UNIQUE INDEX inbox_by_event ON inbox (tenant, event_id, provider)",
            """
            CREATE INDEX inbox_by_payment
            ON inbox (tenant, provider, reference, received_us, number)
            """,
            # With the claim in the index, events in an applier's hands are passed over without
            # looking at them.
            """
            CREATE INDEX inbox_new
            ON inbox (received_us, number, claimed_until_us) WHERE state = 'new'
            """,
            "CREATE INDEX inbox_by_state ON inbox (state, received_us, number)",
            "CREATE INDEX inbox_by_tenant ON inbox (tenant, state, received_us, number)",
        ),
    ),
)
