"""What the store asks MongoDB for.

Every query names its index: with a worse one it would still be right, but slower the more
orders there are, and nobody would notice before there are many.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from attrs import frozen
from bson.int64 import Int64

from oms_adapters.mongodb import Index
from oms_adapters.mongodb.server_time import Expression
from oms_adapters.storage.mongodb.changes import BEGINNING_US, Pipeline
from oms_adapters.storage.mongodb.collections import BY_AGE, BY_CHANNEL, BY_CUSTOMER, BY_STATUS
from oms_adapters.storage.mongodb.record import Document, all_in, all_of, id_of
from oms_core.domain.scope import Scope
from oms_core.ports.cursors import OrderPosition
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.storage import OrderPlace, OrderQuery


@frozen
class Page:
    """The filter of one page of a listing, and the index that is in its order already."""

    filter: Document
    index: Index


def page_of(scope: Scope, query: OrderQuery, after: OrderPosition | None) -> Page:
    """Write the filter of a page; sort it by ``NEWEST_FIRST``."""
    wanted: Document = in_scope(scope)
    # The filter that leaves the fewest orders, as a rule, comes last and chooses the index.
    index = BY_AGE
    if query.channel is not None:
        index = BY_CHANNEL
        wanted["channel"] = query.channel
    if query.status is not None:
        index = BY_STATUS
        wanted["status"] = query.status.value
    if query.customer_id is not None:
        index = BY_CUSTOMER
        wanted["customer"] = query.customer_id
    created: Document = {}
    if query.created_from is not None:
        created["$gte"] = Int64(to_microseconds(query.created_from))
    if query.created_to is not None:
        created["$lt"] = Int64(to_microseconds(query.created_to))
    if after is not None:
        # Two bounds make one search; of the very microsecond only those behind the cursor.
        moment = Int64(after.created_us)
        created["$lte"] = moment
        wanted["$nor"] = [{"created_us": moment, "id": {"$gte": after.order_id}}]
    if created:
        wanted["created_us"] = created
    return Page(wanted, index)


def behind(after: OrderPlace | None, tenant_id: UUID | None, org_id: UUID | None) -> Document:
    """Limit ``_id`` to the orders behind *after*: of all, of a tenant, or of an organization."""
    bounds: Document = {}
    if tenant_id is not None and org_id is not None:
        bounds = all_in(Scope(tenant_id, org_id))
    elif tenant_id is not None:
        bounds = all_of(tenant_id)
    if after is not None:
        place = id_of(after.scope, after.order_id)
        # Two lower bounds of one index would make the server look at all between them.
        if "$gte" not in bounds or bounds["$gte"] <= place:
            bounds.pop("$gte", None)
            bounds["$gt"] = place
    return {"_id": bounds} if bounds else {}


def in_scope(scope: Scope) -> Document:
    """Limit a filter to one scope."""
    return {"tenant": scope.tenant_id, "org": scope.org_id}


def claimable(
    now: Expression, definitions: Sequence[str], passing_over: Collection[UUID] = ()
) -> Document:
    """Ask for orders that are due and in nobody's hands, and not of the tenants passed over."""
    wanted: Document = {
        "due_us": {"$gte": BEGINNING_US},
        "definition": {"$in": list(definitions)},
        "$expr": {"$and": [{"$lte": ["$due_us", now]}, not_leased(now)]},
    }
    if passing_over:
        # By the id, which begins with the tenant and stands in the index: no order is looked at.
        wanted["$nor"] = [{"_id": all_of(tenant_id)} for tenant_id in sorted(passing_over)]
    return wanted


def not_leased(now: Expression) -> Document:
    """Say: nobody's, or its lease is over."""
    return {"$lte": ["$leased_until_us", now]}


def unpublished(now: Expression) -> Document:
    """Ask for orders with news that nobody is sending."""
    return {"has_news": True, "$expr": {"$lte": ["$events_from_us", now]}}


def lease_ends(now: Expression, before_us: int) -> Pipeline:
    """Ask when the first of the leased orders that are due before *before_us* can be claimed."""
    return [
        {
            "$match": {
                "due_us": {"$gte": BEGINNING_US, "$lt": Int64(before_us)},
                "$expr": {"$gt": ["$leased_until_us", now]},
            }
        },
        {"$group": {"_id": None, "at": {"$min": {"$max": ["$due_us", "$leased_until_us"]}}}},
    ]


def counted_by_state(states: Iterable[str]) -> Pipeline:
    """Count orders by the state of their sagas."""
    return [
        {"$match": {"saga_state": {"$in": list(states)}}},
        {"$group": {"_id": "$saga_state", "count": {"$sum": 1}}},
    ]
