"""The storage port over one MongoDB database."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from attrs import evolve
from bson.binary import Binary
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.mongodb.verdict import violated_index
from oms_adapters.storage.mongodb import changes, queries
from oms_adapters.storage.mongodb.changes import END_US, NOT_LEASED
from oms_adapters.storage.mongodb.collections import (
    BY_REFERENCE,
    DUE,
    NAME,
    ORDERS,
    UNFINISHED,
    UNPUBLISHED,
)
from oms_adapters.storage.mongodb.job_turns import MongoJobTurns
from oms_adapters.storage.mongodb.payment_claim_audit import MongoPaymentClaimAudit
from oms_adapters.storage.mongodb.payment_claims import (
    PAYMENT_CLAIMS,
    AlreadyStored,
    PaymentClaims,
)
from oms_adapters.storage.mongodb.record import (
    Document,
    facets_of,
    from_stored,
    key_of,
    to_stored,
)
from oms_adapters.storage.mongodb.shared_writes import SharedWrites, insert_together
from oms_adapters.storage.mongodb.work_signal import MongoSignal
from oms_core.domain.order import Order
from oms_core.domain.saga_position import SagaState
from oms_core.domain.scope import Scope
from oms_core.errors import (
    LeaseLost,
    OrderNotFound,
    PaymentReferenceInUse,
    StaleVersion,
    StoreUnavailable,
    StoreUnusable,
)
from oms_core.ports.clock import Clock
from oms_core.ports.cursors import encode_order_cursor, order_position, position_to_continue_from
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.storage import (
    Added,
    AlreadyThere,
    Claim,
    KeptOrder,
    Lease,
    OrderPage,
    OrderPlace,
    OrderQuery,
    Unpublished,
    UnreadableOrder,
    Walked,
)

STATES: Final = tuple(state for state in SagaState if state is not SagaState.FINISHED)

ORDER_OF_TURNS: Final = [("events_from_us", 1), ("published", 1), ("_id", 1)]
"""In which orders give their events away."""

ROUNDS_MAX: Final = 8
"""How often a claimer whose orders were all taken by others looks again at once."""

_DECIDING_READ_MS: Final = 5_000

_log = logging.getLogger("oms_adapters.storage.mongodb")


class MongoStorage:
    """Keeps orders in *database*; implements ``OrderStorage``.

    Any number of threads, processes and machines may use one database. Leases are compared
    with the server's clock; *clock* replaces it in simulations, and all processes must share it.

    Every change carries a mark of its own. After an answer that was lost, it is repeated; if
    the repeat finds the mark, the change was made the first time and nobody else made it.

    Raises:
        StoreUnusable: a newer version of this program has changed the collection, or an
            index of it is missing.
    """

    def __init__(self, database: MongoDatabase, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock
        self._time = database.timekeeper(clock)
        database.migrate(ORDERS)
        self._orders = database.collection(NAME)
        # Where the orders may be sharded, a reference is claimed instead of indexed.
        self._claims = PaymentClaims(database) if database.has(PAYMENT_CLAIMS) else None
        if self._claims is not None:
            database.migrate(PAYMENT_CLAIMS)
        self._inserts: SharedWrites[Document] = SharedWrites(partial(insert_together, self._orders))
        # Waits until what it shows is on a majority: also what a call that failed left behind.
        self._certain = self._orders.with_options(read_concern=ReadConcern("linearizable"))

    # -- single orders ---------------------------------------------------------------------

    def add(
        self, order: Order, *, holder: str | None = None, lease_s: float = 0.0
    ) -> Added | AlreadyThere:
        """Store a new order; see ``OrderStorage.add``."""
        now, mark = self._time.now(), uuid4()
        until = now + timedelta(seconds=lease_s)
        stored = _new_document(order, mark, now)
        if holder is not None:
            stored |= {
                "holder": holder,
                "token": 1,
                "leased_until_us": to_microseconds(until),
                "deliveries": 1,
            }
        try:
            self._insert(order, stored)
        except (DuplicateKeyError, AlreadyStored) as error:
            fields = {"saved_by": 1, "document": 1}
            there = self._find_committed(order.scope, order.id, fields) or self._look(
                order.scope, order.id, fields
            )
            # Two things are unique. The id comes first: a repeat gets its order.
            if there is None:
                raise self._refused(error, order) from None
            if there["saved_by"] != mark:
                return AlreadyThere(from_stored(order.id, there["document"]))
        if holder is None:
            return Added(order)
        return Added(order, Claim(order, Lease(order.scope, order.id, holder, 1, until)))

    def _insert(self, order: Order, stored: Document) -> None:
        """Store a new order in one write, or where references are claimed in one transaction.

        The write may be shared with those who come at the same moment.
        """
        if self._claims is None:
            self._database.require_own_process()
            self._inserts.make(
                stored, lambda: self._database.run(lambda: self._orders.insert_one(stored))
            )
        else:
            self._claims.insert(order, stored)

    def get(self, scope: Scope, order_id: UUID) -> Order:
        """Read one order; see ``OrderStorage.get``."""
        wanted = key_of(scope, order_id)
        found = self._database.run(lambda: self._orders.find_one(wanted, {"document": 1}))
        if found is None:
            raise OrderNotFound(order_id)
        return from_stored(order_id, found["document"])

    def find_by_payment(self, tenant_id: UUID, provider: str, reference: str) -> Order | None:
        """Find the order a payment belongs to; see ``OrderStorage.find_by_payment``."""
        found = self._database.run(
            lambda: self._orders.find_one(
                {"tenant": tenant_id, "provider": provider, "reference": reference},
                {"id": 1, "document": 1},
                sort=[("is_dead", 1), ("created_us", -1), ("id", -1)],
                hint=BY_REFERENCE.name,
            )
        )
        return None if found is None else from_stored(found["id"], found["document"])

    def save(self, order: Order) -> Order:
        """Replace the order without a lease; see ``OrderStorage.save``."""
        return self._replace(order, None, {})

    def checkpoint(self, order: Order, lease: Lease, *, extend_s: float | None) -> Claim:
        """Replace the order under a lease; see ``OrderStorage.checkpoint``."""
        lease_changes: Document = {"deliveries": 0}
        until = lease.expires_at
        if extend_s is None:
            lease_changes |= NOT_LEASED
        else:
            until = self._time.now() + timedelta(seconds=extend_s)
            lease_changes["leased_until_us"] = changes.after(self._time.expression(), extend_s)
        saved = self._replace(order, lease, lease_changes)
        return Claim(saved, evolve(lease, expires_at=until))

    def _replace(self, order: Order, lease: Lease | None, lease_changes: Document) -> Order:
        """Store the next version of *order* in one conditional write, or change nothing."""
        saved, mark = evolve(order, version=order.version + 1), uuid4()
        condition = {**key_of(order.scope, order.id), "version": order.version}
        if lease is not None:
            condition |= {"holder": lease.holder, "token": lease.token}
        if self._claims is not None and not saved.payment_is_free_again:
            # Whoever gave the reference up does not get it back: another may have claimed it.
            condition["live_reference"] = order.payment.reference
        is_of_this_order = lease is None or (lease.scope, lease.order_id) == (order.scope, order.id)
        if is_of_this_order:
            pipeline = changes.replaced(saved, mark, self._time.expression(), lease_changes)
            try:
                done = self._database.run(lambda: self._orders.update_one(condition, pipeline))
            except DuplicateKeyError as error:
                raise PaymentReferenceInUse from error
            if done.matched_count:
                return saved
        there = self._look(
            order.scope, order.id, {"version": 1, "holder": 1, "token": 1, "saved_by": 1}
        )
        if there is None:
            raise OrderNotFound(order.id)
        if there["saved_by"] == mark:
            return saved  # by the first attempt, whose answer was lost
        if lease is not None:
            given = (there.get("holder"), there["token"])
            if not is_of_this_order or given != (lease.holder, lease.token):
                raise LeaseLost(order.id)
        raise StaleVersion(order.id)

    # -- listing ---------------------------------------------------------------------------

    def list_orders(self, scope: Scope, query: OrderQuery) -> OrderPage:
        """List orders of one scope, newest first; see ``OrderStorage.list_orders``."""
        page = queries.page_of(scope, query, position_to_continue_from(query))
        found = self._database.run(
            lambda: list(
                self._orders.find(page.filter, {"id": 1, "document": 1})
                .sort([("created_us", -1), ("id", -1)])
                .skip(query.offset)
                .limit(query.limit + 1)
                .hint(page.index.name)
            )
        )
        orders = tuple(from_stored(each["id"], each["document"]) for each in found[: query.limit])
        goes_on = len(found) > len(orders) > 0
        return OrderPage(
            orders, encode_order_cursor(order_position(orders[-1])) if goes_on else None
        )

    def walk(
        self,
        *,
        after: OrderPlace | None = None,
        limit: int,
        tenant_id: UUID | None = None,
        org_id: UUID | None = None,
    ) -> Sequence[Walked]:
        """Walk through all orders; see ``OrderStorage.walk``."""
        wanted = queries.behind(after, tenant_id, org_id)
        found = self._database.run(
            lambda: list(self._orders.find(wanted).sort("_id", 1).limit(limit).hint("_id_"))
        )
        return [_walked(each) for each in found]

    def list_sagas(
        self, states: Collection[SagaState], *, scope: Scope | None = None, limit: int = 50
    ) -> Sequence[Order]:
        """List orders by the state of their saga; see ``OrderStorage.list_sagas``."""
        wanted: Document = {} if scope is None else queries.in_scope(scope)
        names = [state.value for state in STATES if state in states]
        if not names:
            return []
        wanted["saga_state"] = {"$in": names}
        found = self._database.run(
            lambda: list(
                self._orders.find(wanted, {"id": 1, "document": 1})
                .sort([("created_us", 1), ("id", 1)])
                .limit(limit)
                .hint(UNFINISHED.name)
            )
        )
        return [from_stored(each["id"], each["document"]) for each in found]

    def count_sagas(self) -> dict[SagaState, int]:
        """Count the unfinished sagas by state; see ``OrderStorage.count_sagas``."""
        pipeline = queries.counted_by_state(state.value for state in STATES)
        found = self._database.run(
            lambda: list(self._orders.aggregate(pipeline, hint=UNFINISHED.name))
        )
        counts = {each["_id"]: int(each["count"]) for each in found}
        return {state: counts.get(state.value, 0) for state in STATES}

    # -- sharing out work ------------------------------------------------------------------

    def claim_due(
        self,
        holder: str,
        *,
        limit: int,
        lease_s: float,
        definitions: Collection[str],
        passing_over: Collection[UUID] = (),
    ) -> Sequence[Claim]:
        """Claim orders that are due; see ``OrderStorage.claim_due``.

        Three round trips for a batch of any size; an idle worker makes one, and only reads.
        """
        known, mark = sorted(set(definitions)), uuid4()
        claimed: list[Document] = []
        for _ in range(ROUNDS_MAX if known else 0):
            wanted = limit - len(claimed)
            now = self._time.expression()
            claimable = queries.claimable(now, known, passing_over)
            ids = self._first(claimable, [("due_us", 1), ("_id", 1)], DUE.name, wanted)
            if not ids:
                break
            self._update(ids, claimable, changes.claimed(holder, mark, now, lease_s))
            claimed += self._marked(ids, "claimed_by", mark)
            if len(ids) < wanted or len(claimed) >= limit:
                break
            # Other claimers were quicker; those behind are for us.
        claimed.sort(key=lambda each: (each["due_us"], each["_id"]))
        return [_claim(order, each) for order, each in _readable(claimed)]

    def claim(self, scope: Scope, order_id: UUID, holder: str, *, lease_s: float) -> Claim | None:
        """Claim one order, due or not; see ``OrderStorage.claim``."""
        now, mark = self._time.expression(), uuid4()
        condition = {**key_of(scope, order_id), "$expr": queries.not_leased(now)}
        pipeline = changes.claimed(holder, mark, now, lease_s)
        self._database.run(lambda: self._orders.update_one(condition, pipeline))
        # Read it in either case: whose it is, is seen by the mark, also after a lost answer.
        there = self._database.run(lambda: self._orders.find_one(key_of(scope, order_id)))
        if there is None:
            raise OrderNotFound(order_id)
        if there.get("claimed_by") != mark:
            return None
        return _claim(from_stored(order_id, there["document"]), there)

    def release(self, lease: Lease) -> None:
        """Give a claim back untouched; see ``OrderStorage.release``."""
        condition = {
            **key_of(lease.scope, lease.order_id),
            "holder": lease.holder,
            "token": lease.token,
        }
        self._database.run(lambda: self._orders.update_one(condition, changes.given_back()))

    def listen(self) -> MongoSignal:
        """Listen for work; see ``OrderStorage.listen``."""
        return MongoSignal(self._database, self._orders)

    def job_turns(self) -> MongoJobTurns:
        """Share scheduled jobs out; see ``OrderStorage.job_turns``."""
        return MongoJobTurns(self._database, self._clock)

    def earliest_due(self) -> datetime | None:
        """Tell when there is something to claim; see ``OrderStorage.earliest_due``."""
        now = self._time.expression()
        free = self._database.run(
            lambda: self._orders.find_one(
                {
                    "due_us": {"$gte": changes.BEGINNING_US},
                    "$expr": queries.not_leased(now),
                },
                {"_id": 0, "due_us": 1},
                sort=[("due_us", 1), ("_id", 1)],
                hint=DUE.name,
            )
        )
        moments = [] if free is None else [int(free["due_us"])]
        pipeline = queries.lease_ends(now, moments[0] if moments else END_US)
        leased = self._database.run(lambda: list(self._orders.aggregate(pipeline, hint=DUE.name)))
        moments += [int(each["at"]) for each in leased]
        return from_microseconds(min(moments)) if moments else None

    def payment_claims(self) -> MongoPaymentClaimAudit | None:
        """Look into the claims, if there are any; see ``KeepsPaymentClaims.payment_claims``."""
        return None if self._claims is None else MongoPaymentClaimAudit(self._database)

    # -- events ----------------------------------------------------------------------------

    def claim_unpublished(
        self,
        holder: str,  # noqa: ARG002 - the token tells claims apart, and nobody asks who
        *,
        limit: int,
        lease_s: float,
    ) -> Sequence[Unpublished]:
        """Claim orders whose events have not left; see ``OrderStorage.claim_unpublished``."""
        mark = uuid4()
        claimed: list[Document] = []
        for _ in range(ROUNDS_MAX):
            wanted = limit - len(claimed)
            now = self._time.expression()
            waiting = queries.unpublished(now)
            ids = self._first(waiting, ORDER_OF_TURNS, UNPUBLISHED.name, wanted)
            if not ids:
                break
            self._update(ids, waiting, changes.events_claimed(mark, now, lease_s))
            claimed += self._marked(ids, "events_claimed_by", mark)
            if len(ids) < wanted or len(claimed) >= limit:
                break
        return [
            Unpublished(order, each["published"], each["events_token"])
            for order, each in _readable(claimed)
        ]

    def unpublished_since(self) -> datetime | None:
        """Tell since when events wait; see ``OrderStorage.unpublished_since``."""
        waiting = queries.unpublished(self._time.expression())
        first = self._database.run(
            lambda: self._orders.find_one(
                waiting, {"events_from_us": 1}, sort=ORDER_OF_TURNS, hint=UNPUBLISHED.name
            )
        )
        return None if first is None else from_microseconds(int(first["events_from_us"]))

    def mark_published(self, sent: Sequence[Unpublished]) -> None:
        """Record that events left; see ``OrderStorage.mark_published``."""
        if not sent:
            return
        now = self._time.expression()
        marks = [
            UpdateOne(
                {
                    **key_of(claim.order.scope, claim.order.id),
                    "events_token": claim.token,
                },
                changes.published(claim, now),
            )
            for claim in sent
        ]
        self._database.run(lambda: self._orders.bulk_write(marks, ordered=False))

    # -- the store itself ------------------------------------------------------------------

    def ping(self) -> None:
        """Write a little, durably; see ``OrderStorage.ping``."""
        self._database.ping()

    def close(self) -> None:
        """Close the database, for everybody who shares it; see ``OrderStorage.close``."""
        self._database.close()

    # ------------------------------------------------------------------------------------

    def _look(self, scope: Scope, order_id: UUID, fields: Document) -> Document | None:
        """Read one order to decide on it, as it will stay whatever fails over."""
        wanted = key_of(scope, order_id)
        return self._database.run(
            lambda: self._certain.find_one(wanted, fields, max_time_ms=_DECIDING_READ_MS)
        )

    def _find_committed(self, scope: Scope, order_id: UUID, fields: Document) -> Document | None:
        """Read one order, if it is there, as no failover can take it back.

        The commit of the transaction sees to that, in a hundredth of the time that the server
        takes for a linearizable read: that one waits for the next flush of the journal.
        """
        wanted = key_of(scope, order_id)
        return self._database.transact(
            lambda session: self._orders.find_one(wanted, fields, session=session)
        )

    def _refused(self, error: Exception, order: Order) -> Exception:
        """Tell which of the two unique things was taken, when the order is not there."""
        if isinstance(error, DuplicateKeyError) and "live_reference" in violated_index(error):
            return PaymentReferenceInUse()
        return StoreUnavailable(f"MongoDB: order {order.id} was there and is gone; a failover?")

    def _first(
        self, wanted: Document, order_of_turns: list[tuple[str, int]], index: str, limit: int
    ) -> list[Binary]:
        """Find who comes first; nothing is changed."""
        found = self._database.run(
            lambda: list(
                self._orders.find(wanted, {"_id": 1}).sort(order_of_turns).limit(limit).hint(index)
            )
        )
        return [each["_id"] for each in found]

    def _update(self, ids: list[Binary], still: Document, pipeline: changes.Pipeline) -> None:
        """Change those of *ids* that are still as wanted. A repeat changes none twice."""
        condition = {**still, "_id": {"$in": ids}}
        self._database.run(lambda: self._orders.update_many(condition, pipeline, hint="_id_"))

    def _marked(self, ids: list[Binary], field: str, mark: UUID) -> list[Document]:
        """Read those of *ids* that carry our mark."""
        wanted = {"_id": {"$in": ids}, field: mark}
        return self._database.run(lambda: list(self._orders.find(wanted, hint="_id_")))


def _new_document(order: Order, mark: UUID, now: datetime) -> Document:
    facets = {name: value for name, value in facets_of(order).items() if value is not None}
    return {
        **key_of(order.scope, order.id),
        "version": order.version,
        **facets,
        "token": 0,
        "leased_until_us": 0,
        "deliveries": 0,
        "published": 0,
        **({"has_news": True} if order.history else {}),
        "events_from_us": to_microseconds(now),
        "events_token": 0,
        "saved_by": mark,
        "document": to_stored(order),
    }


def _claim(order: Order, there: Document) -> Claim:
    until = from_microseconds(there["leased_until_us"])
    lease = Lease(order.scope, order.id, there["holder"], there["token"], until)
    return Claim(order, lease, there["deliveries"])


def _walked(stored: Document) -> Walked:
    try:
        order = from_stored(stored["id"], stored["document"])
    except StoreUnusable as error:
        scope = Scope(stored["tenant"], stored["org"])
        return UnreadableOrder(OrderPlace(scope, stored["id"]), error.sentence)
    holder = stored.get("holder")
    until = None if holder is None else from_microseconds(int(stored["leased_until_us"]))
    return KeptOrder(order, int(stored["published"]), holder, until)


def _readable(found: Iterable[Document]) -> Iterator[tuple[Order, Document]]:
    """Read the documents, passing over those that cannot be read.

    One order that this program cannot read must not keep it from all the others. It stays
    claimed until its lease runs out, and is reported every time.
    """
    for each in found:
        try:
            yield from_stored(each["id"], each["document"]), each
        except StoreUnusable as error:
            _log.error("%s", error)
