"""A provider's event as JSON text: how stores that outlive the process keep it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from oms_core.errors import StoreUnusable
from oms_core.ports.order_document import from_microseconds, to_microseconds
from oms_core.ports.payments import PaymentRef, ProviderEvent

if TYPE_CHECKING:
    from collections.abc import Mapping


def event_to_text(event: ProviderEvent) -> str:
    """Write *event* as ASCII, so that any text of a provider fits every store."""
    document: dict[str, Any] = {
        "id": event.event_id,
        "tenant": str(event.ref.tenant_id),
        "reference": event.ref.reference,
        "kind": event.kind,
    }
    if event.occurred_at is not None:
        document["occurred_us"] = to_microseconds(event.occurred_at)
    if event.facts:
        document["facts"] = dict(event.facts)
    return json.dumps(document, separators=(",", ":"))


def event_from_text(text: str) -> ProviderEvent:
    """Read what ``event_to_text`` wrote, by this version or an earlier one.

    Raises:
        StoreUnusable: it is not a document that this program can read.
    """
    try:
        document: Mapping[str, Any] = json.loads(text)
        occurred_us = document.get("occurred_us")
        return ProviderEvent(
            document["id"],
            PaymentRef(UUID(document["tenant"]), document["reference"]),
            document["kind"],
            occurred_at=None if occurred_us is None else from_microseconds(occurred_us),
            facts=document.get("facts", {}),
        )
    except Exception as error:
        raise StoreUnusable(
            "A stored notification cannot be read by this version of the program "
            f"({type(error).__name__}); install the version that wrote it, or restore the "
            "database from a backup."
        ) from error
