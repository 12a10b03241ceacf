"""What an operation would cause: the same tables, over an inventory and a provider that say yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from attrs import define, evolve, field, frozen

from oms_core.application.operation_queue import OperationQueue
from oms_core.application.operation_sagas import operation_sagas
from oms_core.application.payment_directory import PaymentDirectory
from oms_core.application.place_order_saga import place_order_saga
from oms_core.application.saga_moves import SagaMoves
from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    Reserved,
    StockItem,
    StockLevel,
    demands_of,
)
from oms_core.domain.money import Money
from oms_core.domain.order import ReservationState
from oms_core.domain.payment import PaymentState, PaymentStatus, TransferState
from oms_core.errors import InvalidState
from oms_core.ports.clock import system_randomness
from oms_core.ports.payments import (
    Capabilities,
    OperationResult,
    OperationStatus,
    PaymentSnapshot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.inventory import Demand, StockMovement
    from oms_core.domain.operation import Operation
    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.payments import (
        Authorize,
        Cancel,
        Capture,
        PaymentRef,
        Reauthorize,
        Refund,
    )

_MOVES_MAX: Final = 100
_DONE: Final = OperationResult(OperationStatus.DONE)


@frozen
class StockEffect:
    """What would change of one stock item, in pieces."""

    item: StockItem
    on_hand_delta: int
    reserved_delta: int


@frozen
class Foresight:
    """What an operation would cause if provider and inventory do what they are asked."""

    before: Order
    """The order as it is; if it has other things to do before, as it is when they are done."""
    after: Order
    """The order when the operation is over, or stops by itself."""
    operation_id: UUID
    stock: tuple[StockEffect, ...]

    @property
    def operation(self) -> Operation:
        """The operation as it would end."""
        operation = self.after.operation(self.operation_id)
        if operation is None:
            message = f"operation {self.operation_id} was not written down"
            raise LookupError(message)
        return operation

    @property
    def why(self) -> str | None:
        """Why it would be refused or stop; ``None``: it would be done."""
        operation = self.operation
        if operation.refusal is not None:
            return operation.refusal.message
        attention = self.after.saga.attention
        if operation.is_over or attention is None:
            return None
        return attention.message

    @property
    def captured(self) -> Money:
        """What would be taken from the customer."""
        return self.after.payment.captured - self.before.payment.captured

    @property
    def refunded(self) -> Money:
        """What would be given back to the customer."""
        return self.after.payment.refunded - self.before.payment.refunded

    @property
    def released(self) -> Money:
        """What of the hold would be released without being taken."""
        return Money(
            max(_held(self.before) - _held(self.after) - self.captured.minor, 0),
            self.before.currency,
        )


def look_ahead(
    order: Order,
    asked: Order,
    operation_id: UUID,
    *,
    payments: PaymentDirectory,
    settings: PlaceOrderSettings,
    at: datetime,
) -> Foresight:
    """Tell what an operation would cause; nothing is stored and nobody is called.

    *asked* is *order* with the operation written down. What was asked before runs first, and
    its effects do not count. Time passes as the order needs it: what waits for a provider's
    answer gets one.
    """
    stock = _WillingInventory(order)
    tenant_id, name = order.scope.tenant_id, order.payment.provider
    real = payments.find(tenant_id, name)
    provider = _WillingPayments(order, real.capabilities if real else Capabilities())
    policy = payments.policy_of(tenant_id, name)
    willing = PaymentDirectory({name: provider}, policies={name: policy})
    queue = OperationQueue(operation_sagas(stock, willing, settings))
    placing = place_order_saga(stock, willing, settings)
    moves = SagaMoves([placing], queue, system_randomness(), bug_attempts_max=1)
    before = order
    after = queue.go_on(asked, at)
    waits = after.saga.operation != operation_id
    for _ in range(_MOVES_MAX):
        if waits and after.saga.operation == operation_id:
            # What was asked before is done now, and counts no more.
            waits, before = False, after
            stock.effects.clear()
        operation = after.operation(operation_id)
        due_at = after.saga.due_at
        if operation is None or operation.is_over or after.saga.paused or due_at is None:
            break
        at = max(at, due_at)
        stock.order = provider.order = after
        after = moves.apply(after, moves.attempt(after, at), at)
    effects = tuple(
        StockEffect(item, on_hand, reserved)
        for item, (on_hand, reserved) in sorted(stock.effects.items())
        if on_hand or reserved
    )
    return Foresight(before, after, operation_id, effects)


def _held(order: Order) -> int:
    """Tell what is still held and not taken, in minor units."""
    payment = order.payment
    if payment.authorization is None or _is_closed(order):
        return 0
    return max(payment.authorization.amount.minor - payment.captured.minor, 0)


def _is_closed(order: Order) -> bool:
    """Tell whether the rest of the hold was released with a final capture."""
    return any(one.final and one.state is TransferState.DONE for one in order.payment.captures)


@define(eq=False)
class _WillingInventory:
    """Does all it is asked, and counts what that would change."""

    order: Order
    effects: dict[StockItem, tuple[int, int]] = field(factory=dict)

    def reserve(
        self, scope: Scope, reservation_id: str, demands: Sequence[Demand], **_: object
    ) -> Reserved:
        del scope, reservation_id
        self._count(demands, 0, 1)
        return Reserved()

    def harden(self, scope: Scope, reservation_id: str) -> Reserved:
        del scope, reservation_id
        return Reserved()

    def release(self, scope: Scope, reservation_id: str) -> AlreadyReleased:
        del scope, reservation_id
        if self.order.reservation in {ReservationState.HELD, ReservationState.EARMARKED}:
            self._count(demands_of(self.order.lines), 0, -1)
        return AlreadyReleased()

    def commit_part(
        self,
        scope: Scope,
        reservation_id: str,
        part_id: str,
        demands: Sequence[Demand],
        *,
        actor: str,
    ) -> AlreadyCommitted:
        del scope, reservation_id, part_id, actor
        self._count(demands, -1, -1)
        return AlreadyCommitted()

    def adjust(self, scope: Scope, movement: StockMovement) -> StockLevel:
        del scope
        on_hand, reserved = self.effects.get(movement.item, (0, 0))
        self.effects[movement.item] = (on_hand + movement.quantity_delta, reserved)
        return StockLevel(movement.item, 0, 0)

    def commit(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    levels = movements = ping = commit

    def _count(self, demands: Sequence[Demand], on_hand: int, reserved: int) -> None:
        for demand in demands:
            there, promised = self.effects.get(demand.item, (0, 0))
            self.effects[demand.item] = (
                there + on_hand * demand.quantity,
                promised + reserved * demand.quantity,
            )


@define(eq=False)
class _WillingPayments:
    """Says what the order knows of its payment, and does all it is asked that can be done."""

    order: Order
    capabilities: Capabilities
    refused: set[str] = field(factory=set)

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        del ref
        payment = self.order.payment
        nothing = Money.zero(self.order.currency)
        held = payment.authorization.amount if payment.authorization else nothing
        return PaymentSnapshot(
            _state_of(self.order), held, payment.captured, payment.refunded, self.order.id
        )

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        snapshot = self.lookup(command.ref)
        return evolve(snapshot, state=PaymentState.AUTHORIZED, authorized=command.amount)

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        return self.lookup(command.ref)

    def capture(self, command: Capture) -> OperationResult:
        if command.amount.minor > _held(self.order):
            # A final capture before this one has released the rest.
            self.refused.add(command.operation_id)
            raise InvalidState("no_longer_held")
        return _DONE

    def cancel(self, command: Cancel) -> OperationResult:
        del command
        return _DONE

    def refund(self, command: Refund) -> OperationResult:
        del command
        return _DONE

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        del ref
        return None if operation_id in self.refused else _DONE

    def parse_webhook(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError

    probe = parse_webhook


def _state_of(order: Order) -> PaymentState:
    payment = order.payment
    if payment.captured:
        whole = payment.captured >= order.total or _is_closed(order)
        return PaymentState.CAPTURED if whole else PaymentState.PARTIALLY_CAPTURED
    if payment.status is PaymentStatus.AUTHORIZED:
        return PaymentState.AUTHORIZED
    if payment.status is PaymentStatus.DECLINED:
        return PaymentState.DECLINED
    if payment.status is PaymentStatus.VOIDED:
        return PaymentState.CANCELLED
    return PaymentState.CONFIRMABLE
