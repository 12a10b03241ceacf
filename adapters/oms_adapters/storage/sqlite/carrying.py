"""Orders as they are carried to another kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.sqlite import TableShelf
from oms_adapters.sqlite.departing_file import loaded
from oms_adapters.storage.sqlite.record import FACETS
from oms_core.ports.carrying import CarriedDocument


def _write(row: Mapping[str, Any]) -> CarriedDocument:
    return {
        "tenant": str(UUID(bytes=row["tenant"])),
        "org": str(UUID(bytes=row["org"])),
        "id": str(UUID(bytes=row["id"])),
        **{name: row[name] for name in _AS_THEY_ARE},
        "document": loaded(row["document"]),
    }


_AS_THEY_ARE: Final = (
    "version",
    "token",
    "deliveries",
    "published",
    "events_from_us",
    "events_token",
)

SHELVES: Final = (
    TableShelf(
        "orders",
        "orders",
        key=("number",),
        columns=("tenant", "org", "id", *_AS_THEY_ARE, "document"),
        write=_write,
        # Nobody can hold a lease of a store that nobody has open. The token goes along: it
        # keeps outdating whatever was sent under an earlier one.
        follows=frozenset({"number", "holder", "leased_until_us", *FACETS}),
    ),
)
