"""What can be asked of an order after it was placed: cancel, capture, fulfill, return, refund."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from attrs import evolve, frozen, has

from oms_core.application.operation_requests import quantities
from oms_core.domain.appointing import appoint
from oms_core.domain.cancelling import request_cancellation
from oms_core.domain.capturing import request_capture
from oms_core.domain.fulfilling import complete, deliver, request_fulfillment
from oms_core.domain.money import Money
from oms_core.domain.operation import (
    Operation,
    OperationKind,
    OperationState,
    operation_id_for,
)
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
from oms_core.errors import IdempotencyKeyReused, InvalidInput, Mistake, VersionMismatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from oms_core.application.operation_queue import OperationQueue
    from oms_core.application.operation_requests import (
        CancelOrder,
        CapturePayment,
        CompleteOrder,
        DecideReturn,
        DeliverGoods,
        FulfillOrder,
        ReceiveReturn,
        RefundPayment,
        RequestReturn,
    )
    from oms_core.application.order_changes import OrderChanges
    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope

Change: TypeAlias = "Callable[[Order, Operation, datetime], Order]"


@frozen
class Asked:
    """The answer to what was asked; *replayed* if the key named it already."""

    order: Order
    operation: Operation
    replayed: bool


@frozen
class Caller:
    """Who asks, under which key, and on which version of the order they decided."""

    idempotency_key: str
    actor: str = SYSTEM
    if_version: int | None = None
    """The order must still have this version; ``None``: whatever it has."""


class OrderOperations:
    """Asks things of orders, once for each idempotency key.

    Each method checks what is asked against the order as it is, writes it down in one write and
    returns; what needs a provider or the inventory is done afterwards by the workers, durably.
    Every method raises:

    * ``NotPossible``: the order as it is does not permit it; the sentence says why.
    * ``IdempotencyKeyReused``: the key names something else that was asked of this order.
    * ``VersionMismatch``: the order is no longer the one the caller decided on.
    * ``OrderNotFound``: unknown in this tenant and organization.
    """

    def __init__(
        self,
        changes: OrderChanges,
        queue: OperationQueue,
        payments: PaymentDirectory,
        settings: PlaceOrderSettings,
    ) -> None:
        """Take what changes orders and what begins operations."""
        self._changes = changes
        self._queue = queue
        self._payments = payments
        self._settings = settings

    def cancel(self, scope: Scope, order_id: UUID, request: CancelOrder, caller: Caller) -> Asked:
        """Cancel an order of which nothing has left: stock and money are given back."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            order = request_cancellation(order, operation, reason=request.reason, at=at)
            return _turned_back_at_once(order, at)

        return self._ask(scope, order_id, OperationKind.CANCEL, request, caller, change)

    def capture(
        self, scope: Scope, order_id: UUID, request: CapturePayment, caller: Caller
    ) -> Asked:
        """Take money that is held, all or a part.

        Raises:
            InvalidInput: the amount has more decimals than the currency.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            amount = _money(request.amount, order)
            final = request.final or not self._captures_in_parts(order)
            return request_capture(order, operation, amount, final=final, at=at)

        return self._ask(scope, order_id, OperationKind.CAPTURE, request, caller, change)

    def fulfill(self, scope: Scope, order_id: UUID, request: FulfillOrder, caller: Caller) -> Asked:
        """Let goods leave: the payment is captured as the policy says, then stock is taken.

        Raises:
            InvalidInput: a line that the order does not have.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return request_fulfillment(
                order, operation, quantities(request.lines), request.tracking, at=at
            )

        return self._ask(scope, order_id, OperationKind.FULFILL, request, caller, change)

    def deliver(
        self,
        scope: Scope,
        order_id: UUID,
        fulfillment_id: UUID,
        request: DeliverGoods,
        caller: Caller,
    ) -> Asked:
        """Record that the goods of a fulfillment have arrived.

        Raises:
            PartNotFound: the order has no such fulfillment.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return self._completed_later(deliver(order, operation, fulfillment_id, at=at), at)

        kind, about = OperationKind.DELIVER, fulfillment_id
        return self._ask(scope, order_id, kind, request, caller, change, about=about, at_once=True)

    def complete(
        self, scope: Scope, order_id: UUID, request: CompleteOrder, caller: Caller
    ) -> Asked:
        """Close an order that was delivered."""

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return complete(order, operation, at=at)

        kind = OperationKind.COMPLETE
        return self._ask(scope, order_id, kind, request, caller, change, at_once=True)

    def request_return(
        self, scope: Scope, order_id: UUID, request: RequestReturn, caller: Caller
    ) -> Asked:
        """Ask for goods to be taken back.

        Raises:
            InvalidInput: a line that the order does not have.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return request_return(
                order, operation, quantities(request.lines), reason=request.reason, at=at
            )

        kind = OperationKind.REQUEST_RETURN
        return self._ask(scope, order_id, kind, request, caller, change, at_once=True)

    def approve_return(
        self,
        scope: Scope,
        order_id: UUID,
        return_id: UUID,
        request: DecideReturn,
        caller: Caller,
    ) -> Asked:
        """Let the customer send the goods of a return.

        Raises:
            PartNotFound: the order has no such return.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return approve_return(order, operation, return_id, note=request.note, at=at)

        kind, about = OperationKind.APPROVE_RETURN, return_id
        return self._ask(scope, order_id, kind, request, caller, change, about=about, at_once=True)

    def reject_return(
        self,
        scope: Scope,
        order_id: UUID,
        return_id: UUID,
        request: DecideReturn,
        caller: Caller,
    ) -> Asked:
        """Refuse a return.

        Raises:
            PartNotFound: the order has no such return.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return reject_return(order, operation, return_id, note=request.note, at=at)

        kind, about = OperationKind.REJECT_RETURN, return_id
        return self._ask(scope, order_id, kind, request, caller, change, about=about, at_once=True)

    def receive_return(
        self,
        scope: Scope,
        order_id: UUID,
        return_id: UUID,
        request: ReceiveReturn,
        caller: Caller,
    ) -> Asked:
        """Book goods that came back; those that can be sold again go back into stock.

        Raises:
            InvalidInput: a line that the order does not have.
            PartNotFound: the order has no such return.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return announce_receipt(order, operation, return_id, request.received, at=at)

        kind = OperationKind.RECEIVE_RETURN
        return self._ask(scope, order_id, kind, request, caller, change, about=return_id)

    def refund(self, scope: Scope, order_id: UUID, request: RefundPayment, caller: Caller) -> Asked:
        """Give captured money back: an amount, the share of some pieces, or all of it.

        Raises:
            InvalidInput: a line that the order does not have, or an amount with more decimals
                than the currency.
        """

        def change(order: Order, operation: Operation, at: datetime) -> Order:
            return request_refund(
                order,
                operation,
                amount=_money(request.amount, order),
                lines=quantities(request.lines),
                reason=request.reason,
                at=at,
            )

        return self._ask(scope, order_id, OperationKind.REFUND, request, caller, change)

    # ------------------------------------------------------------------------------------

    def _ask(
        self,
        scope: Scope,
        order_id: UUID,
        kind: OperationKind,
        request: object,
        caller: Caller,
        change: Change,
        *,
        about: UUID | None = None,
        at_once: bool = False,
    ) -> Asked:
        """Write down what is asked; *at_once* says that nothing is left to do then."""
        operation_id = operation_id_for(order_id, caller.idempotency_key)
        fingerprint = _fingerprint(kind, about, request)
        replayed = False

        def ask(order: Order, at: datetime) -> Order:
            nonlocal replayed
            known = order.operation(operation_id)
            replayed = known is not None
            if known is not None:
                if known.fingerprint != fingerprint:
                    raise IdempotencyKeyReused
                return order
            if caller.if_version not in {None, order.version}:
                raise VersionMismatch(order.id, order.version)
            asked = Operation(
                operation_id,
                kind,
                OperationState.QUEUED,
                requested_at=at,
                actor=caller.actor,
                fingerprint=fingerprint,
                subject=about,
            )
            if at_once:
                asked = evolve(asked, state=OperationState.DONE, ended_at=at)
            return self._queue.go_on(change(order, asked, at), at)

        order = self._changes.change(scope, order_id, ask)
        operation = order.operation(operation_id)
        if operation is None:
            message = f"operation {operation_id} was not written down"
            raise LookupError(message)
        return Asked(order, operation, replayed)

    def _completed_later(self, order: Order, at: datetime) -> Order:
        """Appoint the completion of an order that was just delivered, if that is configured."""
        after_s = self._settings.complete_after_s
        if after_s is None or order.status is not OrderStatus.DELIVERED:
            return order
        due_at = at + timedelta(seconds=after_s)
        return appoint(order, OperationKind.COMPLETE, at=at, due_at=due_at)

    def _captures_in_parts(self, order: Order) -> bool:
        provider = self._payments.find(order.scope.tenant_id, order.payment.provider)
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


def _fingerprint(kind: OperationKind, about: UUID | None, request: object) -> str:
    """SHA-256 of what is asked: equal for requests that mean the same."""
    content = [kind, str(about or ""), _plain(request)]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


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
