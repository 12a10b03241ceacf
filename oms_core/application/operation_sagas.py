"""The sagas of what is asked of an order after it was placed: one table an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.application.check_payment import PROVIDER_SILENT, PaymentCheck
from oms_core.application.goods_steps import GoodsSteps
from oms_core.application.payment_policy import CapturePolicy
from oms_core.application.payment_steps import PaymentSteps
from oms_core.application.saga import Done, Saga, Step, unchanged
from oms_core.application.stock_steps import StockSteps
from oms_core.application.transfer_steps import TransferSteps, close_capture, close_refund
from oms_core.domain.cancelling import cancel
from oms_core.domain.capturing import is_settled_for_good, plan_capture, record_capture
from oms_core.domain.fulfilling import (
    complete,
    fulfillment_of,
    refuse_fulfillment,
    ship,
    why_not_complete,
)
from oms_core.domain.money import Money
from oms_core.domain.operation import OperationKind
from oms_core.domain.payment import Capture, PaymentStatus, TransferState
from oms_core.domain.quantities import share_of
from oms_core.domain.refunding import record_refund
from oms_core.domain.returning import book_receipt
from oms_core.domain.saga_position import SagaPhase

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga import Apply, StepOutcome, Work
    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.order import Order
    from oms_core.ports.inventory import Inventory


def operation_sagas(
    inventory: Inventory, payments: PaymentDirectory, settings: PlaceOrderSettings
) -> Mapping[OperationKind, Saga]:
    """Return the table of each operation that takes more than one write."""
    stock = StockSteps(inventory, settings)
    payment = PaymentSteps(payments, settings)
    transfers = TransferSteps(payment)
    goods = GoodsSteps(inventory)
    check = PaymentCheck(payments, payment, transfers)
    capture = Step(
        "capture_payment",
        run=transfers.capture,
        undo=transfers.settle_capture,
        retry=settings.retry,
        by_hand=lambda order, at: record_capture(order, order.operation_id, None, at=at),
    )
    return {
        OperationKind.CANCEL: Saga(
            "cancel_order",
            version=1,
            steps=(
                Step(
                    "reserve_inventory",
                    run=stock.reserve,
                    undo=stock.release,
                    retry=settings.retry,
                    undone_by_hand=lambda order, at: order.record_release(at=at),
                ),
                Step(
                    "authorize_payment",
                    run=payment.hold,
                    undo=payment.let_go,
                    retry=settings.retry,
                    undone_by_hand=lambda order, at: order.record_payment_released(at=at),
                ),
            ),
            begins=SagaPhase.COMPENSATING,
            when_compensated=lambda order, at: cancel(order, at=at),
        ),
        OperationKind.CAPTURE: Saga(
            "capture_payment",
            version=1,
            steps=(capture,),
            when_compensated=close_capture,
        ),
        OperationKind.FULFILL: Saga(
            "fulfill_order",
            version=1,
            steps=(
                capture,
                Step(
                    "ship_goods",
                    run=goods.ship,
                    retry=settings.retry,
                    by_hand=lambda order, at: ship(order, order.operation_id, at=at),
                ),
            ),
            prepare=_capture_before_goods_leave(payments),
            when_compensated=lambda order, at: refuse_fulfillment(
                close_capture(order, at), order.operation_id, order.refusal, at=at
            ),
        ),
        OperationKind.REFUND: Saga(
            "refund_payment",
            version=1,
            steps=(
                Step(
                    "give_back",
                    run=transfers.refund,
                    undo=transfers.settle_refund,
                    retry=settings.retry,
                    by_hand=lambda order, at: record_refund(order, order.operation_id, None, at=at),
                ),
            ),
            when_compensated=close_refund,
        ),
        OperationKind.RECEIVE_RETURN: Saga(
            "receive_return",
            version=1,
            steps=(
                Step(
                    "restock",
                    run=goods.restock,
                    retry=settings.retry,
                    by_hand=lambda order, at: book_receipt(order, order.operation_id, at=at),
                ),
            ),
            when_compensated=unchanged,
        ),
        OperationKind.COMPLETE: Saga(
            "complete_order",
            version=1,
            steps=(Step("complete_order", run=_complete),),
            when_compensated=unchanged,
        ),
        OperationKind.RENEW_AUTHORIZATION: Saga(
            "renew_authorization",
            version=1,
            steps=(
                Step(
                    "renew_authorization",
                    run=check.renew,
                    exhausted=PROVIDER_SILENT,
                    retry=settings.retry,
                ),
            ),
            when_compensated=check.try_later,
        ),
        OperationKind.CHECK_PAYMENT: Saga(
            "check_payment",
            version=1,
            steps=(
                Step(
                    "check_payment",
                    run=check.check,
                    exhausted=PROVIDER_SILENT,
                    retry=settings.retry,
                ),
            ),
            when_compensated=check.try_later,
        ),
    }


def _capture_before_goods_leave(payments: PaymentDirectory) -> Apply:
    """Write down what is to be captured for the goods of the present fulfillment."""

    def plan(order: Order, at: datetime) -> Order:
        policy = payments.policy_of(order.scope.tenant_id, order.payment.provider)
        if policy.capture is CapturePolicy.MANUAL:
            return order
        if order.payment.status is PaymentStatus.NOT_REQUIRED:
            return order
        if is_settled_for_good(order.payment):
            # Whoever took less for good wants no more for the goods; nothing is held for them.
            return order
        provider = payments.find(order.scope.tenant_id, order.payment.provider)
        in_parts = provider is not None and provider.capabilities.captures_in_parts
        whole = order.total.minor
        due = _paid_with_it(order) if in_parts else whole
        amount = due - order.payment.captured.minor
        if amount <= 0:
            return order
        capture = Capture(
            order.operation_id,
            Money(amount, order.currency),
            TransferState.REQUESTED,
            at,
            final=due == whole,
        )
        return plan_capture(order, capture)

    return plan


def _paid_with_it(order: Order) -> int:
    """Tell what must be captured once the present fulfillment has left, in minor units."""
    leaving = fulfillment_of(order, order.operation_id)
    pieces = {number: one.fulfilled for number, one in order.quantities.items()}
    for part in leaving.lines:
        pieces[part.line] += part.quantity
    return share_of(order.total.minor, order.lines, pieces)


def _complete(work: Work) -> StepOutcome:
    if why_not_complete(work.order) is not None:
        return Done()

    def record(order: Order, at: datetime) -> Order:
        operation = order.present_operation
        if operation is None:
            return order
        return complete(order, operation, at=at)

    return Done(record)
