"""An order as one document: the core's own, and around it what the store looks up by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID

from bson.binary import Binary

from oms_core.domain.order import Order
from oms_core.domain.saga_position import SagaState
from oms_core.domain.scope import Scope
from oms_core.errors import StoreUnusable
from oms_core.ports.order_document import from_document, to_document, to_microseconds

Document: TypeAlias = "dict[str, Any]"

_QUOTED: Final = "json:"
"""Marks a name that is stored as a JSON text, because BSON cannot hold it (see ``_quoted``)."""


def id_of(scope: Scope, order_id: UUID) -> Binary:
    """Return ``_id``: tenant, org and id, 16 bytes each. The idempotency key's one index."""
    return Binary(scope.tenant_id.bytes + scope.org_id.bytes + order_id.bytes)


def all_of(tenant_id: UUID) -> Document:
    """Limit ``_id`` to the orders of a tenant: all ids are of one length, so this is a range."""
    rest = 2 * len(tenant_id.bytes)
    return {
        "$gte": Binary(tenant_id.bytes + b"\x00" * rest),
        "$lte": Binary(tenant_id.bytes + b"\xff" * rest),
    }


def all_in(scope: Scope) -> Document:
    """Limit ``_id`` to the orders of an organization; see ``all_of``."""
    start, rest = scope.tenant_id.bytes + scope.org_id.bytes, len(scope.org_id.bytes)
    return {"$gte": Binary(start + b"\x00" * rest), "$lte": Binary(start + b"\xff" * rest)}


def key_of(scope: Scope, order_id: UUID) -> Document:
    """Name one order in a filter: by ``_id``, and by the shard key so that one shard is asked."""
    return {
        "_id": id_of(scope, order_id),
        "tenant": scope.tenant_id,
        "org": scope.org_id,
        "id": order_id,
    }


def facets_of(order: Order) -> Document:
    """Return what repeats a part of the document so that it can be looked up by.

    ``None`` means that the field is absent, so that partial indexes leave the order out.
    """
    saga = order.saga
    return {
        "created_us": to_microseconds(order.created_at),
        "status": order.status.value,
        "channel": order.channel,
        "customer": order.customer_id,
        "provider": order.payment.provider,
        # Free again for another order once this one is dead.
        "live_reference": None if order.payment_is_free_again else order.payment.reference,
        "reference": order.payment.reference,
        "is_dead": order.payment_is_free_again,
        "definition": saga.definition,
        "saga_state": None if saga.state is SagaState.FINISHED else saga.state.value,
        "due_us": None if saga.due_at is None else to_microseconds(saga.due_at),
        "entries": len(order.history),
    }


def to_stored(order: Order) -> Document:
    """Write the core's document so that BSON can hold it."""
    return stored_form(to_document(order))


def stored_form(document: Document) -> Document:
    """Turn the core's document into one that BSON can hold."""
    return _with_names(document, _quoted)


def written_form(stored: Document) -> Document:
    """Turn it back into the core's document."""
    return _with_names(stored, _unquoted)


def from_stored(order_id: UUID, stored: Document) -> Order:
    """Read the stored document of the order *order_id*.

    Raises:
        StoreUnusable: it is not a document that this program can read.
    """
    try:
        return from_document(written_form(stored))
    except Exception as error:
        raise StoreUnusable(
            f"The stored order {order_id} cannot be read by this version of the program "
            f"({type(error).__name__}); install the version that wrote it, or restore the "
            "database from a backup."
        ) from error


def _with_names(document: Document, rename: Any) -> Document:
    """Rename the fields whose names come from outside: those of metadata and of facts."""
    metadata = document.get("metadata")
    if metadata and _are_awkward(metadata):
        document = {**document, "metadata": _renamed(metadata, rename)}
    history = document.get("history", ())
    if any(_are_awkward(entry.get("facts", ())) for entry in history):
        history = [
            {**entry, "facts": _renamed(entry["facts"], rename)} if "facts" in entry else entry
            for entry in history
        ]
        document = {**document, "history": history}
    return document


def _renamed(table: Mapping[str, Any], rename: Any) -> Document:
    return {rename(name): value for name, value in table.items()}


def _are_awkward(names: Iterable[str]) -> bool:
    return any("\x00" in name or name.startswith(_QUOTED) for name in names)


def _quoted(name: str) -> str:
    """Write a name so that it has no NUL, which ends a name in BSON."""
    return _QUOTED + json.dumps(name) if _are_awkward([name]) else name


def _unquoted(name: str) -> str:
    return str(json.loads(name.removeprefix(_QUOTED))) if name.startswith(_QUOTED) else name
