"""The place-order saga: reserve stock, authorize payment, confirm; or undo it all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.application.payment_policy import CapturePolicy
from oms_core.application.payment_steps import PAYMENT_UNAVAILABLE, PaymentSteps
from oms_core.application.saga import Saga, Step
from oms_core.application.stock_steps import INVENTORY_UNAVAILABLE, StockSteps
from oms_core.domain.appointing import appoint_renewal, ask_for_capture
from oms_core.domain.cancelling import CANCELLED, fail_or_cancel, is_being_cancelled
from oms_core.domain.capturing import capturable
from oms_core.domain.order import ReservationState

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga import Apply
    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.order import Order
    from oms_core.ports.inventory import Inventory


def place_order_saga(
    inventory: Inventory, payments: PaymentDirectory, settings: PlaceOrderSettings
) -> Saga:
    """Return the table of the saga, its steps bound to what they call."""
    stock = StockSteps(inventory, settings, then=_after_confirmation(payments))
    payment = PaymentSteps(payments, settings)
    return Saga(
        "place_order",
        version=1,
        steps=(
            Step(
                "reserve_inventory",
                run=stock.reserve,
                undo=stock.release,
                exhausted=INVENTORY_UNAVAILABLE,
                retry=settings.retry,
                undone_by_hand=lambda order, at: order.record_release(at=at),
            ),
            Step(
                "authorize_payment",
                run=payment.hold,
                undo=payment.let_go,
                exhausted=PAYMENT_UNAVAILABLE,
                retry=settings.retry,
                undone_by_hand=lambda order, at: order.record_payment_released(at=at),
            ),
            Step(
                "confirm_order",
                run=stock.confirm,
                exhausted=INVENTORY_UNAVAILABLE,
                retry=settings.retry,
                is_local=_holds_stock_firmly,
            ),
        ),
        when_compensated=lambda order, at: fail_or_cancel(order, at=at),
        abort=lambda order: CANCELLED if is_being_cancelled(order) else None,
    )


def _after_confirmation(payments: PaymentDirectory) -> Apply:
    """Say what a confirmed order asks for by itself: its capture, and a look before it lapses."""

    def ask(order: Order, at: datetime) -> Order:
        if is_being_cancelled(order):
            # It was asked for while the last step was under way: all is given back at once.
            return order
        policy = payments.policy_of(order.scope.tenant_id, order.payment.provider)
        if policy.capture is CapturePolicy.CONFIRMATION and capturable(order):
            return ask_for_capture(order, at=at)
        return appoint_renewal(order, before_s=policy.renew_before_s, at=at)

    return ask


def _holds_stock_firmly(order: Order) -> bool:
    return order.reservation is ReservationState.HELD
