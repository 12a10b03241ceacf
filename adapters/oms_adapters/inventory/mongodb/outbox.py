"""The ledger as an outbox: which items have entries that have not left."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import uuid4

from bson.int64 import Int64
from pymongo import UpdateOne

from oms_adapters.inventory.mongodb.collections import (
    BY_NUMBER,
    HAS_NEWS,
    MOVEMENTS,
    STOCK,
    UNPUBLISHED,
)
from oms_adapters.inventory.mongodb.warehouse import place_of
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.mongodb.server_time import Expression
from oms_core.domain.inventory import StockItem, StockMovement
from oms_core.domain.scope import Scope
from oms_core.ports.order_document import from_microseconds
from oms_core.ports.stock_outbox import ENTRIES_MAX, UnpublishedStock

Document: TypeAlias = "dict[str, Any]"
_MICROSECOND: Final = timedelta(microseconds=1)


class LedgerOutbox:
    """Hands out what has not left of the ledgers in *database*, by the store's time."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._stock = database.collection(STOCK)
        self._movements = database.collection(MOVEMENTS)

    def claim(self, now: Expression, *, limit: int, lease_s: float) -> list[UnpublishedStock]:
        """Claim items whose ledger has grown, and read what is new of each."""
        waiting: Document = {"has_news": True, "$expr": {"$lte": ["$events_from_us", now]}}
        order_of_turns = [("events_from_us", 1), ("_id", 1)]
        found = self._database.run(
            lambda: list(
                self._stock.find(waiting, {"_id": 1})
                .sort(order_of_turns)
                .limit(limit)
                .hint(UNPUBLISHED.name)
            )
        )
        if not found:
            return []
        ids = [each["_id"] for each in found]
        mark = uuid4()
        claimed = [
            {
                "$set": {
                    "events_from_us": {
                        "$add": [now, Int64(timedelta(seconds=lease_s) // _MICROSECOND)]
                    },
                    "events_token": {"$add": ["$events_token", 1]},
                    "events_claimed_by": mark,
                }
            }
        ]
        still = {**waiting, "_id": {"$in": ids}}
        # A repeat after a lost answer finds them claimed, and changes nothing.
        self._database.run(lambda: self._stock.update_many(still, claimed, hint="_id_"))
        ours = {"_id": {"$in": ids}, "events_claimed_by": mark}
        return self._with_news(
            self._database.run(lambda: list(self._stock.find(ours, hint="_id_")))
        )

    def mark(self, sent: Sequence[UnpublishedStock], now: Expression) -> None:
        """Record what left. An item with more waits behind all others from now on."""
        if not sent:
            return
        marks = [
            UpdateOne(
                {**place_of(each.scope, each.item), "events_token": each.token},
                [
                    {
                        "$set": {
                            "published": {"$max": ["$published", each.last]},
                            "events_from_us": now,
                        }
                    },
                    {"$set": {"has_news": HAS_NEWS}},
                ],
            )
            for each in sent
        ]
        self._database.run(lambda: self._stock.bulk_write(marks, ordered=False))

    def _with_news(self, claimed: Sequence[Document]) -> list[UnpublishedStock]:
        """Read the new entries of all claimed items in one round trip."""
        if not claimed:
            return []
        ranges = [
            {
                **{name: each[name] for name in ("tenant", "org", "sku", "location")},
                "number": {"$gt": each["published"], "$lte": each["published"] + ENTRIES_MAX},
            }
            for each in claimed
        ]
        found: defaultdict[tuple[Scope, StockItem], dict[int, Document]] = defaultdict(dict)
        for entry in self._database.run(
            lambda: list(self._movements.find({"$or": ranges}, hint=BY_NUMBER.name))
        ):
            found[_name_of(entry)][int(entry["number"])] = entry
        return [_unpublished(each, found[_name_of(each)]) for each in claimed]


def _unpublished(claimed: Document, entries: dict[int, Document]) -> UnpublishedStock:
    scope, item = _name_of(claimed)
    published = int(claimed["published"])
    movements: list[StockMovement] = []
    # A scan may see an entry that was booked meanwhile and not the one before it: that one is
    # read with the next claim, and so is what stands behind it.
    while (entry := entries.get(published + len(movements) + 1)) is not None:
        movements.append(movement_from(entry, item))
    return UnpublishedStock(scope, item, published, tuple(movements), int(claimed["events_token"]))


def movement_from(entry: Document, item: StockItem) -> StockMovement:
    """Read an entry of the ledger of *item*."""
    return StockMovement(
        entry["id"],
        item,
        entry["quantity_delta"],
        entry["reason"],
        from_microseconds(entry["at_us"]),
        entry["actor"],
    )


def _name_of(stored: Document) -> tuple[Scope, StockItem]:
    scope = Scope(stored["tenant"], stored["org"])
    return scope, StockItem(stored["sku"], stored["location"])
