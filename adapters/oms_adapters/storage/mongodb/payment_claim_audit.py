"""Looking into the claims of payment references, and giving one to an order that lacks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from bson.binary import Binary
from pymongo.errors import DuplicateKeyError

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.storage.mongodb.collections import NAME
from oms_adapters.storage.mongodb.payment_claims import (
    CLAIMS,
    claim_id_of,
    reference_of,
)
from oms_adapters.storage.mongodb.record import Document, id_of
from oms_core.domain.order import Order
from oms_core.domain.scope import Scope
from oms_core.errors import PaymentReferenceInUse
from oms_core.ports.payment_claims import PaymentClaim
from oms_core.ports.storage import OrderPlace


class MongoPaymentClaimAudit:
    """Implements ``PaymentClaimAudit``."""

    def __init__(self, database: MongoDatabase) -> None:
        self._database = database
        self._orders = database.collection(NAME)
        self._claims = database.collection(CLAIMS)

    def claimants(self, orders: Sequence[Order]) -> Mapping[UUID, OrderPlace]:
        """Tell whom claims name; see ``PaymentClaimAudit.claimants``."""
        wanted = {"_id": {"$in": [_claim_id(order) for order in orders]}}
        found = self._database.run(lambda: list(self._claims.find(wanted, hint="_id_")))
        places = {each["_id"]: _place(each) for each in found}
        claimed = ((order.id, places.get(bytes(_claim_id(order)))) for order in orders)
        return {order_id: place for order_id, place in claimed if place is not None}

    def claims(
        self, *, after: PaymentClaim | None = None, limit: int, tenant_id: UUID | None = None
    ) -> Sequence[PaymentClaim]:
        """Walk through the claims; see ``PaymentClaimAudit.claims``."""
        # A tenant's claims are no range of ids: the server compares their lengths first.
        wanted: Document = {} if tenant_id is None else {"tenant": tenant_id}
        if after is not None:
            tenant = after.place.scope.tenant_id
            wanted["_id"] = {"$gt": claim_id_of(tenant, after.provider, after.reference)}
        found = self._database.run(
            lambda: list(self._claims.find(wanted).sort("_id", 1).limit(limit).hint("_id_"))
        )
        # After the claims: an order is there as soon as its claim is.
        paid_with = self._references(found)
        return [
            PaymentClaim(
                *reference_of(each["_id"]),
                _place(each),
                has_order=paid_with.get(bytes(_order_id(each))) == each["_id"],
            )
            for each in found
        ]

    def give(self, order: Order, *, instead_of: OrderPlace | None) -> None:
        """Give the claim to an order; see ``PaymentClaimAudit.give``."""
        claim = {"_id": _claim_id(order)}
        ours = _named(OrderPlace(order.scope, order.id))
        if instead_of is None:
            with suppress(DuplicateKeyError):
                self._database.run(lambda: self._claims.insert_one({**claim, **ours}))
        else:
            theirs = {**claim, **_named(instead_of)}
            self._database.run(lambda: self._claims.update_one(theirs, {"$set": ours}))
        if self._database.run(lambda: self._claims.find_one({**claim, **ours})) is None:
            raise PaymentReferenceInUse

    def _references(self, claims: Sequence[Document]) -> dict[bytes, bytes]:
        """Tell by the orders that claims name which claim each of them has.

        As bytes: that is what the driver reads a ``Binary`` as, and the two are never equal.
        """
        wanted = {"_id": {"$in": [_order_id(each) for each in claims]}}
        fields = {"tenant": 1, "provider": 1, "reference": 1}
        found = self._database.run(lambda: list(self._orders.find(wanted, fields, hint="_id_")))
        return {
            each["_id"]: bytes(claim_id_of(each["tenant"], each["provider"], each["reference"]))
            for each in found
        }


def _claim_id(order: Order) -> Binary:
    payment = order.payment
    return claim_id_of(order.scope.tenant_id, payment.provider, payment.reference)


def _place(claim: Document) -> OrderPlace:
    return OrderPlace(Scope(claim["tenant"], claim["org"]), claim["id"])


def _order_id(claim: Document) -> Binary:
    place = _place(claim)
    return id_of(place.scope, place.order_id)


def _named(place: OrderPlace) -> Document:
    return {"tenant": place.scope.tenant_id, "org": place.scope.org_id, "id": place.order_id}
