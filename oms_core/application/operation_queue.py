"""Which operation of an order comes next, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from oms_core.domain.appointing import appoint
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.order import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from oms_core.application.saga import Saga
    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order


@frozen
class OperationQueue:
    """Begins the operations of an order one after the other, each as a saga of its own."""

    sagas: Mapping[OperationKind, Saga]

    def go_on(self, order: Order, at: datetime) -> Order:
        """Begin the first operation whose time has come; else appoint the earliest.

        An order whose saga is under way is left as it is: its operations wait. So do those of a
        paused one, and its timers.
        """
        if not order.saga.phase.is_over:
            return order
        if order.saga.paused:
            return evolve(order, saga=evolve(order.saga, due_at=None))
        waiting = [one for one in order.operations if one.state is OperationState.QUEUED]
        ready = next((one for one in waiting if one.due_at is None or one.due_at <= at), None)
        if ready is not None:
            return self._begin(order, ready, at)
        moments = [one.due_at for one in waiting if one.due_at is not None]
        return evolve(order, saga=evolve(order.saga, due_at=min(moments, default=None)))

    def _begin(self, order: Order, operation: Operation, at: datetime) -> Order:
        saga = self.sagas[operation.kind]
        if order.saga.attention is not None:
            order = _without_flag(order, operation, at)
        over = evolve(order.saga, due_at=None, attention=None)
        order = order.with_operation(evolve(operation, state=OperationState.RUNNING))
        order = evolve(
            order,
            past_sagas=(*order.past_sagas, over),
            saga=saga.start(at, operation=operation.id),
        )
        return saga.prepare(order, at)


def _without_flag(order: Order, beginning: Operation, at: datetime) -> Order:
    """Take a flag down because something else begins; what raised it may have changed by then.

    A hold that is about to lapse is looked at again afterwards, so that its flag is not lost.
    """
    raised_by = order.present_operation
    order = order.resolve_attention(reason="went on by itself", actor=SYSTEM, at=at)
    renewal = OperationKind.RENEW_AUTHORIZATION
    if raised_by is None or raised_by.kind is not renewal or beginning.kind is renewal:
        return order
    return appoint(order, renewal, at=at)
