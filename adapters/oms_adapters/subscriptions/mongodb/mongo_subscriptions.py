"""The subscriptions port over one MongoDB database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

from bson.binary import Binary
from bson.int64 import Int64
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from oms_adapters.mongodb import Collection, Index, MongoDatabase, Schema
from oms_core.domain.delivery import DeliveryProgress
from oms_core.domain.scope import Scope
from oms_core.domain.subscription import Subscription
from oms_core.ports.clock import Clock
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.subscriptions import (
    DeliveryTally,
    Subscribed,
    Waiting,
    progress_from,
    subscription_from,
    to_document,
)

Document: TypeAlias = "dict[str, Any]"

NAME: Final = "webhook_subscriptions"
BY_SCOPE: Final = Index(
    "webhook_subscriptions_by_scope", (("tenant", 1), ("org", 1), ("created_us", 1), ("id", 1))
)


def _count_if(*conditions: Document) -> Document:
    return {"$sum": {"$cond": [{"$and": list(conditions)}, 1, 0]}}


def _not(condition: Document) -> Document:
    return {"$not": [condition]}


_TOLD: Final = ("tenant", "org", "id", "position", "next_held_us", "has_room", "failing")
"""What ``waiting`` tells of a subscription."""
# Holds all that is told of those that wait, several times a second: the documents, each with up
# to a thousand dead letters, are not even read.
WAITING: Final = Index(
    "webhook_subscriptions_waiting",
    (
        ("enabled", 1),
        ("stopped", 1),
        ("resume_us", 1),
        ("claimed_until_us", 1),
        *((name, 1) for name in _TOLD),
    ),
)
WEBHOOKS: Final = Schema(
    "webhook_subscriptions", version=2, collections=(Collection(NAME, (BY_SCOPE, WAITING)),)
)
_IS_ENABLED: Final = {"$eq": ["$enabled", True]}
_IS_STOPPED: Final = {"$eq": ["$stopped", True]}
_IS_FAILING: Final = {"$eq": ["$failing", True]}
_TALLY: Final = {
    "_id": None,
    "active": _count_if(_IS_ENABLED, _not(_IS_STOPPED), _not(_IS_FAILING)),
    "failing": _count_if(_IS_ENABLED, _not(_IS_STOPPED), _IS_FAILING),
    "stopped": _count_if(_IS_ENABLED, _IS_STOPPED),
    "disabled": _count_if(_not(_IS_ENABLED)),
    "held": {"$sum": "$held"},
    "dead": {"$sum": "$dead"},
    "held_since_us": {"$min": "$held_since_us"},
}
_MICROSECOND: Final = timedelta(microseconds=1)


class MongoSubscriptions:
    """Keeps subscriptions in *database*; implements ``Subscriptions``.

    Claims are compared with the server's clock; *clock* replaces it in simulations. After a
    lost answer a change is repeated and recognized by its own mark.

    Raises:
        StoreUnusable: a newer version of this program has changed the collection, or an index
            of it is missing.
    """

    def __init__(self, database: MongoDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._time = database.timekeeper(clock)
        database.migrate(WEBHOOKS)
        self._kept = database.collection(NAME)

    def add(self, subscribed: Subscribed) -> None:
        """Keep a new one; see ``Subscriptions.add``."""
        document = to_stored(subscribed)
        with suppress(DuplicateKeyError):
            self._database.run(lambda: self._kept.insert_one(document))

    def find(self, scope: Scope, subscription_id: UUID) -> Subscribed | None:
        """Read one; see ``Subscriptions.find``."""
        key = _key_of(scope, subscription_id)
        found = self._database.run(lambda: self._kept.find_one(key))
        return None if found is None else _subscribed(found)

    def list_all(self, scope: Scope) -> Sequence[Subscribed]:
        """Read all of a scope; see ``Subscriptions.list_all``."""
        wanted = {"tenant": scope.tenant_id, "org": scope.org_id}
        order = [("created_us", 1), ("id", 1)]
        found = self._database.run(
            lambda: list(self._kept.find(wanted, sort=order, hint=BY_SCOPE.name))
        )
        return [_subscribed(each) for each in found]

    def save(self, subscription: Subscription) -> bool:
        """Replace the subscription; see ``Subscriptions.save``."""
        return self._changed(
            _key_of(subscription.scope, subscription.id),
            "version",
            subscription.version,
            {"enabled": subscription.is_enabled, "document": _to_text(subscription)},
        )

    def remove(self, scope: Scope, subscription_id: UUID) -> bool:
        """Forget one; see ``Subscriptions.remove``."""
        key = _key_of(scope, subscription_id)
        return self._database.run(lambda: self._kept.delete_one(key)).deleted_count > 0

    def waiting(self) -> Sequence[Waiting]:
        """Tell which may be delivered to; see ``Subscriptions.waiting``."""
        # By our own measure of the server's time, which is never ahead of it, since an index
        # cannot be asked for "now". The claim looks at the server's clock.
        now_us = Int64(to_microseconds(self._time.now()))
        wanted = {
            "enabled": True,
            "stopped": False,
            "resume_us": {"$lte": now_us},
            "claimed_until_us": {"$lte": now_us},
        }
        told = {"_id": 0, **dict.fromkeys(_TOLD, 1)}
        found = self._database.run(lambda: list(self._kept.find(wanted, told, hint=WAITING.name)))
        return [
            Waiting(
                Scope(each["tenant"], each["org"]),
                each["id"],
                each["position"],
                None if each["next_held_us"] is None else from_microseconds(each["next_held_us"]),
                each["has_room"],
                each["failing"],
            )
            for each in found
        ]

    def tally(self) -> DeliveryTally:
        """Count how deliveries are; see ``Subscriptions.tally``."""
        found = self._database.run(lambda: list(self._kept.aggregate([{"$group": _TALLY}])))
        if not found:
            return DeliveryTally()
        (counted,) = found
        since_us = counted.pop("held_since_us")
        del counted["_id"]
        since = None if since_us is None else from_microseconds(since_us)
        return DeliveryTally(**counted, held_since=since)

    def claim(self, scope: Scope, subscription_id: UUID, *, lease_s: float) -> Subscribed | None:
        """Claim one; see ``Subscriptions.claim``."""
        mark = uuid4()
        key = _key_of(scope, subscription_id)
        wanted = {**key, "$or": [self._free(), {"claimed_by": mark}]}
        until = {
            "$add": [self._time.expression(), Int64(timedelta(seconds=lease_s) // _MICROSECOND)]
        }
        claimed = [
            {
                "$set": {
                    "claimed_by": mark,
                    "claimed_until_us": until,
                    "progress_version": {"$add": ["$progress_version", 1]},
                }
            }
        ]
        found = self._database.run(
            lambda: self._kept.find_one_and_update(
                wanted, claimed, return_document=ReturnDocument.AFTER
            )
        )
        return None if found is None else _subscribed(found)

    def record(self, scope: Scope, subscription_id: UUID, progress: DeliveryProgress) -> bool:
        """Replace the progress; see ``Subscriptions.record``."""
        facets = {**_facets_of(progress), "claimed_until_us": Int64(0), "claimed_by": None}
        key = _key_of(scope, subscription_id)
        return self._changed(key, "progress_version", progress.version, facets)

    # ------------------------------------------------------------------------------------

    def _free(self) -> Document:
        now = self._time.expression()
        return {
            "enabled": True,
            "stopped": False,
            "$expr": {
                "$and": [{"$lte": ["$resume_us", now]}, {"$lte": ["$claimed_until_us", now]}]
            },
        }

    def _changed(self, key: Document, counter: str, version: int, values: Document) -> bool:
        """Set *values* if the *counter* still has that version, and raise it."""
        mark = uuid4()
        change = {"$set": {**values, f"{counter}_by": mark}, "$inc": {counter: 1}}
        unchanged = {**key, counter: version}
        if self._database.run(lambda: self._kept.update_one(unchanged, change)).matched_count:
            return True
        # Refused, or done the first time and the answer lost.
        ours = {**key, f"{counter}_by": mark}
        return self._database.run(lambda: self._kept.find_one(ours, {"_id": 1})) is not None


def to_stored(subscribed: Subscribed) -> Document:
    """Write a subscription that nobody has claimed."""
    subscription, progress = subscribed.subscription, subscribed.progress
    return {
        **_key_of(subscription.scope, subscription.id),
        "id": subscription.id,
        "created_us": Int64(to_microseconds(subscription.created_at)),
        "version": subscription.version,
        "enabled": subscription.is_enabled,
        "document": _to_text(subscription),
        "progress_version": progress.version,
        "claimed_until_us": Int64(0),
        **_facets_of(progress),
    }


def _key_of(scope: Scope, subscription_id: UUID) -> Document:
    own = scope.tenant_id.bytes + scope.org_id.bytes + subscription_id.bytes
    return {"_id": Binary(own), "tenant": scope.tenant_id, "org": scope.org_id}


def _facets_of(progress: DeliveryProgress) -> Document:
    held_at, resume_at = progress.next_held_at, progress.resume_at
    return {
        "position": Int64(progress.position),
        "next_held_us": None if held_at is None else Int64(to_microseconds(held_at)),
        "has_room": progress.has_room,
        "failing": progress.failures > 0,
        "resume_us": Int64(0 if resume_at is None else to_microseconds(resume_at)),
        "stopped": progress.stopped is not None,
        "held": len(progress.held),
        "dead": len(progress.dead),
        "held_since_us": (
            None if progress.held_since is None else Int64(to_microseconds(progress.held_since))
        ),
        "progress": _to_text(progress),
    }


def _to_text(kept: Subscription | DeliveryProgress) -> str:
    return json.dumps(to_document(kept), separators=(",", ":"))


def _subscribed(found: Document) -> Subscribed:
    return Subscribed(
        subscription_from(json.loads(found["document"]), found["version"]),
        progress_from(json.loads(found["progress"]), found["progress_version"]),
    )
