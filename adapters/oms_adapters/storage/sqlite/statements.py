"""What the store says to SQLite, apart from listings.

Every query names its index: with a worse one it would still be right, but slower the more
orders there are, and nobody would notice before there are many.
"""

# ruff: noqa: S608 - made of constants; every value is a parameter
from __future__ import annotations

from typing import Final

from oms_adapters.storage.sqlite.record import FACETS

BEGINNING_US: Final = -(2**63)
END_US: Final = 2**63 - 1

ADD: Final = f"""
INSERT INTO orders (
    tenant, org, id, version, {", ".join(FACETS)},
    holder, token, leased_until_us, deliveries, events_from_us, document
)
VALUES (?, ?, ?, ?, {", ".join("?" * len(FACETS))}, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""

GET: Final = """
SELECT document FROM orders INDEXED BY orders_by_id WHERE tenant = ? AND org = ? AND id = ?
"""

WALK: Final = """
SELECT tenant, org, id, published, holder, leased_until_us, document
FROM orders INDEXED BY orders_by_id
WHERE (tenant, org, id) > (?, ?, ?) AND (tenant, org, id) <= (?, ?, ?)
ORDER BY tenant, org, id LIMIT ?
"""

FIND_BY_PAYMENT: Final = """
SELECT 0, id, document FROM orders INDEXED BY orders_by_live_reference
WHERE tenant = :tenant AND provider = :provider AND live_reference = :reference
UNION ALL
SELECT 1, id, document FROM (
    SELECT id, document FROM orders INDEXED BY orders_by_dead_reference
    WHERE tenant = :tenant AND provider = :provider AND dead_reference = :reference
    ORDER BY created_us DESC, id DESC LIMIT 1
)
"""
"""One statement sees one moment: an order that dies meanwhile is found alive or dead."""

LOOK: Final = f"""
SELECT number, version, holder, token, published, {", ".join(FACETS)}
FROM orders INDEXED BY orders_by_id WHERE tenant = ? AND org = ? AND id = ?
"""

CLAIM: Final = """
UPDATE orders INDEXED BY orders_by_id
SET holder = ?, token = token + 1, leased_until_us = ?, deliveries = deliveries + 1
WHERE tenant = ? AND org = ? AND id = ? AND leased_until_us <= ?
RETURNING token, deliveries, document
"""

RELEASE: Final = """
UPDATE orders INDEXED BY orders_by_id
SET holder = NULL, leased_until_us = 0, deliveries = max(0, deliveries - 1)
WHERE tenant = ? AND org = ? AND id = ? AND holder = ? AND token = ?
"""

EARLIEST_DUE: Final = f"""
WITH free AS (
    SELECT due_us FROM orders INDEXED BY orders_due
    WHERE due_us >= {BEGINNING_US} AND leased_until_us <= :now
    ORDER BY due_us, number LIMIT 1
)
SELECT due_us FROM free
UNION ALL
SELECT min(max(due_us, leased_until_us)) FROM orders INDEXED BY orders_due
WHERE due_us < coalesce((SELECT due_us FROM free), {END_US}) AND leased_until_us > :now
"""
"""The first that nobody holds, and those before it, all of them leased: never many."""

ANY_DUE: Final = """
SELECT number FROM orders INDEXED BY orders_due WHERE due_us <= ? AND leased_until_us <= ? LIMIT 1
"""

COUNT_SAGAS: Final = """
SELECT count(*) FROM orders INDEXED BY orders_unfinished
WHERE saga_state = ? AND saga_state <> 'finished'
"""

UNPUBLISHED: Final = """
SELECT number FROM orders INDEXED BY orders_unpublished
WHERE published < entries AND events_from_us <= ?
ORDER BY events_from_us, number LIMIT ?
"""

UNPUBLISHED_SINCE: Final = """
SELECT min(events_from_us) FROM orders INDEXED BY orders_unpublished
WHERE published < entries AND events_from_us <= ?
"""

CLAIM_UNPUBLISHED: Final = f"""
UPDATE orders SET events_token = events_token + 1, events_from_us = ?
WHERE number IN ({UNPUBLISHED})
RETURNING number, id, published, events_token, document
"""

MARK_PUBLISHED: Final = """
UPDATE orders INDEXED BY orders_by_id SET published = max(published, ?), events_from_us = ?
WHERE tenant = ? AND org = ? AND id = ? AND events_token = ?
"""


def replace(columns: tuple[str, ...]) -> str:
    """Write the update of *columns* of one row.

    Only of those that change: SQLite rewrites every index that a named column is part of.
    """
    return f"UPDATE orders SET {', '.join(f'{column} = ?' for column in columns)} WHERE number = ?"


def due(definitions: int, passed_over: int = 0) -> str:
    """Ask for orders that are due, of this many definitions, but not of this many tenants.

    The tenant stands in the row, not in the index: who is passed over costs a look at each row.
    """
    return f"""
    SELECT number FROM orders INDEXED BY orders_due
    WHERE due_us <= ? AND leased_until_us <= ? AND definition IN ({_places(definitions)})
    {f"AND tenant NOT IN ({_places(passed_over)})" if passed_over else ""}
    ORDER BY due_us, number LIMIT ?
    """


def claim_due(definitions: int, passed_over: int = 0) -> str:
    """Claim orders that are due; see ``due``."""
    return f"""
    UPDATE orders
    SET holder = ?, token = token + 1, leased_until_us = ?, deliveries = deliveries + 1
    WHERE number IN ({due(definitions, passed_over)})
    RETURNING due_us, number, id, token, deliveries, document
    """


def sagas(states: int, *, in_one_scope: bool) -> str:
    """Ask for orders by this many states of their sagas.

    One statement sees one moment: nothing is missed on its way from one state to another.
    """
    one_state = f"""
    SELECT number FROM (
        SELECT number FROM orders INDEXED BY orders_unfinished
        WHERE saga_state = ? AND saga_state <> 'finished'
        {"AND tenant = ? AND org = ?" if in_one_scope else ""}
        ORDER BY created_us, id LIMIT ?
    )
    """
    numbers = " UNION ALL ".join([one_state] * states)
    return f"SELECT created_us, id, document FROM orders WHERE number IN ({numbers})"


def _places(count: int) -> str:
    return ", ".join("?" * count)
