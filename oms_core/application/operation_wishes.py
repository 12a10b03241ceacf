"""What a request makes of an order: the change to write down, and what names it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from attrs import evolve, frozen, has

from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    FulfillOrder,
    RefundPayment,
    RequestReturn,
    quantities,
)
from oms_core.domain.appointing import appoint
from oms_core.domain.cancelling import request_cancellation
from oms_core.domain.capturing import request_capture
from oms_core.domain.fulfilling import complete, deliver, request_fulfillment
from oms_core.domain.money import Money
from oms_core.domain.operation import Operation, OperationKind, OperationState
from oms_core.domain.order import SYSTEM
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.refunding import request_refund
from oms_core.domain.returning import (
    announce_receipt,
    approve_return,
    reject_return,
    request_return,
)
from oms_core.domain.rules import Amount, fields_of
from oms_core.errors import InvalidInput, Mistake

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from oms_core.application.operation_requests import (
        CompleteOrder,
        DecideReturn,
        DeliverGoods,
        ReceiveReturn,
    )
    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.order import Order

Change: TypeAlias = "Callable[[Order, Operation, datetime], Order]"
Foreseeable: TypeAlias = CancelOrder | CapturePayment | FulfillOrder | RequestReturn | RefundPayment
"""Requests whose effects can be told before anything is asked."""


@frozen
class Wish:
    """One thing to ask of an order."""

    kind: OperationKind
    request: object
    change: Change
    about: UUID | None = None
    at_once: bool = False
    """Nothing is left to do once it is written down."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what is asked: equal for requests that mean the same."""
        content = [self.kind, str(self.about or ""), _plain(self.request)]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def written_down(self, order: Order, operation_id: UUID, *, actor: str, at: datetime) -> Order:
        """Return the order with the operation in it.

        Raises:
            NotPossible: the order as it is does not permit it.
            InvalidInput: the request does not fit the order.
            PartNotFound: the order has no such fulfillment or return.
        """
        asked = Operation(
            operation_id,
            self.kind,
            OperationState.QUEUED,
            requested_at=at,
            actor=actor,
            fingerprint=self.fingerprint,
            subject=self.about,
        )
        if self.at_once:
            asked = evolve(asked, state=OperationState.DONE, ended_at=at)
        return self.change(order, asked, at)


@frozen
class OperationWishes:
    """Makes a wish of each request."""

    payments: PaymentDirectory
    settings: PlaceOrderSettings

    def of(self, request: Foreseeable) -> Wish:
        """Return the wish of a request that says by itself what is meant."""
        match request:
            case CancelOrder():
                return self.cancel(request)
            case CapturePayment():
                return self.capture(request)
            case FulfillOrder():
                return self.fulfill(request)
            case RequestReturn():
                return self.request_return(request)
            case RefundPayment():
                return self.refund(request)

    def cancel(self, request: CancelOrder) -> Wish:
        """Wish for the order's end."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            order = request_cancellation(order, operation, reason=request.reason, at=at)
            return _turned_back_at_once(order, at)

        return Wish(OperationKind.CANCEL, request, change)

    def capture(self, request: CapturePayment) -> Wish:
        """Wish for held money to be taken."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            amount = _money(request.amount, order)
            final = request.final or not self._captures_in_parts(order)
            return request_capture(order, operation, amount, final=final, at=at)

        return Wish(OperationKind.CAPTURE, request, change)

    def fulfill(self, request: FulfillOrder) -> Wish:
        """Wish for goods to leave."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            lines = quantities(request.lines)
            return request_fulfillment(order, operation, lines, request.tracking, at=at)

        return Wish(OperationKind.FULFILL, request, change)

    def deliver(self, fulfillment_id: UUID, request: DeliverGoods) -> Wish:
        """Wish for an arrival to be known."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return self._completed_later(deliver(order, operation, fulfillment_id, at=at), at)

        kind = OperationKind.DELIVER
        return Wish(kind, request, change, about=fulfillment_id, at_once=True)

    @staticmethod
    def complete(request: CompleteOrder) -> Wish:
        """Wish for the order to be closed."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return complete(order, operation, at=at)

        return Wish(OperationKind.COMPLETE, request, change, at_once=True)

    @staticmethod
    def request_return(request: RequestReturn) -> Wish:
        """Wish for goods to be taken back."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            lines = quantities(request.lines)
            return request_return(order, operation, lines, reason=request.reason, at=at)

        return Wish(OperationKind.REQUEST_RETURN, request, change, at_once=True)

    @staticmethod
    def approve_return(return_id: UUID, request: DecideReturn) -> Wish:
        """Wish for a return to go on."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return approve_return(order, operation, return_id, note=request.note, at=at)

        return Wish(OperationKind.APPROVE_RETURN, request, change, about=return_id, at_once=True)

    @staticmethod
    def reject_return(return_id: UUID, request: DecideReturn) -> Wish:
        """Wish for a return not to happen."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return reject_return(order, operation, return_id, note=request.note, at=at)

        return Wish(OperationKind.REJECT_RETURN, request, change, about=return_id, at_once=True)

    @staticmethod
    def receive_return(return_id: UUID, request: ReceiveReturn) -> Wish:
        """Wish for goods that came back to be booked."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return announce_receipt(order, operation, return_id, request.received, at=at)

        return Wish(OperationKind.RECEIVE_RETURN, request, change, about=return_id)

    @staticmethod
    def refund(request: RefundPayment) -> Wish:
        """Wish for captured money to be given back."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return request_refund(
                order,
                operation,
                amount=_money(request.amount, order),
                lines=quantities(request.lines),
                reason=request.reason,
                at=at,
            )

        return Wish(OperationKind.REFUND, request, change)

    def _completed_later(self, order: Order, at: datetime) -> Order:
        """Appoint the completion of an order that was just delivered, if that is configured."""
        after_s = self.settings.complete_after_s
        if after_s is None or order.status is not OrderStatus.DELIVERED:
            return order
        due_at = at + timedelta(seconds=after_s)
        return appoint(order, OperationKind.COMPLETE, at=at, due_at=due_at)

    def _captures_in_parts(self, order: Order) -> bool:
        provider = self.payments.find(order.scope.tenant_id, order.payment.provider)
        return provider is not None and provider.capabilities.captures_in_parts


def _turned_back_at_once(order: Order, at: datetime) -> Order:
    """Let an order that waits, backs off or needs a person look at its cancellation now."""
    saga = order.saga
    if saga.phase.is_over or saga.paused:
        return order
    if saga.attention is not None and saga.due_at is None:
        order = order.resolve_attention(reason="it is being cancelled", actor=SYSTEM, at=at)
    return evolve(order, saga=evolve(order.saga, due_at=at))


def _money(amount: str | int | Decimal | None, order: Order) -> Money | None:
    if amount is None:
        return None
    try:
        money = Money.of(amount, order.currency)
    except ValueError as wrong:
        raise InvalidInput((Mistake("/amount", str(wrong)),)) from None
    if not money:
        raise InvalidInput((Mistake("/amount", "must not be 0"),))
    return money


def _plain(value: Any) -> Any:
    """Write a request in JSON's types; what has its default is left out."""
    if has(type(value)):
        return {
            field.name: _exact(given) if isinstance(field.rule, Amount) else _plain(given)
            for field in fields_of(type(value))
            if (given := getattr(value, field.name)) != field.default
        }
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int) else str(value)


def _exact(amount: str | int | Decimal) -> str:
    """Write an amount so that ``5``, ``"5"`` and ``"5.00"`` are the same."""
    return f"{Decimal(amount).normalize():f}"
