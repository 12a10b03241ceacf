"""The simulated provider's books in MongoDB, as they are carried from another kind of store.

An idempotency key that is carried does not say which payment it was used for. So it arrives in
a document of its own, beside the payments, where the same unique index finds it: whoever sends
it again is answered as before, and whoever uses it anew takes it from there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from bson.binary import Binary

from oms_adapters.mongodb import CollectionShelf
from oms_adapters.payments.simulated.mongo_ledger import (
    PAYMENTS,
    name_of,
    parts_of,
    stored_keys,
    stored_payment,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_core.ports.carrying import CarriedDocument

_OF_A_KEY: Final = b"key "
"""Begins the ``_id`` of a key's own document. No payment's begins so: its account would have a
name of two thousand million bytes."""


def _store_payment(carried: CarriedDocument) -> dict[str, Any]:
    return stored_payment(
        carried["account"],
        UUID(carried["tenant"]),
        carried["reference"],
        json.dumps(carried["document"]),
        version=1,
        keys={},
        saved_by=None,
    )


def _write_payment(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        "account": stored["account"],
        "tenant": str(stored["tenant"]),
        "reference": stored["reference"],
        "document": json.loads(stored["document"]),
    }


def _store_key(carried: CarriedDocument) -> dict[str, Any]:
    name = bytes(name_of(carried["account"], UUID(carried["tenant"]), carried["key"]))
    keys = stored_keys({name: json.dumps(carried["document"])})
    return {"_id": Binary(_OF_A_KEY + name), "keys": keys}


def _write_key(stored: Mapping[str, Any]) -> CarriedDocument:
    (kept,) = stored["keys"]
    account, tenant, key = parts_of(kept["name"])
    return {
        "account": account,
        "tenant": str(tenant),
        "key": key,
        "document": json.loads(kept["document"]),
    }


SHELVES: Final = (
    CollectionShelf(
        "simulated_payments",
        PAYMENTS,
        _store_payment,
        _write_payment,
        among={"reference": {"$exists": True}},
    ),
    CollectionShelf(
        "simulated_payment_keys",
        PAYMENTS,
        _store_key,
        _write_key,
        among={"reference": {"$exists": False}},
    ),
)
