"""The event log port over one MongoDB database."""

from __future__ import annotations

import json
from collections.abc import Collection as CollectionOf
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from bson.binary import Binary
from bson.int64 import Int64
from pymongo import DeleteOne
from pymongo.errors import BulkWriteError

from oms_adapters.mongodb import Addition, Collection, Index, MongoDatabase, Schema
from oms_core.domain.event_envelope import EventEnvelope
from oms_core.domain.scope import Scope
from oms_core.errors import StoreUnavailable
from oms_core.ports.clock import Clock
from oms_core.ports.event_log import LoggedEvent, by_scope, from_log_document, to_log_document
from oms_core.ports.order_document import to_microseconds

Document: TypeAlias = "dict[str, Any]"

NAME: Final = "event_segments"
EVENTS_IN_SEGMENT_MAX: Final = 500
"""Keeps a segment far below the 16 MiB that a document may have."""
ROUNDS_MAX: Final = 50
"""How often an append that others overtook begins anew."""
_DUPLICATE_KEY: Final = 11_000

BY_POSITION: Final = Index(
    "event_segments_by_position", (("tenant", 1), ("org", 1), ("last", 1)), unique=True
)
BY_EVENT: Final = Index(
    "event_segments_by_event", (("tenant", 1), ("org", 1), ("ids", 1)), unique=True
)
EVENTS: Final = Schema(
    "events",
    version=2,
    collections=(Collection(NAME, (BY_POSITION, BY_EVENT)),),
    # When it was appended; what is there already counts from now on.
    additions=(
        Addition(NAME, "logged_us", {"logged_us": {"$multiply": [{"$toLong": "$$NOW"}, 1_000]}}),
    ),
)


