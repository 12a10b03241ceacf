"""What may be asked of an order now, and why the rest may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.domain.cancelling import why_not_cancel
from oms_core.domain.capturing import why_not_capture
from oms_core.domain.fulfilling import why_not_complete, why_not_deliver, why_not_fulfill
from oms_core.domain.operation import OperationKind
from oms_core.domain.refunding import why_not_refund
from oms_core.domain.returning import why_not_decide, why_not_receive, why_not_return

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from oms_core.domain.order import Order


@frozen
class Action:
    """One thing that people can ask of an order."""

    kind: OperationKind
    why_not: str | None
    """Why it may not be asked now, in the words of the refusal; ``None``: it may."""
    subject: UUID | None = None
    """The fulfillment or return it is about; ``None``: the order, or it has none of them yet."""

    @property
    def is_allowed(self) -> bool:
        """It may be asked now."""
        return self.why_not is None


_OF_THE_ORDER: Final[Mapping[OperationKind, Callable[[Order], str | None]]] = {
    OperationKind.CANCEL: why_not_cancel,
    OperationKind.CAPTURE: why_not_capture,
    OperationKind.FULFILL: why_not_fulfill,
    OperationKind.COMPLETE: why_not_complete,
    OperationKind.REQUEST_RETURN: why_not_return,
    OperationKind.REFUND: why_not_refund,
}
_OF_A_FULFILLMENT: Final[Mapping[OperationKind, Callable[[Order, UUID | None], str | None]]] = {
    OperationKind.DELIVER: why_not_deliver,
}
_OF_A_RETURN: Final[Mapping[OperationKind, Callable[[Order, UUID | None], str | None]]] = {
    OperationKind.APPROVE_RETURN: why_not_decide,
    OperationKind.REJECT_RETURN: why_not_decide,
    OperationKind.RECEIVE_RETURN: why_not_receive,
}
ASKED_BY_PEOPLE: Final = (
    OperationKind.CANCEL,
    OperationKind.CAPTURE,
    OperationKind.FULFILL,
    OperationKind.DELIVER,
    OperationKind.COMPLETE,
    OperationKind.REQUEST_RETURN,
    OperationKind.APPROVE_RETURN,
    OperationKind.REJECT_RETURN,
    OperationKind.RECEIVE_RETURN,
    OperationKind.REFUND,
)
"""All there is to ask, in the order of an order's life; the system asks for the others itself."""


def actions_of(order: Order) -> tuple[Action, ...]:
    """List every action; one about a part of the order once for each part that it has."""
    found: list[Action] = []
    for kind in ASKED_BY_PEOPLE:
        if kind in _OF_THE_ORDER:
            found.append(Action(kind, _OF_THE_ORDER[kind](order)))
        elif kind in _OF_A_FULFILLMENT:
            parts = [one.id for one in order.fulfillments]
            found += _of_parts(order, kind, _OF_A_FULFILLMENT[kind], parts)
        else:
            parts = [one.id for one in order.returns]
            found += _of_parts(order, kind, _OF_A_RETURN[kind], parts)
    return tuple(found)


def _of_parts(
    order: Order,
    kind: OperationKind,
    why_not: Callable[[Order, UUID | None], str | None],
    parts: list[UUID],
) -> list[Action]:
    if not parts:
        return [Action(kind, why_not(order, None))]
    return [Action(kind, why_not(order, part), part) for part in parts]
