"""Do an order's amounts fit each other, its payment's status and its own?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oms_core.application.doctor.finding import Kind, Severity, about
from oms_core.domain.capturing import status_of
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oms_core.application.doctor.finding import Finding, Fix
    from oms_core.domain.order import Order

_MOVED: Final = frozenset(
    {
        PaymentStatus.PARTIALLY_CAPTURED,
        PaymentStatus.CAPTURED,
        PaymentStatus.PARTIALLY_REFUNDED,
        PaymentStatus.REFUNDED,
    }
)
_UNDECIDED: Final = frozenset(
    {PaymentStatus.PENDING, PaymentStatus.ACTION_REQUIRED, PaymentStatus.DECLINED}
)
_BEFORE_PAYMENT: Final = frozenset(
    {OrderStatus.PENDING_PAYMENT, OrderStatus.FAILED, OrderStatus.CANCELLED}
)


def check_payment_sums(order: Order) -> Iterator[Finding]:
    """Check the amounts that the order itself knows."""
    wrong = _contradiction(order)
    if wrong is not None:
        sentence = f"{wrong} Compare with the payment provider: oms reconcile."
        yield about(order, Kind.PAYMENT_CONTRADICTS, Severity.ERROR, sentence)


def check_dead_orders_money(order: Order, ask: Fix) -> Iterator[Finding]:
    """Check that nothing is held for an order that is over, as far as the order knows."""
    payment = order.payment
    if not order.status.is_dead or not order.saga.phase.is_over:
        return
    kept = payment.captured - payment.refunded if payment.captured > payment.refunded else None
    if payment.authorization is None and kept is None:
        return
    what = f"{kept} are captured" if kept else f"{order.total} are held"
    sentence = f"The order is {order.status}, but {what} for it. Give the money back."
    yield about(order, Kind.DEAD_ORDER_HOLDS_MONEY, Severity.ERROR, sentence, ask)


def _contradiction(order: Order) -> str | None:
    payment = order.payment
    if payment.refunded > payment.captured:
        return f"{payment.refunded} are refunded, but only {payment.captured} were captured."
    kept = payment.captured - payment.refunded
    if kept > order.total:
        return f"{kept} are kept of the customer's money, but the order costs {order.total}."
    has_moved = bool(payment.captured) or bool(payment.refunded)
    expected = status_of(payment, order.total)
    if has_moved and payment.status is not expected:
        return f"The payment is {payment.status}, but by its amounts it is {expected}."
    if not has_moved and payment.status in _MOVED:
        return f"The payment is {payment.status}, but no money has moved."
    if payment.status is PaymentStatus.AUTHORIZED and payment.authorization is None:
        return "The payment is authorized, but nothing is held."
    if order.status not in _BEFORE_PAYMENT and payment.status in _UNDECIDED:
        return f"The order is {order.status}, but its payment is {payment.status}."
    return None
