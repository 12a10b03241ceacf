"""An order as a row: its document as JSON text, and the columns that follow from it."""

from __future__ import annotations

from typing import Any, Final, TypeAlias
from uuid import UUID

from oms_adapters.sqlite.json_text import from_json, to_json
from oms_core.domain.order import Order
from oms_core.domain.scope import Scope
from oms_core.errors import StoreUnusable
from oms_core.ports.order_document import from_document, to_document, to_microseconds

Value: TypeAlias = "int | str | bytes | None"

FACETS: Final = (
    "created_us",
    "status",
    "channel",
    "customer",
    "provider",
    "live_reference",
    "dead_reference",
    "definition",
    "saga_state",
    "due_us",
    "entries",
)
"""Columns that repeat a part of the document so that it can be looked up by."""


def facets_of(order: Order) -> tuple[Value, ...]:
    """Return the values of ``FACETS`` for *order*."""
    saga = order.saga
    return (
        to_microseconds(order.created_at),
        order.status.value,
        order.channel,
        order.customer_id.bytes if order.customer_id is not None else None,
        order.payment.provider,
        # Free again for another order once this one is dead.
        None if order.payment_is_free_again else order.payment.reference,
        order.payment.reference if order.payment_is_free_again else None,
        saga.definition,
        saga.state.value,
        to_microseconds(saga.due_at) if saga.due_at is not None else None,
        len(order.history),
    )


def key_of(scope: Scope, order_id: UUID) -> tuple[bytes, bytes, bytes]:
    """Return tenant, org and id as they are stored: 16 bytes each, sorting as UUIDs do."""
    return scope.tenant_id.bytes, scope.org_id.bytes, order_id.bytes


def to_text(order: Order) -> str:
    """Write the document."""
    return to_json(to_document(order))


def from_text(order_id: bytes, text: str) -> Order:
    """Read the document of the order *order_id*.

    Raises:
        StoreUnusable: it is not a document that this program can read.
    """
    try:
        document: dict[str, Any] = from_json(text)
        return from_document(document)
    except Exception as error:
        raise StoreUnusable(
            f"The stored order {UUID(bytes=order_id)} cannot be read by this version of the "
            f"program ({type(error).__name__}); install the version that wrote it, or restore "
            "the database from a backup."
        ) from error
