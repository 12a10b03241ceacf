"""The event feed in MongoDB, as it is carried from another kind of store.

Each event becomes a segment of its own: entries are compared one by one, and where a batch
ended in the other store nobody knows any more. Readers do not see the difference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from oms_adapters.event_log.mongodb.mongo_event_log import NAME, segment_of
from oms_adapters.mongodb import CollectionShelf
from oms_core.domain.scope import Scope
from oms_core.ports.carrying import CarriedDocument


def _store(carried: CarriedDocument) -> dict[str, Any]:
    scope = Scope(UUID(carried["tenant"]), UUID(carried["org"]))
    return segment_of(scope, carried["position"], [carried["document"]], carried["logged_us"])


def _write(stored: Mapping[str, Any]) -> CarriedDocument:
    (text,) = stored["events"]
    return {
        "tenant": str(stored["tenant"]),
        "org": str(stored["org"]),
        "position": stored["first"],
        "logged_us": int(stored["logged_us"]),
        "document": json.loads(text),
    }


SHELVES: Final = (CollectionShelf("event_segments", NAME, _store, _write),)
