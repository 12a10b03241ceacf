"""Orders as they are carried from another kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.mongodb import CollectionShelf
from oms_adapters.storage.mongodb.collections import NAME
from oms_adapters.storage.mongodb.record import (
    Document,
    facets_of,
    from_stored,
    key_of,
    stored_form,
    written_form,
)
from oms_core.domain.scope import Scope
from oms_core.ports.carrying import CarriedDocument

_AS_THEY_ARE: Final = (
    "version",
    "token",
    "deliveries",
    "published",
    "events_from_us",
    "events_token",
)


def _store(carried: CarriedDocument) -> Document:
    scope = Scope(UUID(carried["tenant"]), UUID(carried["org"]))
    order_id = UUID(carried["id"])
    document = stored_form(carried["document"])
    facets = facets_of(from_stored(order_id, document))
    return {
        **key_of(scope, order_id),
        **{name: value for name, value in facets.items() if value is not None},
        **{name: carried[name] for name in _AS_THEY_ARE},
        "leased_until_us": 0,
        **({"has_news": True} if facets["entries"] > carried["published"] else {}),
        "saved_by": None,
        "document": document,
    }


def _write(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        "tenant": str(stored["tenant"]),
        "org": str(stored["org"]),
        "id": str(stored["id"]),
        **{name: stored[name] for name in _AS_THEY_ARE},
        "document": written_form(stored["document"]),
    }


SHELVES: Final = (
    CollectionShelf("orders", NAME, _store, _write, key=("_id", "tenant", "org", "id")),
)
