"""Notifications as they are carried to another kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.sqlite import TableShelf
from oms_adapters.sqlite.departing_file import loaded
from oms_core.ports.carrying import CarriedDocument

_AS_THEY_ARE: Final = ("number", "provider", "event_id", "reference", "received_us", "state")


def _write(row: Mapping[str, Any]) -> CarriedDocument:
    return {
        "tenant": str(UUID(bytes=row["tenant"])),
        **{name: row[name] for name in _AS_THEY_ARE},
        "document": loaded(row["document"]),
    }


SHELVES: Final = (
    TableShelf(
        "inbox",
        "inbox",
        key=("number",),
        # The number goes along: it tells events of one moment apart, and stands in cursors.
        columns=("tenant", *_AS_THEY_ARE, "document"),
        write=_write,
        # Nobody can have claimed an event of a store that nobody has open.
        follows=frozenset({"claimed_until_us"}),
    ),
)
