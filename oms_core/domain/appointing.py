"""What the system asks of an order by itself, now or at a later time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from oms_core.domain.capturing import capturable, plan_capture
from oms_core.domain.events import Change
from oms_core.domain.operation import (
    Operation,
    OperationKind,
    OperationState,
    system_operation_id_for,
)
from oms_core.domain.order import SYSTEM
from oms_core.domain.payment import Capture, PaymentStatus, TransferState

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.domain.order import Order


def appoint(
    order: Order, kind: OperationKind, *, at: datetime, due_at: datetime | None = None
) -> Order:
    """Ask for an operation of *kind*, once: one that waits already is only brought forward."""
    for one in order.operations:
        if one.kind is kind and one.state is OperationState.QUEUED and one.actor == SYSTEM:
            if one.due_at is None or (due_at is not None and due_at >= one.due_at):
                return order
            return order.with_operation(evolve(one, due_at=due_at))
    number = 1 + sum(one.kind is kind for one in order.operations)
    operation = Operation(
        system_operation_id_for(order.id, kind, number),
        kind,
        OperationState.QUEUED,
        requested_at=at,
        actor=SYSTEM,
        due_at=due_at,
    )
    return order.with_operation(operation)


def bring_forward(order: Order, *, at: datetime) -> Order:
    """Ask at once for what was asked for in vain and put off; other timers stay as they are."""
    for one in order.operations:
        if one.state is OperationState.QUEUED and one.actor == SYSTEM:
            same = [other for other in order.operations if other.kind is one.kind and other.is_over]
            if same and same[-1].state is OperationState.REFUSED:
                order = appoint(order, one.kind, at=at)
    return order


def ask_for_capture(order: Order, *, at: datetime) -> Order:
    """Ask for all that is held to be taken now, once in an order's life."""
    operation = Operation(
        system_operation_id_for(order.id, OperationKind.CAPTURE, 1),
        OperationKind.CAPTURE,
        OperationState.QUEUED,
        requested_at=at,
        actor=SYSTEM,
    )
    if order.operation(operation.id) is not None:
        return order
    capture = Capture(operation.id, capturable(order), TransferState.REQUESTED, at)
    return plan_capture(order, capture).with_operation(operation)


def appoint_renewal(order: Order, *, before_s: float, at: datetime) -> Order:
    """See to the hold before it lapses: *before_s* seconds, or half of the time that is left."""
    held = order.payment.authorization
    if held is None or held.expires_at is None:
        return order
    if order.payment.status is not PaymentStatus.AUTHORIZED:
        return order
    left = held.expires_at - at
    margin = min(timedelta(seconds=before_s), left / 2)
    return appoint(order, OperationKind.RENEW_AUTHORIZATION, at=at, due_at=held.expires_at - margin)


def renew_authorization(
    order: Order, expires_at: datetime | None, provider_id: str | None, *, at: datetime
) -> Order:
    """Record that the provider holds the money for longer."""
    held = order.payment.authorization
    if held is None or held.expires_at == expires_at:
        return order
    renewed = evolve(held, expires_at=expires_at, provider_id=provider_id or held.provider_id)
    facts = {"expires_at": None if expires_at is None else expires_at.isoformat()}
    return order.with_change(
        Change.AUTHORIZATION_RENEWED,
        at=at,
        facts=facts,
        payment=evolve(order.payment, authorization=renewed),
    )
