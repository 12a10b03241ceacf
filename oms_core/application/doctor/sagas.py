"""Does every order move, or wait for somebody who knows?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from oms_core.application.doctor.finding import Kind, Severity, about
from oms_core.domain.operation import OperationState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from oms_core.application.doctor.finding import Finding, Fix
    from oms_core.application.doctor.patience import Patience
    from oms_core.domain.order import Order
    from oms_core.ports.storage import KeptOrder


def check_saga(
    kept: KeptOrder, definitions: Collection[str], patience: Patience, at: datetime
) -> Iterator[Finding]:
    """Check the order's present saga and its lease."""
    order, saga = kept.order, kept.order.saga
    moves = saga.due_at is not None or not saga.phase.is_over
    if moves and saga.definition not in definitions:
        sentence = (
            f"The order is in the saga {saga.definition}, which this version does not know. "
            "Run workers of the version that began it, until it is over."
        )
        yield about(order, Kind.SAGA_UNKNOWN, Severity.ERROR, sentence)
        return
    yield from _unmoved(kept, patience, at)
    attention = saga.attention
    if attention is not None and at - attention.since > timedelta(seconds=patience.stuck_s):
        sentence = (
            f"The order has waited for a person since {attention.since:%Y-%m-%d %H:%M} UTC: "
            f"{attention.message}"
        )
        yield about(order, Kind.SAGA_STUCK, Severity.WARNING, sentence)


def _unmoved(kept: KeptOrder, patience: Patience, at: datetime) -> Iterator[Finding]:
    order, due_at, until = kept.order, kept.order.saga.due_at, kept.leased_until
    if until is not None:
        if at - until > timedelta(seconds=patience.lease_s):
            sentence = (
                f"{kept.holder} held the order until {until:%Y-%m-%d %H:%M} UTC and has not come "
                "back, and nobody took over. See that a worker runs: oms worker."
            )
            yield about(order, Kind.LEASE_EXPIRED, Severity.WARNING, sentence)
        return
    if due_at is not None and at - due_at > timedelta(seconds=patience.overdue_s):
        sentence = (
            f"The order has been due since {due_at:%Y-%m-%d %H:%M} UTC, and nobody works on it. "
            "See that a worker runs: oms worker."
        )
        yield about(order, Kind.SAGA_OVERDUE, Severity.ERROR, sentence)


def check_operations(order: Order, wake: Fix, at: datetime) -> Iterator[Finding]:
    """Check that what was asked of the order has its turn, or is having it."""
    saga = order.saga
    running = [one for one in order.operations if one.state is OperationState.RUNNING]
    for one in running:
        if saga.phase.is_over or saga.operation != one.id:
            sentence = (
                f"The operation {one.kind} is said to be running, but no saga runs it. Compare "
                "order and provider, then ask for it again under another key if it had no effect."
            )
            yield about(order, Kind.OPERATION_ABANDONED, Severity.ERROR, sentence)
    waiting = [one for one in order.operations if one.state is OperationState.QUEUED]
    if not waiting or not saga.phase.is_over or saga.paused:
        return
    first = min(waiting, key=lambda one: one.due_at or at)
    due_at = max(first.due_at or at, at)
    if saga.due_at is None or saga.due_at > due_at:
        sentence = f"The operation {first.kind} waits for its turn, and nothing will give it one."
        yield about(order, Kind.OPERATION_FORGOTTEN, Severity.ERROR, sentence, wake)
