"""One scope's stock, as far as one transaction reaches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from bson.binary import Binary
from pymongo import UpdateOne
from pymongo.client_session import ClientSession

from oms_adapters.inventory.mongodb.collections import MOVEMENTS, RESERVATIONS, STOCK
from oms_adapters.inventory.mongodb.reservation import to_stored
from oms_adapters.mongodb import MongoDatabase
from oms_core.domain.inventory import Demand, Shortage, StockItem, StockLevel, StockMovement
from oms_core.domain.scope import Scope
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.reservation_record import ReservationRecord

Document: TypeAlias = "dict[str, Any]"


class SoldOut(Exception):
    """At least one item cannot meet its demand: undoes the transaction."""


class Overtaken(Exception):
    """Somebody else decided in the meantime: look again."""


def key_of(scope: Scope, name: str) -> Document:
    """Name a reservation or movement in a filter: by ``_id``, and by the shard key."""
    return {
        "_id": Binary(scope.tenant_id.bytes + scope.org_id.bytes + name.encode()),
        "tenant": scope.tenant_id,
        "org": scope.org_id,
        "id": name,
    }


def place_of(scope: Scope, item: StockItem) -> Document:
    """Name a stock item in a filter. The sku's length keeps sku and location apart."""
    sku = item.sku.encode()
    place = len(sku).to_bytes(4, "big") + sku + item.location.encode()
    return {
        "_id": Binary(scope.tenant_id.bytes + scope.org_id.bytes + place),
        "tenant": scope.tenant_id,
        "org": scope.org_id,
        "sku": item.sku,
        "location": item.location,
    }


def level_of(stored: Document) -> StockLevel:
    """Read a level. What is stored beside on-hand is what is available."""
    on_hand, available = int(stored["on_hand"]), int(stored["available"])
    return StockLevel(StockItem(stored["sku"], stored["location"]), on_hand, on_hand - available)


class Warehouse:
    """The stock of one scope, within one transaction of *session*.

    What it reads is of one moment, and if anybody changes meanwhile what it writes, the
    transaction is undone and begins anew: so no two see the same piece available.
    """

    def __init__(self, database: MongoDatabase, session: ClientSession, scope: Scope) -> None:
        self._session = session
        self._scope = scope
        self._stock = database.collection(STOCK)
        self._movements = database.collection(MOVEMENTS)
        self._reservations = database.collection(RESERVATIONS)

    # -- reservations ----------------------------------------------------------------------

    def keep(
        self, reservation_id: str, before: ReservationRecord | None, now: ReservationRecord
    ) -> None:
        """Write what came of a reservation that was as *before*; ``None``: not there.

        Raises:
            DuplicateKeyError: it is there by now.
            Overtaken: it is no longer as *before*.
        """
        key = key_of(self._scope, reservation_id)
        if before is None:
            self._reservations.insert_one({**key, **to_stored(now)}, session=self._session)
            return
        stored = to_stored(before)
        as_before = {
            "state": stored["state"],
            "lapses_us": before.lapses_us,
            "demands": stored["demands"],
        }
        done = self._reservations.replace_one(
            {**key, **as_before}, {**key, **to_stored(now)}, session=self._session
        )
        if not done.matched_count:
            raise Overtaken

    # -- pieces ----------------------------------------------------------------------------

    def take(self, demands: Sequence[Demand]) -> None:
        """Take every piece that is asked for.

        Raises:
            SoldOut: not all are there.
        """
        self._change(demands, {"available": -1}, only_if_available=True)

    def give_back(self, demands: Sequence[Demand]) -> None:
        """Make pieces that were taken available again."""
        self._change(demands, {"available": 1})

    def let_leave(self, movements: Sequence[StockMovement], demands: Sequence[Demand]) -> None:
        """Let pieces that were taken leave, with their entries in the ledger."""
        if not demands:
            return
        self._change(demands, {"on_hand": -1}, entries=1)
        numbers = {
            StockItem(each["sku"], each["location"]): int(each["entries"])
            for each in self._find_stock([demand.item for demand in demands])
        }
        entries = [self._entry(movement, numbers[movement.item]) for movement in movements]
        self._movements.insert_many(entries, session=self._session)

    def shortages(self, demands: Iterable[Demand]) -> tuple[Shortage, ...]:
        """Tell which items cannot meet their demands."""
        wanted = tuple(demands)
        found = self._find_stock([demand.item for demand in wanted])
        available = {level.item: level.available for level in map(level_of, found)}
        return tuple(
            Shortage(demand.item, demand.quantity, there)
            for demand in wanted
            if (there := available.get(demand.item, 0)) < demand.quantity
        )

    # -- the ledger ------------------------------------------------------------------------

    def known_movement(self, movement_id: str) -> tuple[StockItem, int, str] | None:
        """Tell what the ledger has under this id: item, quantity and reason."""
        found = self._movements.find_one(key_of(self._scope, movement_id), session=self._session)
        if found is None:
            return None
        item = StockItem(found["sku"], found["location"])
        return item, int(found["quantity_delta"]), found["reason"]

    def level(self, item: StockItem) -> StockLevel:
        """Tell the level of *item*, known or not."""
        found = self._find_stock([item])
        return level_of(found[0]) if found else StockLevel(item, 0, 0)

    def book(self, movement: StockMovement) -> StockLevel | None:
        """Append *movement* to the ledger; ``None``: it would take away what is promised."""
        delta, place = movement.quantity_delta, place_of(self._scope, movement.item)
        condition = {"available": {"$gte": -delta}} if delta < 0 else {}
        done = self._stock.update_one(
            {**place, **condition},
            {
                "$inc": {"on_hand": delta, "available": delta, "entries": 1},
                "$set": {"has_news": True},
                "$setOnInsert": {"published": 0, "events_from_us": 0, "events_token": 0},
            },
            upsert=delta >= 0,  # the item is known from now on
            session=self._session,
        )
        if not done.matched_count and done.upserted_id is None:
            return None
        (stored,) = self._find_stock([movement.item])
        self._movements.insert_one(
            self._entry(movement, int(stored["entries"])), session=self._session
        )
        return level_of(stored)

    # ------------------------------------------------------------------------------------

    def _change(
        self,
        demands: Sequence[Demand],
        signs: dict[str, int],
        *,
        entries: int = 0,
        only_if_available: bool = False,
    ) -> None:
        """Add or subtract the demands in one round trip, however many they are."""
        if not demands:
            return
        updates = []
        for demand in demands:
            added = {field: sign * demand.quantity for field, sign in signs.items()}
            change: Document = {"$inc": added}
            if entries:
                added["entries"] = entries
                change["$set"] = {"has_news": True}
            condition = {"available": {"$gte": demand.quantity}} if only_if_available else {}
            place = place_of(self._scope, demand.item)
            updates.append(UpdateOne({**place, **condition}, change))
        done = self._stock.bulk_write(updates, ordered=True, session=self._session)
        if done.matched_count < len(updates):
            raise SoldOut

    def _find_stock(self, items: Sequence[StockItem]) -> list[Document]:
        if not items:
            return []
        ids = [place_of(self._scope, item)["_id"] for item in items]
        return list(self._stock.find({"_id": {"$in": ids}}, session=self._session))

    def _entry(self, movement: StockMovement, number: int) -> Document:
        return {
            **key_of(self._scope, movement.movement_id),
            "sku": movement.item.sku,
            "location": movement.item.location,
            "number": number,
            "quantity_delta": movement.quantity_delta,
            "reason": movement.reason,
            "at_us": to_microseconds(movement.at),
            "actor": movement.actor,
        }
