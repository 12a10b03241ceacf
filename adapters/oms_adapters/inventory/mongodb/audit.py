"""The stock audit port over one MongoDB database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from bson.binary import Binary
from pymongo.client_session import ClientSession

from oms_adapters.inventory.mongodb.collections import (
    BY_NAME,
    BY_NUMBER,
    MOVEMENTS,
    RESERVATIONS,
    STOCK,
)
from oms_adapters.inventory.mongodb.levels import page_of
from oms_adapters.inventory.mongodb.reservation import from_stored
from oms_adapters.inventory.mongodb.warehouse import key_of, level_of
from oms_adapters.mongodb import MongoDatabase
from oms_core.domain.inventory import StockItem
from oms_core.domain.scope import Scope
from oms_core.ports.inventory import as_inventory
from oms_core.ports.reservation_record import RecordState
from oms_core.ports.stock_audit import HeldPromise, StockBooks

Document: TypeAlias = "dict[str, Any]"

_NO_IDS: Final[Document] = {"_id": {"$in": []}}


class MongoStockAudit:
    """Looks into the stock of *database*; implements ``StockAudit``."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._stock = database.collection(STOCK)
        self._movements = database.collection(MOVEMENTS)
        self._reservations = database.collection(RESERVATIONS)

    def scopes(self, *, after: Scope | None = None, limit: int) -> Sequence[Scope]:
        """List the scopes that have stock; see ``StockAudit.scopes``."""
        found: list[Scope] = []
        with as_inventory():
            while len(found) < limit and (after := self._next_scope(after)) is not None:
                found.append(after)
        return found

    def books(
        self, scope: Scope, *, after: StockItem | None = None, limit: int
    ) -> Sequence[StockBooks]:
        """Return the books of items; see ``StockAudit.books``."""
        with as_inventory():
            return self._database.transact(
                lambda session: self._books(scope, after, limit, session)
            )

    def promises(
        self, scope: Scope, *, after: str | None = None, limit: int
    ) -> Sequence[HeldPromise]:
        """List what is held; see ``StockAudit.promises``."""
        with as_inventory():
            wanted = self._held_in(scope, None)
            if after is not None:
                wanted = {"$and": [wanted, {"_id": {"$gt": key_of(scope, after)["_id"]}}]}
            found = self._database.run(
                lambda: list(
                    self._reservations.find(wanted).sort("_id", 1).limit(limit).hint("_id_")
                )
            )
        return [_promise(each) for each in found]

    def promises_of(
        self, scope: Scope, reservation_ids: Collection[str]
    ) -> Mapping[str, HeldPromise]:
        """Return those that are held; see ``StockAudit.promises_of``."""
        wanted = {
            "_id": {"$in": [key_of(scope, name)["_id"] for name in reservation_ids]},
            "tenant": scope.tenant_id,
            "org": scope.org_id,
            "state": RecordState.HELD.value,
        }
        with as_inventory():
            found = self._database.run(lambda: list(self._reservations.find(wanted).hint("_id_")))
        return {each["id"]: _promise(each) for each in found}

    # ------------------------------------------------------------------------------------

    def _next_scope(self, after: Scope | None) -> Scope | None:
        """Find the first scope behind *after*: another organization of its tenant, or another."""
        steps: list[Document] = [{}]
        if after is not None:
            steps = [
                {"tenant": after.tenant_id, "org": {"$gt": after.org_id}},
                {"tenant": {"$gt": after.tenant_id}},
            ]
        for step in steps:
            found = self._database.run(
                lambda: self._stock.find_one(
                    step,  # noqa: B023 - called at once
                    {"tenant": 1, "org": 1},
                    sort=list(BY_NAME.keys),
                    hint=BY_NAME.name,
                )
            )
            if found is not None:
                return Scope(found["tenant"], found["org"])
        return None

    def _books(
        self, scope: Scope, after: StockItem | None, limit: int, session: ClientSession
    ) -> list[StockBooks]:
        page = page_of(scope, None, None, after)
        levels = [
            level_of(each)
            for each in self._stock.find(page.filter, session=session)
            .sort(page.sort)
            .limit(limit)
            .hint(page.index.name)
        ]
        if not levels:
            return []
        skus = sorted({level.item.sku for level in levels})
        ledger = self._movements.aggregate(
            [
                {
                    "$match": {
                        "tenant": scope.tenant_id,
                        "org": scope.org_id,
                        "sku": {"$in": skus},
                    }
                },
                {"$group": {"_id": ["$sku", "$location"], "sum": {"$sum": "$quantity_delta"}}},
            ],
            session=session,
            hint=BY_NUMBER.name,
        )
        in_ledger = {StockItem(*each["_id"]): int(each["sum"]) for each in ledger}
        promised: dict[StockItem, int] = {}
        for each in self._reservations.find(
            self._held_in(scope, session), {"demands": 1}, session=session
        ).hint("_id_"):
            for sku, location, quantity in each["demands"]:
                item = StockItem(sku, location)
                promised[item] = promised.get(item, 0) + quantity
        return [
            StockBooks(
                level.item,
                level.on_hand,
                level.reserved,
                in_ledger.get(level.item, 0),
                promised.get(level.item, 0),
            )
            for level in levels
        ]

    def _held_in(self, scope: Scope, session: ClientSession | None) -> Document:
        """Limit a filter to what is held in *scope*, by ``_id``.

        Ids sort by their length first. So a scope is one range of the index for each length
        that there is, and of those there are few: orders' ids are all of one.
        """
        start = scope.tenant_id.bytes + scope.org_id.bytes
        ranges = [
            {
                "_id": {
                    "$gte": Binary(start + b"\x00" * (length - len(start))),
                    "$lte": Binary(start + b"\xff" * (length - len(start))),
                }
            }
            for length in self._lengths(session)
        ]
        held = {"tenant": scope.tenant_id, "org": scope.org_id, "state": RecordState.HELD.value}
        return {**held, "$or": ranges} if ranges else {**held, **_NO_IDS}

    def _lengths(self, session: ClientSession | None) -> Iterator[int]:
        length = 0
        while True:
            found = self._first_behind(Binary(b"\xff" * length), session)
            if found is None:
                return
            length = len(found["_id"])
            yield length

    def _first_behind(self, place: Binary, session: ClientSession | None) -> Document | None:
        def look() -> Document | None:
            return self._reservations.find_one(
                {"_id": {"$gt": place}}, {"_id": 1}, sort=[("_id", 1)], hint="_id_", session=session
            )

        # Inside a transaction its owner repeats all of it.
        return self._database.run(look) if session is None else look()


def _promise(stored: Document) -> HeldPromise:
    reservation = from_stored(stored)
    return HeldPromise(stored["id"], reservation.demands, reservation.lapses_us is not None)
