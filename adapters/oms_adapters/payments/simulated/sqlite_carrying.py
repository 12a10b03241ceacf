"""The simulated provider's books in SQLite, as they are carried to another kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from oms_adapters.sqlite import TableShelf
from oms_adapters.sqlite.departing_file import loaded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_core.ports.carrying import CarriedDocument


def _write(row: Mapping[str, Any], name: str) -> CarriedDocument:
    return {
        "account": row["account"],
        "tenant": str(UUID(row["tenant_id"])),
        name: row[name],
        "document": loaded(row["document"]),
    }


SHELVES: Final = (
    TableShelf(
        "simulated_payments",
        "simulated_payments",
        key=("rowid",),
        columns=("account", "tenant_id", "reference", "document"),
        write=lambda row: _write(row, "reference"),
    ),
    TableShelf(
        "simulated_payment_keys",
        "simulated_payment_keys",
        key=("rowid",),
        columns=("account", "tenant_id", "key", "document"),
        write=lambda row: _write(row, "key"),
    ),
)
