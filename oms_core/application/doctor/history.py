"""Does an order's history lead to where the order is?"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from oms_core.application.doctor.finding import Kind, Severity, about
from oms_core.domain.order_status import TRANSITIONS, OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oms_core.application.doctor.finding import Finding
    from oms_core.domain.order import Order

_REPORT = "Nothing that this program does leads there: report it, and compare with a backup."


def check_history(order: Order) -> Iterator[Finding]:
    """Check numbers, moves and the end of the history."""
    wrong = _gap(order) or _illegal_move(order)
    if wrong is not None:
        yield about(order, Kind.HISTORY_BROKEN, Severity.ERROR, f"{wrong} {_REPORT}")
    last = order.history[-1].status_after if order.history else None
    if last is not order.status:
        sentence = f"The order is {order.status}, but its history ends with {last}. {_REPORT}"
        yield about(order, Kind.STATUS_CONTRADICTS_HISTORY, Severity.ERROR, sentence)


def _gap(order: Order) -> str | None:
    for number, entry in enumerate(order.history, 1):
        if entry.sequence != number:
            return f"Entry {number} of the order's history has the number {entry.sequence}."
    return None


def _illegal_move(order: Order) -> str | None:
    if order.history:
        first = order.history[0]
        if first.status_before is not None or first.status_after is not OrderStatus.PENDING_PAYMENT:
            return f"The order's history begins with {first.status_after}."
    for before, entry in pairwise(order.history):
        if entry.status_before is not before.status_after:
            return (
                f"Entry {entry.sequence} of the order's history goes on from "
                f"{entry.status_before}, but the one before ended with {before.status_after}."
            )
        stays = entry.status_after is before.status_after
        if not stays and entry.status_after not in TRANSITIONS[before.status_after]:
            return (
                f"Entry {entry.sequence} of the order's history moves from {before.status_after} "
                f"to {entry.status_after}, which is not possible."
            )
    return None
