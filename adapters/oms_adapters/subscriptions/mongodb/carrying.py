"""Subscriptions in MongoDB, with their secrets and how far they are, as they are carried."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from oms_adapters.mongodb import CollectionShelf
from oms_adapters.subscriptions.mongodb.mongo_subscriptions import NAME, to_stored
from oms_core.ports.carrying import CarriedDocument
from oms_core.ports.subscriptions import Subscribed, progress_from, subscription_from

_KEY: Final = ("tenant", "org", "id")


def _store(carried: CarriedDocument) -> dict[str, Any]:
    subscribed = Subscribed(
        subscription_from(carried["document"], carried["version"]),
        progress_from(carried["progress"], carried["progress_version"]),
    )
    return to_stored(subscribed)


def _write(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        **{name: str(stored[name]) for name in _KEY},
        "version": stored["version"],
        "document": json.loads(stored["document"]),
        "progress_version": stored["progress_version"],
        "progress": json.loads(stored["progress"]),
    }


SHELVES: Final = (CollectionShelf("webhook_subscriptions", NAME, _store, _write),)
