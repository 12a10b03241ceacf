"""What clients see of what may be asked of an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypedDict
from uuid import UUID

from oms_core.domain.operation import OperationKind
from oms_entrypoints.http.views.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oms_core.application.actions import Action


class ActionView(TypedDict):
    """One thing that can be asked of an order."""

    kind: OperationKind
    subject: Annotated[UUID | None, Shown("The fulfillment or return that it is about.")]
    allowed: bool
    why_not: Annotated[
        str | None, Shown("Why it may not be asked now: the sentence of the refusal.")
    ]
    method: Literal["POST"]
    path: Annotated[
        str, Shown("Where to ask; with a name in braces while the order has no such part.")
    ]


class ActionListView(TypedDict):
    """Everything that can be asked of an order, allowed now or not."""

    order_id: UUID
    actions: list[ActionView]


def action_list_view(
    order_id: UUID, actions: Sequence[Action], path_of: Callable[[Action], str]
) -> ActionListView:
    """Show all actions; *path_of* tells where each is asked for."""
    return {
        "order_id": order_id,
        "actions": [
            {
                "kind": action.kind,
                "subject": action.subject,
                "allowed": action.is_allowed,
                "why_not": action.why_not,
                "method": "POST",
                "path": path_of(action),
            }
            for action in actions
        ],
    }
