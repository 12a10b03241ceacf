"""What can be asked of an order after it was placed: cancel, capture, fulfill, return, refund."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from attrs import frozen

from oms_core.application.foresight import look_ahead
from oms_core.application.operation_wishes import OperationWishes
from oms_core.domain.operation import Operation, operation_id_for
from oms_core.domain.order import SYSTEM
from oms_core.errors import IdempotencyKeyReused, VersionMismatch

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.application.foresight import Foresight
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
    from oms_core.application.operation_wishes import Foreseeable, Wish
    from oms_core.application.order_changes import OrderChanges
    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope


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
    if_version: int | frozenset[int] | None = None
    """The order must still have this version, or one of these; ``None``: whatever it has."""

    def accepts(self, version: int) -> bool:
        """Tell whether the caller decided on the order in this version."""
        if isinstance(self.if_version, frozenset):
            return version in self.if_version
        return self.if_version in {None, version}


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
        self._wishes = OperationWishes(payments, settings)

    def cancel(self, scope: Scope, order_id: UUID, request: CancelOrder, caller: Caller) -> Asked:
        """Cancel an order of which nothing has left: stock and money are given back."""
        return self._ask(scope, order_id, self._wishes.cancel(request), caller)

    def capture(
        self, scope: Scope, order_id: UUID, request: CapturePayment, caller: Caller
    ) -> Asked:
        """Take money that is held, all or a part.

        Raises:
            InvalidInput: the amount has more decimals than the currency.
        """
        return self._ask(scope, order_id, self._wishes.capture(request), caller)

    def fulfill(self, scope: Scope, order_id: UUID, request: FulfillOrder, caller: Caller) -> Asked:
        """Let goods leave: the payment is captured as the policy says, then stock is taken.

        Raises:
            InvalidInput: a line that the order does not have.
        """
        return self._ask(scope, order_id, self._wishes.fulfill(request), caller)

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
        return self._ask(scope, order_id, self._wishes.deliver(fulfillment_id, request), caller)

    def complete(
        self, scope: Scope, order_id: UUID, request: CompleteOrder, caller: Caller
    ) -> Asked:
        """Close an order that was delivered."""
        return self._ask(scope, order_id, self._wishes.complete(request), caller)

    def request_return(
        self, scope: Scope, order_id: UUID, request: RequestReturn, caller: Caller
    ) -> Asked:
        """Ask for goods to be taken back.

        Raises:
            InvalidInput: a line that the order does not have.
        """
        return self._ask(scope, order_id, self._wishes.request_return(request), caller)

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
        return self._ask(scope, order_id, self._wishes.approve_return(return_id, request), caller)

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
        return self._ask(scope, order_id, self._wishes.reject_return(return_id, request), caller)

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
        return self._ask(scope, order_id, self._wishes.receive_return(return_id, request), caller)

    def refund(self, scope: Scope, order_id: UUID, request: RefundPayment, caller: Caller) -> Asked:
        """Give captured money back: an amount, the share of some pieces, or all of it.

        Raises:
            InvalidInput: a line that the order does not have, or an amount with more decimals
                than the currency.
        """
        return self._ask(scope, order_id, self._wishes.refund(request), caller)

    def look_ahead(
        self,
        scope: Scope,
        order_id: UUID,
        request: Foreseeable,
        *,
        if_version: int | frozenset[int] | None = None,
    ) -> Foresight:
        """Tell what a request would cause if it were asked now; changes nothing, calls nobody.

        By the tables that would do it, over a provider and an inventory that do all they are
        asked. It raises what asking would raise, but for what concerns the key.
        """
        order = self._changes.storage.get(scope, order_id)
        if not Caller("", if_version=if_version).accepts(order.version):
            raise VersionMismatch(order.id, order.version)
        at = self._changes.clock.now()
        # No key has this id: what is asked under a key has another name.
        operation_id = uuid5(order_id, "look ahead")
        asked = self._wishes.of(request).written_down(order, operation_id, actor=SYSTEM, at=at)
        return look_ahead(
            order,
            asked,
            operation_id,
            payments=self._wishes.payments,
            settings=self._wishes.settings,
            at=at,
        )

    # ------------------------------------------------------------------------------------

    def _ask(self, scope: Scope, order_id: UUID, wish: Wish, caller: Caller) -> Asked:
        """Write down what is asked."""
        operation_id = operation_id_for(order_id, caller.idempotency_key)
        fingerprint = wish.fingerprint
        replayed = False

        def ask(order: Order, at: datetime) -> Order:
            nonlocal replayed
            known = order.operation(operation_id)
            replayed = known is not None
            if known is not None:
                if known.fingerprint != fingerprint:
                    raise IdempotencyKeyReused
                return order
            if not caller.accepts(order.version):
                raise VersionMismatch(order.id, order.version)
            asked = wish.written_down(order, operation_id, actor=caller.actor, at=at)
            return self._queue.go_on(asked, at)

        order = self._changes.change(scope, order_id, ask)
        operation = order.operation(operation_id)
        if operation is None:
            message = f"operation {operation_id} was not written down"
            raise LookupError(message)
        return Asked(order, operation, replayed)
