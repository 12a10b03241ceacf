"""What the inbox says to SQLite. Every query names its index."""

# ruff: noqa: S608 - made of constants; every value is a parameter
from __future__ import annotations

from typing import Final

BEGINNING_US: Final = -(2**63)
END_US: Final = 2**63 - 1

_ROW: Final = "provider, received_us, state, document"

STORE: Final = """
INSERT INTO inbox (tenant, provider, event_id, reference, received_us, document)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (tenant, event_id, provider) DO NOTHING
"""

OF_PAYMENT: Final = f"""
SELECT {_ROW} FROM inbox INDEXED BY inbox_by_payment
WHERE tenant = ? AND provider = ? AND reference = ?
ORDER BY received_us, number
"""

FIND: Final = f"""
SELECT {_ROW} FROM inbox INDEXED BY inbox_by_event WHERE tenant = ? AND event_id = ?
"""

CLAIMABLE: Final = f"""
SELECT number FROM inbox INDEXED BY inbox_new
WHERE state = 'new' AND received_us >= {BEGINNING_US} AND claimed_until_us <= ?
ORDER BY received_us, number LIMIT ?
"""

CLAIM: Final = f"""
UPDATE inbox SET claimed_until_us = ? WHERE number IN ({CLAIMABLE})
RETURNING received_us, number, provider, state, document
"""

MARK: Final = """
UPDATE inbox INDEXED BY inbox_by_event SET state = ?, claimed_until_us = 0
WHERE tenant = ? AND event_id = ? AND provider = ?
"""

COUNT_NEW: Final = f"""
SELECT count(*) FROM inbox INDEXED BY inbox_new
WHERE state = 'new' AND received_us >= {BEGINNING_US}
"""


def page(states: int, *, of_one_tenant: bool) -> str:
    """Ask for the newest events in this many states, before a position."""
    index, tenant = (
        ("inbox_by_tenant", "tenant = ? AND") if of_one_tenant else ("inbox_by_state", "")
    )
    one_state = f"""
    SELECT number FROM (
        SELECT number FROM inbox INDEXED BY {index}
        WHERE {tenant} state = ? AND (received_us, number) < (?, ?)
        ORDER BY received_us DESC, number DESC LIMIT ?
    )
    """
    numbers = " UNION ALL ".join([one_state] * states)
    return f"""
    SELECT received_us, number, provider, state, document FROM inbox WHERE number IN ({numbers})
    """
