"""What customers and merchants ask of orders that were placed, sensible or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, field, frozen

from oms_core import Money, OrderStatus
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    DeliverGoods,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.order_operations import Caller
from oms_core.domain.capturing import capturable
from oms_core.domain.fulfillment import FulfillmentState
from oms_core.domain.operation import operation_id_for
from oms_core.domain.refunding import refundable
from oms_core.domain.returns import Condition, ReturnState
from oms_core.errors import IdempotencyKeyReused, NotPossible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random
    from uuid import UUID

    from oms_core import Order
    from oms_core.application.order_operations import Asked
    from tests.stateful.simulation.world import World

Arguments: TypeAlias = "tuple[Any, ...]"
SHY: Final = frozenset({"cancel"})
"""What is asked for more rarely: it ends the story."""


@frozen
class Said:
    """A request that was accepted, to be sent again."""

    order: Order
    name: str
    arguments: Arguments
    key: str


@define
class Merchant:
    """Asks one thing after the other, drawn by *chance*."""

    world: World
    chance: Random
    said: list[Said] = field(factory=list)
    keys: int = 0
    refused: int = 0

    def ask_something(self, order: Order) -> None:
        """Ask something that may well be possible now; now and then anything."""
        sensible = self._sensible(order)
        if self.chance.random() < ODD_RATE or not sensible:
            name = self.chance.choice(sorted(_WAYS))
        else:
            name = self.chance.choice(sensible)
            if name in SHY and self.chance.random() < SHYNESS:
                return
        arguments = _WAYS[name](self, order)
        if arguments is not None:
            self.keys += 1
            self.ask(order, name, arguments, f"ask-{self.keys}")

    def ask(self, order: Order, name: str, arguments: Arguments, key: str) -> None:
        """Ask; a refusal changes nothing."""
        caller = Caller(key, "merchant")
        operation_id = operation_id_for(order.id, key)
        known = order.operation(operation_id)
        try:
            asked: Asked = getattr(self.world.oms.operations, name)(
                order.scope, order.id, *arguments, caller
            )
        except NotPossible:
            assert self._now(order) == order, "refused, and yet changed"
            assert known is None, "a repeat was refused"
            self.refused += 1
            return
        assert asked.operation.id == operation_id
        assert asked.replayed == (known is not None)
        if asked.replayed:
            assert asked.order.version == order.version, "a repeat changed something"
        else:
            self.said.append(Said(order, name, arguments, key))

    def repeat(self) -> None:
        """Send a request again, however much has happened since."""
        if self.said:
            said = self.chance.choice(self.said)
            self.ask(self._now(said.order), said.name, said.arguments, said.key)

    def reuse_key(self) -> None:
        """Send something else under a used key."""
        if not self.said:
            return
        said = self.chance.choice(self.said)
        order = self._now(said.order)
        amount = CapturePayment("0.07" if said.name != "capture" else "0.08")
        try:
            self.world.oms.operations.capture(order.scope, order.id, amount, Caller(said.key))
        except IdempotencyKeyReused:
            assert self._now(order) == order
            return
        if said.arguments != (amount,):
            raise AssertionError("another request was taken for a repeat")

    def _now(self, order: Order) -> Order:
        return self.world.oms.get_order(order.scope, order.id)

    # -- what is sensible --------------------------------------------------------------------

    @staticmethod
    def _sensible(order: Order) -> list[str]:
        states = {one.state for one in order.fulfillments}
        returns = {one.state for one in order.returns}
        wise = {
            "cancel": order.status in _EARLY,
            "capture": order.status in _SHIPS and bool(capturable(order)),
            "fulfill": order.status in _SHIPS,
            "deliver": FulfillmentState.SHIPPED in states,
            "complete": order.status is OrderStatus.DELIVERED,
            "request_return": order.status in _SENDS_BACK
            and any(one.to_return for one in order.quantities.values()),
            "approve_return": ReturnState.REQUESTED in returns,
            "reject_return": ReturnState.REQUESTED in returns,
            "receive_return": bool(
                returns & {ReturnState.APPROVED, ReturnState.PARTIALLY_RECEIVED}
            ),
            "refund": order.status in _REFUNDS and bool(refundable(order)),
        }
        return [name for name, is_wise in wise.items() if is_wise]

    # -- how it is asked ---------------------------------------------------------------------

    def _pieces(self, left: dict[int, int]) -> list[Pieces]:
        """Choose some of what is left; nothing chosen means all of it."""
        if self.chance.random() < ALL_RATE:
            return []
        chosen = [
            Pieces(number, self.chance.randint(1, quantity))
            for number, quantity in left.items()
            if quantity and self.chance.random() < ALL_RATE
        ]
        if self.chance.random() < ODD_RATE / 2:
            return [Pieces(1, 1_000)]
        return chosen

    def _amount(self, most: Money) -> str | None:
        if self.chance.random() < ALL_RATE or not most:
            return None
        return Money(self.chance.randint(1, most.minor), most.currency).amount

    def _one(self, ids: list[UUID]) -> UUID | None:
        return self.chance.choice(ids) if ids else None

    def cancel(self, _: Order) -> Arguments:
        """Ask for the end of the order."""
        return (CancelOrder(self.chance.choice((None, "changed my mind"))),)

    def capture(self, order: Order) -> Arguments:
        """Take a part of what is held, or all."""
        final = self.chance.random() < FINAL_RATE
        return (CapturePayment(self._amount(capturable(order)), final),)

    def fulfill(self, order: Order) -> Arguments:
        """Let some pieces leave."""
        left = {number: one.to_fulfill for number, one in order.quantities.items()}
        return (FulfillOrder(self._pieces(left)),)

    def deliver(self, order: Order) -> Arguments | None:
        """Tell that a parcel arrived."""
        shipped = [o.id for o in order.fulfillments if o.state is FulfillmentState.SHIPPED]
        one = self._one(shipped or [o.id for o in order.fulfillments])
        return None if one is None else (one, DeliverGoods())

    def complete(self, _: Order) -> Arguments:
        """Close the order."""
        return (CompleteOrder(),)

    def request_return(self, order: Order) -> Arguments:
        """Send some pieces back."""
        left = {number: one.to_return for number, one in order.quantities.items()}
        return (RequestReturn(self._pieces(left)),)

    def decide(self, order: Order) -> Arguments | None:
        """Decide about a return."""
        asked = [o.id for o in order.returns if o.state is ReturnState.REQUESTED]
        one = self._one(asked or [o.id for o in order.returns])
        return None if one is None else (one, DecideReturn())

    def receive_return(self, order: Order) -> Arguments | None:
        """Book some pieces that came back."""
        coming = [o for o in order.returns if o.is_open]
        if not coming:
            return None
        one = self.chance.choice(coming)
        left = {part.line: part.quantity - one.announced(part.line) for part in one.lines}
        lines = [
            PiecesReceived(
                number,
                self.chance.randint(1, quantity),
                self.chance.choice(list(Condition)),
                self.chance.random() < ALL_RATE,
            )
            for number, quantity in left.items()
            if quantity and self.chance.random() < LIKELY
        ]
        return (one.id, ReceiveReturn(lines)) if lines else None

    def refund(self, order: Order) -> Arguments:
        """Give money back: for pieces, an amount, or all."""
        left = {number: one.to_refund for number, one in order.quantities.items()}
        if self.chance.random() < ALL_RATE:
            return (RefundPayment(lines=self._pieces(left)),)
        return (RefundPayment(self._amount(refundable(order))),)


_WAYS: Final[Mapping[str, Callable[[Merchant, Order], Arguments | None]]] = {
    "cancel": Merchant.cancel,
    "capture": Merchant.capture,
    "fulfill": Merchant.fulfill,
    "deliver": Merchant.deliver,
    "complete": Merchant.complete,
    "request_return": Merchant.request_return,
    "approve_return": Merchant.decide,
    "reject_return": Merchant.decide,
    "receive_return": Merchant.receive_return,
    "refund": Merchant.refund,
}
ODD_RATE: Final = 0.08
SHYNESS: Final = 0.8
ALL_RATE: Final = 0.4
FINAL_RATE: Final = 0.1
LIKELY: Final = 0.8
_EARLY: Final = frozenset(
    {
        OrderStatus.PENDING_PAYMENT,
        OrderStatus.PAYMENT_AUTHORIZED,
        OrderStatus.CONFIRMED,
        OrderStatus.PROCESSING,
    }
)
_SHIPS: Final = frozenset(
    {OrderStatus.CONFIRMED, OrderStatus.PROCESSING, OrderStatus.PARTIALLY_FULFILLED}
)
_SENDS_BACK: Final = frozenset(
    {
        OrderStatus.DELIVERED,
        OrderStatus.COMPLETED,
        OrderStatus.RETURN_REQUESTED,
        OrderStatus.PARTIALLY_RETURNED,
    }
)
_REFUNDS: Final = frozenset(
    {
        OrderStatus.COMPLETED,
        OrderStatus.PARTIALLY_RETURNED,
        OrderStatus.RETURNED,
        OrderStatus.PARTIALLY_REFUNDED,
    }
)
