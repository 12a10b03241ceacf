"""The collection of notifications and its indexes.

The applier's index holds only the events that nobody has acted on: its size follows the
backlog, not the notifications of all time.
"""

from __future__ import annotations

from typing import Final

from oms_adapters.mongodb import Collection, Index, Schema

NAME: Final = "inbox"

BY_EVENT: Final = Index(
    "inbox_by_event", (("tenant", 1), ("event_id", 1), ("provider", 1)), unique=True
)
BY_PAYMENT: Final = Index(
    "inbox_by_payment",
    (("tenant", 1), ("provider", 1), ("reference", 1), ("received_us", 1), ("_id", 1)),
)
# With the claim in the index, events in an applier's hands are passed over without looking at them.
NEW: Final = Index(
    "inbox_new", (("received_us", 1), ("_id", 1), ("claimed_until_us", 1)), present="is_new"
)
BY_STATE: Final = Index("inbox_by_state", (("state", 1), ("received_us", -1), ("_id", -1)))
BY_TENANT: Final = Index(
    "inbox_by_tenant", (("tenant", 1), ("state", 1), ("received_us", -1), ("_id", -1))
)

INBOX: Final = Schema(
    "inbox",
    version=1,
    collections=(Collection(NAME, (BY_EVENT, BY_PAYMENT, NEW, BY_STATE, BY_TENANT)),),
)
