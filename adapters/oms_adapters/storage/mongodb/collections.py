"""The collection of orders and its indexes.

Partial indexes hold only the orders that a worker, an operator or the publisher has still to
see: their size follows the work under way, not the orders of all time.
"""

from __future__ import annotations

from typing import Final

from oms_adapters.mongodb import Addition, Collection, Index, Schema

NAME: Final = "orders"

BY_CLAIMS: Final = "payment_claims"
"""The schema that takes the place of the following index where the orders are sharded."""

BY_LIVE_REFERENCE: Final = Index(
    "orders_by_live_reference",
    (("tenant", 1), ("provider", 1), ("live_reference", 1)),
    unique=True,
    present="live_reference",
    unless=BY_CLAIMS,
)
# The live order of a payment reference first, then the dead ones, newest first.
BY_REFERENCE: Final = Index(
    "orders_by_reference",
    (
        ("tenant", 1),
        ("provider", 1),
        ("reference", 1),
        ("is_dead", 1),
        ("created_us", -1),
        ("id", -1),
    ),
)
BY_AGE: Final = Index("orders_by_age", (("tenant", 1), ("org", 1), ("created_us", -1), ("id", -1)))
# The channel at its end: of all pairs of filters, these two may leave many orders.
BY_STATUS: Final = Index(
    "orders_by_status",
    (("tenant", 1), ("org", 1), ("status", 1), ("created_us", -1), ("id", -1), ("channel", 1)),
)
BY_CHANNEL: Final = Index(
    "orders_by_channel",
    (("tenant", 1), ("org", 1), ("channel", 1), ("created_us", -1), ("id", -1)),
)
BY_CUSTOMER: Final = Index(
    "orders_by_customer",
    (("tenant", 1), ("org", 1), ("customer", 1), ("created_us", -1), ("id", -1)),
    present="customer",
)
# With the lease in the index, orders in a worker's hands are passed over without looking at them.
DUE: Final = Index(
    "orders_due",
    (("due_us", 1), ("_id", 1), ("leased_until_us", 1), ("definition", 1)),
    present="due_us",
)
UNFINISHED: Final = Index(
    "orders_unfinished",
    (("saga_state", 1), ("created_us", 1), ("id", 1), ("tenant", 1), ("org", 1)),
    present="saga_state",
)
# Of orders whose news are of one moment, the one that has sent least goes first.
UNPUBLISHED: Final = Index(
    "orders_unpublished",
    (("events_from_us", 1), ("published", 1), ("_id", 1)),
    present="has_news",
)

ORDERS: Final = Schema(
    "orders",
    version=2,
    collections=(
        Collection(
            NAME,
            (
                BY_LIVE_REFERENCE,
                BY_REFERENCE,
                BY_AGE,
                BY_STATUS,
                BY_CHANNEL,
                BY_CUSTOMER,
                DUE,
                UNFINISHED,
                UNPUBLISHED,
            ),
        ),
    ),
    additions=(
        Addition(
            NAME,
            "reference",
            {
                "reference": "$document.payment.reference",
                "is_dead": {"$eq": [{"$type": "$live_reference"}, "missing"]},
            },
        ),
    ),
)
