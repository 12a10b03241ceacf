"""One live order per payment reference where the orders are sharded: a claim for each reference.

A unique index on a sharded collection must begin with the shard key, which a reference is no part
of. So each reference has a document of its own, whose ``_id`` it is, that names the order it
backs. Claim and order are written in one transaction: there is never the one without the other.
A claim whose order is dead is taken over by the next order, which names the one it takes it from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bson.binary import Binary
from pymongo import UpdateOne
from pymongo.errors import DuplicateKeyError

from oms_adapters.mongodb import Collection, MongoDatabase, Schema
from oms_adapters.storage.mongodb.collections import (
    BY_CLAIMS,
    BY_LIVE_REFERENCE,
    NAME,
    ORDERS,
)
from oms_adapters.storage.mongodb.record import Document, key_of
from oms_core.domain.scope import Scope
from oms_core.errors import PaymentReferenceInUse, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any
    from uuid import UUID

    from pymongo.client_session import ClientSession

    from oms_core.domain.order import Order

CLAIMS: Final = "payment_claims"

PAYMENT_CLAIMS: Final = Schema(BY_CLAIMS, version=1, collections=(Collection(CLAIMS),))
"""Where it is there, references are kept apart by claims, and by no index any more."""

_ROUNDS_MAX: Final = 8
"""How often somebody else may be faster before the caller hears of it."""

_BATCH: Final = 1_000

_CLAIMED: Final[Document] = {
    "$or": [{"live_reference": {"$exists": False}}, {"claimed": True}],
}
"""What the server itself demands of new orders: a process that was started before references were
kept by claims would store an order without one."""


class Overtaken(Exception):
    """Somebody else took the claim over: look again."""


class AlreadyStored(Exception):
    """The order is there already, by whomever: read it."""


class PaymentClaims:
    """Stores new orders together with the claims of their references."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._orders = database.collection(NAME)
        self._claims = database.collection(CLAIMS)

    def insert(self, order: Order, stored: Document) -> None:
        """Store a new order, whose reference backs no other live one.

        Raises:
            AlreadyStored, DuplicateKeyError: the order is there already.
            PaymentReferenceInUse: another live order has the reference.
        """
        claim_id = claim_id_of(
            order.scope.tenant_id, order.payment.provider, order.payment.reference
        )
        ours = {name: stored[name] for name in ("tenant", "org", "id")}
        stored = {**stored, "claimed": True}
        for _ in range(_ROUNDS_MAX):
            try:
                return self._database.transact(
                    lambda session: self._insert_both(stored, {"_id": claim_id, **ours}, session)
                )
            except DuplicateKeyError:
                holder = self._database.transact(
                    lambda session: self._dead_holder(order, claim_id, session)
                )
            if holder is None:
                continue
            try:
                return self._database.transact(
                    lambda session, holder=holder: self._insert_and_take(  # type: ignore[misc]
                        stored, claim_id, holder, ours, session
                    )
                )
            except Overtaken:
                continue
        raise StoreUnavailable("MongoDB: others claim the same payment reference all the time")

    def _insert_both(self, stored: Document, claim: Document, session: ClientSession) -> None:
        self._orders.insert_one(stored, session=session)
        self._claims.insert_one(claim, session=session)

    def _insert_and_take(
        self,
        stored: Document,
        claim_id: Binary,
        holder: Document,
        ours: Document,
        session: ClientSession,
    ) -> None:
        self._orders.insert_one(stored, session=session)
        taken = self._claims.update_one(
            {"_id": claim_id, **holder}, {"$set": ours}, session=session
        )
        if not taken.matched_count:
            raise Overtaken

    def _dead_holder(
        self, order: Order, claim_id: Binary, session: ClientSession
    ) -> Document | None:
        """Name the dead order that has the reference; ``None``: nobody has it by now.

        All is read as of one moment, of which the commit makes sure that no failover takes it
        back. A dead order stays dead, so the answer holds.
        """
        key = key_of(order.scope, order.id)
        # The order comes first: a repeat gets its order.
        if self._orders.find_one(key, {"_id": 1}, session=session) is not None:
            raise AlreadyStored
        fields = {"_id": 0, "tenant": 1, "org": 1, "id": 1}
        holder = self._claims.find_one({"_id": claim_id}, fields, session=session)
        if holder is None:
            return None
        live = {
            **key_of(Scope(holder["tenant"], holder["org"]), holder["id"]),
            "provider": order.payment.provider,
            "live_reference": order.payment.reference,
        }
        if self._orders.find_one(live, {"_id": 1}, session=session) is not None:
            raise PaymentReferenceInUse
        return holder


def keep_by_claims(database: MongoDatabase) -> None:
    """Go over from the index to claims, once and for all; repeatable.

    Orders may be accepted meanwhile, but not by this database's processes: the server turns new
    orders without a claim away from the first step on.

    Raises:
        StoreUnusable: the user may not change the collection's rules.
    """
    database.migrate(ORDERS)
    database.require(NAME, _CLAIMED)
    if not database.has(PAYMENT_CLAIMS):
        _claim_for_all(database)
    database.migrate(PAYMENT_CLAIMS)
    database.drop_index(NAME, BY_LIVE_REFERENCE)


def claim_id_of(tenant_id: UUID, provider: str, reference: str) -> Binary:
    """Name a reference. The provider's length keeps the two apart."""
    name = provider.encode()
    return Binary(tenant_id.bytes + len(name).to_bytes(4, "big") + name + reference.encode())


def reference_of(claim_id: Binary) -> tuple[str, str]:
    """Read the provider and the reference back from what ``claim_id_of`` made."""
    length = int.from_bytes(claim_id[16:20], "big")
    names = claim_id[20:]
    return names[:length].decode(), names[length:].decode()


def _claim_for_all(database: MongoDatabase) -> None:
    """Write the claims of the orders that are live. The index keeps them apart meanwhile."""
    orders, claims = database.collection(NAME), database.collection(CLAIMS)
    fields = {"tenant": 1, "org": 1, "id": 1, "provider": 1, "live_reference": 1}
    wanted: Document = {}
    while found := database.run(
        lambda: list(orders.find(wanted, fields).sort("_id", 1).limit(_BATCH).hint("_id_"))  # noqa: B023 - called at once
    ):
        writes = [_claim(each) for each in found if "live_reference" in each]
        if writes:
            database.run(lambda: claims.bulk_write(writes, ordered=False))  # noqa: B023 - called at once
        wanted = {"_id": {"$gt": found[-1]["_id"]}}


def _claim(order: Mapping[str, Any]) -> UpdateOne:
    claim_id = claim_id_of(order["tenant"], order["provider"], order["live_reference"])
    ours = {name: order[name] for name in ("tenant", "org", "id")}
    return UpdateOne({"_id": claim_id}, {"$set": ours}, upsert=True)
