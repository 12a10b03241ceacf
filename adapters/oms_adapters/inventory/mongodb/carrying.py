"""Stock, its ledger and what is promised, as they are carried from another kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.inventory.mongodb.collections import MOVEMENTS, RESERVATIONS, STOCK
from oms_adapters.inventory.mongodb.warehouse import key_of, place_of
from oms_adapters.mongodb import CollectionShelf
from oms_core.domain.inventory import StockItem
from oms_core.domain.scope import Scope
from oms_core.ports.carrying import CarriedDocument

Document = dict[str, Any]

_ENTRY: Final = ("sku", "location", "number", "quantity_delta", "reason", "at_us", "actor")


def _scope_of(carried: CarriedDocument) -> Scope:
    return Scope(UUID(carried["tenant"]), UUID(carried["org"]))


def _written_scope(stored: Mapping[str, Any]) -> Document:
    return {"tenant": str(stored["tenant"]), "org": str(stored["org"])}


def _store_level(carried: CarriedDocument) -> Document:
    return {
        **place_of(_scope_of(carried), StockItem(carried["sku"], carried["location"])),
        "on_hand": carried["on_hand"],
        "available": carried["on_hand"] - carried["reserved"],
        "entries": carried["entries"],
        "published": carried["published"],
        **({"has_news": True} if carried["entries"] > carried["published"] else {}),
        "events_from_us": 0,
        "events_token": 0,
    }


def _write_level(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        **_written_scope(stored),
        "sku": stored["sku"],
        "location": stored["location"],
        "on_hand": stored["on_hand"],
        "reserved": stored["on_hand"] - stored["available"],
        "entries": stored["entries"],
        "published": stored["published"],
    }


def _store_movement(carried: CarriedDocument) -> Document:
    return {
        **key_of(_scope_of(carried), carried["movement_id"]),
        **{name: carried[name] for name in _ENTRY},
    }


def _write_movement(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        **_written_scope(stored),
        "movement_id": stored["id"],
        **{name: stored[name] for name in _ENTRY},
    }


def _store_reservation(carried: CarriedDocument) -> Document:
    stored = {
        **key_of(_scope_of(carried), carried["id"]),
        "state": carried["state"],
        "demands": carried["demands"],
    }
    # A field that would be empty is left out.
    if carried["shortages"]:
        stored["shortages"] = carried["shortages"]
    if carried["lapses_us"] is not None:
        stored["lapses_us"] = carried["lapses_us"]
    return stored


def _write_reservation(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        **_written_scope(stored),
        "id": stored["id"],
        "state": stored["state"],
        "demands": stored["demands"],
        "shortages": stored.get("shortages", []),
        "lapses_us": stored.get("lapses_us"),
    }


SHELVES: Final = (
    CollectionShelf("stock", STOCK, _store_level, _write_level),
    CollectionShelf("stock_movements", MOVEMENTS, _store_movement, _write_movement),
    CollectionShelf("stock_reservations", RESERVATIONS, _store_reservation, _write_reservation),
)
