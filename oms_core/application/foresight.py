"""What an operation would cause: the same tables, over an inventory and a provider that say yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from attrs import define, field, frozen

from oms_core.application.operation_queue import OperationQueue
from oms_core.application.operation_sagas import operation_sagas
from oms_core.application.payment_directory import PaymentDirectory
from oms_core.application.place_order_saga import place_order_saga
from oms_core.application.saga_moves import SagaMoves, goes_on
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
from oms_core.domain.payment import PaymentState, PaymentStatus
from oms_core.ports.clock import system_randomness
from oms_core.ports.payments import (
    Capabilities,
    OperationResult,
    OperationStatus,
    PaymentSnapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.inventory import Demand, StockMovement
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
    after: Order
    stock: tuple[StockEffect, ...]

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
    ask: Callable[[Order], Order],
    *,
    payments: PaymentDirectory,
    settings: PlaceOrderSettings,
    at: datetime,
) -> Foresight:
    """Tell what asking would cause; nothing is stored and nobody is called."""
    stock = _WillingInventory(order)
    tenant_id, name = order.scope.tenant_id, order.payment.provider
    real = payments.find(tenant_id, name)
    provider = _WillingPayments(order, real.capabilities if real else Capabilities())
    policy = payments.policy_of(tenant_id, name)
    willing = PaymentDirectory({name: provider}, policies={name: policy})
    queue = OperationQueue(operation_sagas(stock, willing, settings))
    asked = queue.go_on(ask(order), at)
    placing = place_order_saga(stock, willing, settings)
    moves = SagaMoves([placing], queue, system_randomness(), bug_attempts_max=1)
    after = asked
    for _ in range(_MOVES_MAX):
        if not goes_on(after.saga, at):
            break
        after = moves.apply(after, moves.attempt(after, at), at)
    effects = tuple(
        StockEffect(item, on_hand, reserved)
        for item, (on_hand, reserved) in sorted(stock.effects.items())
        if on_hand or reserved
    )
    return Foresight(order, after, effects)


def _held(order: Order) -> int:
    """Tell what is still held and not taken, in minor units."""
    payment = order.payment
    if payment.authorization is None or payment.status is PaymentStatus.VOIDED:
        return 0
    if any(one.final for one in payment.captures if not one.state.is_open and not one.refusal):
        return 0
    return max(payment.authorization.amount.minor - payment.captured.minor, 0)


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
    """Says what the order knows of its payment, and does all it is asked."""

    order: Order
    capabilities: Capabilities

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        del ref
        payment = self.order.payment
        nothing = Money.zero(self.order.currency)
        held = payment.authorization.amount if payment.authorization else nothing
        return PaymentSnapshot(
            _state_of(self.order), held, payment.captured, payment.refunded, self.order.id
        )

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        return self.lookup(command.ref)

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        return self.lookup(command.ref)

    def capture(self, command: Capture) -> OperationResult:
        del command
        return _DONE

    def cancel(self, command: Cancel) -> OperationResult:
        del command
        return _DONE

    def refund(self, command: Refund) -> OperationResult:
        del command
        return _DONE

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult:
        del ref, operation_id
        return _DONE

    def parse_webhook(self, *_: object) -> NoReturn:
        raise NotImplementedError

    probe = parse_webhook


def _state_of(order: Order) -> PaymentState:
    payment = order.payment
    if payment.captured:
        whole = payment.captured >= order.total
        return PaymentState.CAPTURED if whole else PaymentState.PARTIALLY_CAPTURED
    if payment.status is PaymentStatus.AUTHORIZED:
        return PaymentState.AUTHORIZED
    if payment.status is PaymentStatus.DECLINED:
        return PaymentState.DECLINED
    if payment.status is PaymentStatus.VOIDED:
        return PaymentState.CANCELLED
    return PaymentState.CONFIRMABLE
