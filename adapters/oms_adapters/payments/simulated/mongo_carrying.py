"""The simulated provider's books in MongoDB, as they are carried from another kind of store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from oms_adapters.mongodb import CollectionShelf
from oms_adapters.payments.simulated.mongo_ledger import KEYS, PAYMENTS, name_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_core.ports.carrying import CarriedDocument


def _store_payment(carried: CarriedDocument) -> dict[str, Any]:
    tenant = UUID(carried["tenant"])
    return {
        "_id": name_of(carried["account"], tenant, carried["reference"]),
        "account": carried["account"],
        "tenant": tenant,
        "reference": carried["reference"],
        "document": json.dumps(carried["document"]),
    }


def _write_payment(stored: Mapping[str, Any]) -> CarriedDocument:
    return {
        "account": stored["account"],
        "tenant": str(stored["tenant"]),
        "reference": stored["reference"],
        "document": json.loads(stored["document"]),
    }


def _store_key(carried: CarriedDocument) -> dict[str, Any]:
    name = name_of(carried["account"], UUID(carried["tenant"]), carried["key"])
    return {"_id": name, "document": json.dumps(carried["document"])}


def _write_key(stored: Mapping[str, Any]) -> CarriedDocument:
    account, tenant, key = parts_of(stored["_id"])
    return {
        "account": account,
        "tenant": str(tenant),
        "key": key,
        "document": json.loads(stored["document"]),
    }


SHELVES: Final = (
    CollectionShelf("simulated_payments", PAYMENTS, _store_payment, _write_payment),
    CollectionShelf("simulated_payment_keys", KEYS, _store_key, _write_key),
)