class MongoEventLog:
    """Keeps events in *database*, a batch of one scope in one document; implements ``EventLog``.

    A segment's ``_id`` holds its scope and its first position, which is one above the last
    position of the segment before. Two processes that append at once choose the same ``_id``;
    the server takes one of them, and the other begins anew behind it. A second unique index,
    over the events' ids, refuses a segment that holds an event which is there already.

    Raises:
        StoreUnusable: a newer version of this program has changed the collection, or an index
            of it is missing.
    """

    def __init__(self, database: MongoDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._time = database.timekeeper(clock)
        database.migrate(EVENTS)
        self._segments = database.collection(NAME)

    def append(self, events: Sequence[EventEnvelope]) -> None:
        """Number what is new; see ``EventLog.append``."""
        waiting = by_scope(events)
        now_us = to_microseconds(self._time.now())
        for _ in range(ROUNDS_MAX):
            segments = [
                segment
                for scope, each in waiting.items()
                for segment in _segments_of(scope, each, self._head(scope), now_us)
            ]
            if not segments or self._inserted(segments):
                return
            waiting = {scope: self._unknown(scope, each) for scope, each in waiting.items()}
        raise StoreUnavailable("MongoDB: others appended events faster, again and again")

    def read(self, scope: Scope, *, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Return what comes after a position; see ``EventLog.read``."""
        found: list[LoggedEvent] = []
        beyond = {**_scope_filter(scope), "last": {"$gt": after}}

        def run() -> list[LoggedEvent]:
            found.clear()
            with self._segments.find(
                beyond, {"ids": 0}, sort=[("last", 1)], hint=BY_POSITION.name
            ) as segments:
                for segment in segments:
                    for position, text in enumerate(segment["events"], segment["first"]):
                        if position > after:
                            event = from_log_document(scope, json.loads(text))
                            found.append(LoggedEvent(position, event))
                        if len(found) == limit:
                            return found
            return found

        return self._database.run(run)

    def known(self, scope: Scope, event_ids: CollectionOf[UUID]) -> CollectionOf[UUID]:
        """Return the ids that are in the log; see ``EventLog.known``."""
        asked = set(event_ids)
        there = {**_scope_filter(scope), "ids": {"$in": list(asked)}}
        segments = self._database.run(
            lambda: list(self._segments.find(there, {"ids": 1}, hint=BY_EVENT.name))
        )
        return asked.intersection(event_id for each in segments for event_id in each["ids"])

    def heads(self, scopes: CollectionOf[Scope]) -> Mapping[Scope, int]:
        """Tell the last positions; see ``EventLog.heads``."""
        return {scope: self._head(scope) for scope in scopes}

    def oldest(self, scope: Scope) -> int:
        """Tell the lowest position; see ``EventLog.oldest``."""
        lowest = self._lowest(scope, 1)
        return int(lowest[0]["first"]) if lowest else 1

    def scopes(self) -> Sequence[Scope]:
        """Tell whose events there are; see ``EventLog.scopes``."""
        pipeline: list[Document] = [
            {"$sort": {"tenant": 1, "org": 1, "last": 1}},
            {"$group": {"_id": {"tenant": "$tenant", "org": "$org"}}},
        ]
        found = self._database.run(
            lambda: list(self._segments.aggregate(pipeline, hint=BY_POSITION.name))
        )
        return [Scope(each["_id"]["tenant"], each["_id"]["org"]) for each in found]

    def drop(self, scope: Scope, *, up_to: int | None, before: datetime, limit: int) -> int:
        """Forget the oldest events, whole segments of them; see ``EventLog.drop``."""
        last = self._head(scope) - 1
        if up_to is not None:
            last = min(last, up_to)
        before_us = to_microseconds(before)
        dropped: list[Document] = []
        left = limit
        for segment in self._lowest(scope, limit):
            left -= segment["last"] - segment["first"] + 1
            is_needed = segment["last"] > last or segment["logged_us"] >= before_us
            if is_needed or (left < 0 and dropped):
                break
            dropped.append(segment)
        if not dropped:
            return 0
        # In the order of positions, so that a crash on the way leaves no gap.
        deletes = [DeleteOne({**_scope_filter(scope), "_id": each["_id"]}) for each in dropped]
        self._database.run(lambda: self._segments.bulk_write(deletes, ordered=True))
        return sum(segment["last"] - segment["first"] + 1 for segment in dropped)

    # ------------------------------------------------------------------------------------

    def _lowest(self, scope: Scope, limit: int) -> list[Document]:
        fields = {"first": 1, "last": 1, "logged_us": 1}
        return self._database.run(
            lambda: list(
                self._segments.find(_scope_filter(scope), fields)
                .sort("last", 1)
                .limit(limit)
                .hint(BY_POSITION.name)
            )
        )

    def _head(self, scope: Scope) -> int:
        """Tell the last position; one that is out of date does no harm, it is refused."""
        last = self._database.run(
            lambda: self._segments.find_one(
                _scope_filter(scope),
                {"last": 1, "_id": 0},
                sort=[("last", -1)],
                hint=BY_POSITION.name,
            )
        )
        return 0 if last is None else int(last["last"])

    def _unknown(self, scope: Scope, events: Sequence[EventEnvelope]) -> list[EventEnvelope]:
        """Leave out what is in the log already."""
        ids = [event.event_id for event in events]
        there = {**_scope_filter(scope), "ids": {"$in": ids}}
        segments = self._database.run(
            lambda: list(self._segments.find(there, {"ids": 1}, hint=BY_EVENT.name))
        )
        known: set[UUID] = {known_id for segment in segments for known_id in segment["ids"]}
        return [event for event in events if event.event_id not in known]

    def _inserted(self, segments: list[Document]) -> bool:
        """Insert all, one after the other; ``False``: one of them came too late.

        What stands before that one is in the log. After a lost answer the repeat comes too late
        for its own segment, and finds its events there.
        """

        def run() -> bool:
            try:
                self._segments.insert_many(segments, ordered=True)
            except BulkWriteError as error:
                details = error.details or {}
                codes = {each["code"] for each in details.get("writeErrors", ())}
                if codes != {_DUPLICATE_KEY} or details.get("writeConcernErrors"):
                    raise
                return False
            return True

        return self._database.run(run)


def _segments_of(
    scope: Scope, events: Sequence[EventEnvelope], head: int, now_us: int
) -> list[Document]:
    documents = [to_log_document(event) for event in events]
    return [
        segment_of(
            scope, head + start + 1, documents[start : start + EVENTS_IN_SEGMENT_MAX], now_us
        )
        for start in range(0, len(documents), EVENTS_IN_SEGMENT_MAX)
    ]


def segment_of(
    scope: Scope, first: int, documents: Sequence[Mapping[str, Any]], logged_us: int
) -> Document:
    """Write one segment: what the log keeps of some events, the first at the position *first*."""
    number = first.to_bytes(8, "big")
    return {
        "_id": Binary(scope.tenant_id.bytes + scope.org_id.bytes + number),
        **_scope_filter(scope),
        "first": first,
        "last": first + len(documents) - 1,
        "logged_us": Int64(logged_us),
        "ids": [UUID(document["id"]) for document in documents],
        # As text: BSON could not hold every name that a fact may have.
        "events": [json.dumps(document) for document in documents],
    }


def _scope_filter(scope: Scope) -> Document:
    return {"tenant": scope.tenant_id, "org": scope.org_id}
