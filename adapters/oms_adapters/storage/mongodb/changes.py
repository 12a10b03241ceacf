"""What the store says to MongoDB when it changes an order: update pipelines.

Each is one atomic change of one document, so that nothing is ever kept by half. A value from
outside stands under ``$literal``: nothing in it is ever executed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from bson.int64 import Int64

from oms_adapters.mongodb.server_time import Expression
from oms_adapters.storage.mongodb.record import Document, facets_of, to_stored
from oms_core.domain.order import Order
from oms_core.ports.storage import Unpublished

Pipeline: TypeAlias = "list[dict[str, Any]]"

BEGINNING_US: Final = Int64(-(2**63))
END_US: Final = Int64(2**63 - 1)

ABSENT: Final = "$$REMOVE"
NOT_LEASED: Final[Document] = {"holder": ABSENT, "leased_until_us": 0}

MICROSECOND: Final = timedelta(microseconds=1)


def after(moment: Expression | str, seconds: float) -> Document:
    """Say: *seconds* after *moment*, in microseconds."""
    return {"$add": [moment, Int64(timedelta(seconds=seconds) // MICROSECOND)]}


def replaced(saved: Order, mark: UUID, now: Expression, lease_changes: Document) -> Pipeline:
    """Replace the order by its next version."""
    facets = facets_of(saved)
    changes: Document = {name: _exactly(value) for name, value in facets.items()}
    changes |= {
        "version": saved.version,
        "saved_by": mark,
        "document": _exactly(to_stored(saved)),
        # If all that was there has left, there is something to send again from now on.
        "events_from_us": {"$cond": [{"$gte": ["$published", "$entries"]}, now, "$events_from_us"]},
        "has_news": _if_news(facets["entries"], "$published"),
        **lease_changes,
    }
    return [{"$set": changes}]


def claimed(holder: str, mark: UUID, now: Expression, lease_s: float) -> Pipeline:
    """Give *holder* a new lease, whose token outdates all earlier ones."""
    return [
        {
            "$set": {
                "holder": _exactly(holder),
                "token": {"$add": ["$token", 1]},
                "leased_until_us": after(now, lease_s),
                "deliveries": {"$add": ["$deliveries", 1]},
                "claimed_by": mark,
            }
        }
    ]


def given_back() -> Pipeline:
    """End a lease untouched: it does not count as a delivery."""
    fewer = {"$max": [0, {"$subtract": ["$deliveries", 1]}]}
    return [{"$set": {**NOT_LEASED, "deliveries": fewer}}]


def events_claimed(mark: UUID, now: Expression, lease_s: float) -> Pipeline:
    """Give a publisher the entries that have not left yet."""
    return [
        {
            "$set": {
                "events_from_us": after(now, lease_s),
                "events_token": {"$add": ["$events_token", 1]},
                "events_claimed_by": mark,
            }
        }
    ]


def published(sent: Unpublished, now: Expression) -> Pipeline:
    """Record what left. Moves forward only."""
    reached = {"$max": ["$published", len(sent.order.history)]}
    return [
        {"$set": {"published": reached, "events_from_us": now}},
        {"$set": {"has_news": _if_news("$entries", "$published")}},
    ]


def _if_news(entries: object, sent: object) -> Document:
    return {"$cond": [{"$gt": [entries, sent]}, True, ABSENT]}


def _exactly(value: Any) -> Any:
    return ABSENT if value is None else {"$literal": value}
