"""Subscriptions in SQLite, with their secrets and how far they are, as they are carried."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.sqlite import TableShelf
from oms_adapters.sqlite.departing_file import loaded
from oms_core.ports.carrying import CarriedDocument

_KEY: Final = ("tenant", "org", "id")


def _write(row: Mapping[str, Any]) -> CarriedDocument:
    return {
        **{name: str(UUID(bytes=row[name])) for name in _KEY},
        "version": row["version"],
        "document": loaded(row["document"]),
        "progress_version": row["progress_version"],
        "progress": loaded(row["progress"]),
    }


SHELVES: Final = (
    TableShelf(
        "webhook_subscriptions",
        "webhook_subscriptions",
        key=_KEY,
        columns=(*_KEY, "version", "document", "progress_version", "progress"),
        write=_write,
        # Nobody delivers from a store that nobody has open: its claims mean nothing elsewhere.
        follows=frozenset(
            {
                "created_us",
                "enabled",
                "position",
                "next_held_us",
                "has_room",
                "failing",
                "held",
                "held_since_us",
                "dead",
                "resume_us",
                "claimed_until_us",
            }
        ),
    ),
)
