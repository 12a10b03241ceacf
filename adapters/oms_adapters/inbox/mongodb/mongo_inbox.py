"""The inbox port over one MongoDB database."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from bson.int64 import Int64
from pymongo import UpdateOne
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError
from pymongo.read_concern import ReadConcern

from oms_adapters.inbox.mongodb.collections import (
    BY_EVENT,
    BY_PAYMENT,
    BY_STATE,
    BY_TENANT,
    INBOX,
    NAME,
    NEW,
)
from oms_adapters.inbox.mongodb.record import (
    Document,
    from_stored,
    id_at,
    name_of,
    named,
    position_of,
    state_of,
    to_stored,
)
from oms_adapters.mongodb import Index, MongoDatabase
from oms_core.errors import StoreUnavailable, StoreUnusable
from oms_core.ports.clock import Clock
from oms_core.ports.cursors import decode_inbox_cursor, encode_inbox_cursor
from oms_core.ports.inbox import InboxPage, InboxState, ReceivedEvent
from oms_core.ports.payments import PaymentRef, ProviderEvent

ROUNDS_MAX: Final = 8
"""How often somebody who finds that others were quicker looks again at once."""

_BEGINNING_US: Final = Int64(-(2**63))
_DECIDING_READ_MS: Final = 5_000
_DUPLICATE_KEY: Final = 11_000

_log = logging.getLogger("oms_adapters.inbox.mongodb")


class MongoInbox:
    """Keeps notifications in *database*; implements ``WebhookInbox``.

    Any number of threads, processes and machines may use one database. Claims are compared
    with the server's clock; *clock* replaces it in simulations, and all processes must share it.

    Raises:
        StoreUnusable: a newer version of this program has changed the collection, or an
            index of it is missing.
    """

    def __init__(self, database: MongoDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._time = database.timekeeper(clock)
        database.migrate(INBOX)
        self._inbox = database.collection(NAME)
        # Waits until what it shows is on a majority: also what another has just written.
        self._certain = self._inbox.with_options(read_concern=ReadConcern("linearizable"))

    # -- storing ---------------------------------------------------------------------------

    def store(self, provider: str, events: Sequence[ProviderEvent], *, at: datetime) -> int:
        """Store *events*; see ``WebhookInbox.store``."""
        documents: dict[tuple[UUID, str], Document] = {}
        for event in events:
            name = (event.ref.tenant_id, event.event_id)
            if name not in documents:
                documents[name] = to_stored(provider, event, at)
        missing = list(documents.values())
        ours = 0
        for _ in range(ROUNDS_MAX):
            if not missing:
                return ours
            try:
                self._insert(missing)
            except DuplicateKeyError:
                there = [self._look(each) for each in missing]
            else:
                return ours + len(missing)
            # Ours, after an answer that was lost; else somebody else's, and durable by now.
            ours += sum(
                found is not None and found["_id"] == each["_id"]
                for each, found in zip(missing, there, strict=True)
            )
            missing = [each for each, found in zip(missing, there, strict=True) if found is None]
        raise StoreUnavailable("MongoDB: others store the same notifications all the time")

    def _insert(self, documents: list[Document]) -> None:
        """Insert all or none. One alone needs no transaction, and nearly all come alone."""
        if len(documents) == 1:
            self._database.run(lambda: self._inbox.insert_one(documents[0]))
        else:
            self._database.transact(lambda session: self._insert_many(documents, session))

    def _insert_many(self, documents: list[Document], session: ClientSession) -> None:
        try:
            self._inbox.insert_many(documents, session=session)
        except BulkWriteError as error:
            mistakes = error.details.get("writeErrors", ())
            if any(each.get("code") == _DUPLICATE_KEY for each in mistakes):
                raise DuplicateKeyError("taken", _DUPLICATE_KEY, dict(error.details)) from error
            raise

    def _look(self, stored: Document) -> Document | None:
        """Tell who stored an event, as it will stay whatever fails over."""
        wanted = {field: stored[field] for field in ("tenant", "event_id", "provider")}
        return self._database.run(
            lambda: self._certain.find_one(
                wanted, {"_id": 1}, hint=BY_EVENT.name, max_time_ms=_DECIDING_READ_MS
            )
        )

    # -- reading ---------------------------------------------------------------------------

    def of_payment(self, provider: str, ref: PaymentRef) -> Sequence[ReceivedEvent]:
        """Return every event of a payment; see ``WebhookInbox.of_payment``."""
        wanted = {"tenant": ref.tenant_id, "provider": provider, "reference": ref.reference}
        oldest_first = [("received_us", 1), ("_id", 1)]
        return [from_stored(each) for each in self._find(wanted, oldest_first, BY_PAYMENT)]

    def list_events(
        self,
        states: Collection[InboxState],
        *,
        tenant_id: UUID | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> InboxPage:
        """List events, newest first; see ``WebhookInbox.list_events``."""
        wanted: Document = {"state": {"$in": sorted({state.value for state in states})}}
        if tenant_id is not None:
            wanted["tenant"] = tenant_id
        if cursor is not None:
            before = decode_inbox_cursor(cursor)
            # Two bounds make one search; of the very microsecond only those behind the cursor.
            moment = Int64(before.received_us)
            wanted["received_us"] = {"$lte": moment}
            wanted["$nor"] = [{"received_us": moment, "_id": {"$gte": id_at(before)}}]
        newest_first = [("received_us", -1), ("_id", -1)]
        index = BY_STATE if tenant_id is None else BY_TENANT
        found = self._find(wanted, newest_first, index, limit=limit + 1)
        page = tuple(from_stored(each) for each in found[:limit])
        goes_on = len(found) > len(page) > 0
        last = position_of(found[limit - 1]) if goes_on else None
        return InboxPage(page, None if last is None else encode_inbox_cursor(last))

    def find_events(self, tenant_id: UUID, event_id: str) -> Sequence[ReceivedEvent]:
        """Return the tenant's events with this id; see ``WebhookInbox.find_events``."""
        found = self._find(named(tenant_id, event_id), [("provider", 1)], BY_EVENT)
        return [from_stored(each) for each in found]

    def count_new(self) -> int:
        """Count the events nobody has acted on yet; see ``WebhookInbox.count_new``."""
        return self._database.run(
            lambda: self._inbox.count_documents({"is_new": True}, hint=NEW.name)
        )

    # -- sharing out -----------------------------------------------------------------------

    def claim_new(
        self,
        holder: str,  # noqa: ARG002 - nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[ReceivedEvent]:
        """Claim events nobody has acted on yet; see ``WebhookInbox.claim_new``.

        Three round trips for a batch of any size; with nothing to do one, which only reads.
        """
        mark, lease_us = uuid4(), Int64(lease_s * 1_000_000)
        claimed: list[Document] = []
        for _ in range(ROUNDS_MAX):
            wanted = limit - len(claimed)
            now = self._time.expression()
            claimable: Document = {
                "is_new": True,
                "received_us": {"$gte": _BEGINNING_US},
                "$expr": {"$lte": ["$claimed_until_us", now]},
            }
            oldest_first = [("received_us", 1), ("_id", 1)]
            found = self._find(claimable, oldest_first, NEW, limit=wanted, only={"_id": 1})
            if not found:
                break
            by_id = {"_id": {"$in": [each["_id"] for each in found]}}
            change = [{"$set": {"claimed_until_us": {"$add": [now, lease_us]}, "claimed_by": mark}}]
            self._update(claimable | by_id, change)
            claimed += self._marked(by_id | {"claimed_by": mark})
            if len(found) < wanted or len(claimed) >= limit:
                break
            # Other claimers were quicker; those behind are for us.
        readable = []
        for each in sorted(claimed, key=position_of):
            try:
                readable.append(from_stored(each))
            except StoreUnusable as error:
                # One that this program cannot read must not keep it from all the others.
                _log.error("%s", error)
        return readable

    def mark(self, events: Sequence[ReceivedEvent], state: InboxState) -> None:
        """Record what became of *events*; see ``WebhookInbox.mark``."""
        if not events:
            return
        change: Document = {"$set": {**state_of(state), "claimed_until_us": Int64(0)}}
        if state is not InboxState.NEW:
            change["$unset"] = {"is_new": ""}
        marks = [
            UpdateOne(name_of(each.provider, each.event), change, hint=BY_EVENT.name)
            for each in events
        ]
        self._database.run(lambda: self._inbox.bulk_write(marks, ordered=False))

    # ------------------------------------------------------------------------------------

    def _find(
        self,
        wanted: Document,
        order: list[tuple[str, int]],
        index: Index,
        *,
        limit: int = 0,
        only: Document | None = None,
    ) -> list[Document]:
        """Read documents in the order in which they stand in *index*."""
        return self._database.run(
            lambda: list(self._inbox.find(wanted, only).sort(order).limit(limit).hint(index.name))
        )

    def _marked(self, wanted: Document) -> list[Document]:
        """Read those that carry our mark, in any order."""
        return self._database.run(lambda: list(self._inbox.find(wanted, hint="_id_")))

    def _update(self, wanted: Document, pipeline: list[dict[str, Any]]) -> None:
        """Change those that are still as *wanted*. A repeat changes none twice."""
        self._database.run(lambda: self._inbox.update_many(wanted, pipeline, hint="_id_"))
