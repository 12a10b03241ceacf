"""What clients see of everything that is known of an order's life."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict
from uuid import UUID

from oms_core.application.chronicle import ChronicleKind
from oms_core.domain.order_status import OrderStatus
from oms_entrypoints.http.views.shown import Fact, Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.application.chronicle import ChronicleEntry


class ChronicleEntryView(TypedDict):
    """One thing that happened."""

    at: datetime
    kind: Annotated[
        ChronicleKind,
        Shown(
            "`change`: the order changed; `action`: somebody asked or decided; `provider`: the "
            "payment provider answered; `attempt`: all attempts at one step; `notification`: the "
            "payment provider notified something."
        ),
    ]
    what: Annotated[str, Shown("The change, the operation, the step, or the provider's word.")]
    actor: Annotated[str, Shown("`system`, `payment_provider`, or who called.")]
    status_before: OrderStatus | None
    status_after: OrderStatus | None
    facts: dict[str, Fact]


class ChronicleView(TypedDict):
    """Everything that is known of an order's life, oldest first."""

    order_id: UUID
    timeline: list[ChronicleEntryView]


def chronicle_view(order_id: UUID, entries: Sequence[ChronicleEntry]) -> ChronicleView:
    """Show all entries."""
    return {
        "order_id": order_id,
        "timeline": [
            {
                "at": entry.at,
                "kind": entry.kind,
                "what": entry.what,
                "actor": entry.actor,
                "status_before": entry.status_before,
                "status_after": entry.status_after,
                "facts": dict(entry.facts),
            }
            for entry in entries
        ],
    }
