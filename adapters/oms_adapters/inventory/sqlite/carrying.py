"""Stock, its ledger and what is promised, as they are carried to another kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.sqlite import TableShelf
from oms_adapters.sqlite.departing_file import loaded
from oms_core.ports.carrying import CarriedDocument

_SCOPE: Final = ("tenant", "org")
_ITEM: Final = (*_SCOPE, "sku", "location")


def _scoped(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: str(UUID(bytes=row[name])) if name in _SCOPE else row[name]
        for name in row.keys()  # noqa: SIM118 - iterating over a row of sqlite3 gives its values
    }


def _write_reservation(row: Mapping[str, Any]) -> CarriedDocument:
    return {
        **_scoped(row),
        "demands": loaded(row["demands"]),
        "shortages": loaded(row["shortages"]) or [],
    }


SHELVES: Final = (
    TableShelf(
        "stock",
        "stock",
        key=_ITEM,
        columns=(*_ITEM, "on_hand", "reserved", "entries", "published"),
        write=_scoped,
        # A claim on events means nothing where nobody holds one.
        follows=frozenset({"events_from_us", "events_token"}),
    ),
    TableShelf(
        "stock_movements",
        "stock_movements",
        key=(*_ITEM, "number"),
        columns=(
            *_ITEM,
            "number",
            "movement_id",
            "quantity_delta",
            "reason",
            "at_us",
            "actor",
        ),
        write=_scoped,
    ),
    TableShelf(
        "stock_reservations",
        "stock_reservations",
        key=(*_SCOPE, "id"),
        columns=(*_SCOPE, "id", "state", "demands", "shortages", "lapses_us"),
        write=_write_reservation,
    ),
)
