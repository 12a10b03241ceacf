"""Notifications as they are carried from another kind of store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from bson.int64 import Int64
from bson.objectid import ObjectId

from oms_adapters.inbox.mongodb.collections import NAME
from oms_adapters.inbox.mongodb.record import Document, id_at, position_of, state_of
from oms_adapters.mongodb import CollectionShelf
from oms_core.ports.carrying import CarriedDocument
from oms_core.ports.cursors import InboxPosition
from oms_core.ports.inbox import InboxState

_AS_THEY_ARE: Final = ("provider", "event_id", "reference")


def _store(carried: CarriedDocument) -> Document:
    return {
        # The number as it was: below every id that is made from now on, so that the events of
        # one moment stay in their order, and a cursor that was given out goes on.
        "_id": id_at(InboxPosition(carried["received_us"], carried["number"])),
        "tenant": UUID(carried["tenant"]),
        **{name: carried[name] for name in _AS_THEY_ARE},
        "received_us": Int64(carried["received_us"]),
        "claimed_until_us": Int64(0),
        "document": json.dumps(carried["document"], separators=(",", ":")),
        **state_of(InboxState(carried["state"])),
    }


def _write(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        "tenant": str(stored["tenant"]),
        "number": position_of(dict(stored)).number,
        **{name: stored[name] for name in _AS_THEY_ARE},
        "received_us": stored["received_us"],
        "state": stored["state"],
        "document": json.loads(stored["document"]),
    }


SHELVES: Final = (CollectionShelf("inbox", NAME, _store, _write, read_id=ObjectId),)
