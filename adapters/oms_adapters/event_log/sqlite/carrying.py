"""The event feed in SQLite, as it is carried to another kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.sqlite import TableShelf
from oms_adapters.sqlite.departing_file import loaded
from oms_core.ports.carrying import CarriedDocument


def _write(row: Mapping[str, Any]) -> CarriedDocument:
    return {
        "tenant": str(UUID(bytes=row["tenant"])),
        "org": str(UUID(bytes=row["org"])),
        "position": row["position"],
        "logged_us": row["logged_us"],
        "document": loaded(row["document"]),
    }


SHELVES: Final = (
    TableShelf(
        "event_segments",
        "events",
        key=("tenant", "org", "position"),
        columns=("tenant", "org", "position", "logged_us", "document"),
        write=_write,
        follows=frozenset({"id"}),
    ),
)
