"""The steps of an order's sagas that let goods leave, or take them back into stock."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid5

from attrs import frozen

from oms_core.application.saga import Done, Stuck
from oms_core.domain.fulfilling import fulfillment_of, ship
from oms_core.domain.inventory import AlreadyCommitted, StockItem, StockMovement, demands_of
from oms_core.domain.line_item import LineItem
from oms_core.domain.order import SYSTEM
from oms_core.domain.returning import book_receipt, receipt_of

if TYPE_CHECKING:
    from oms_core.application.saga import StepOutcome, Work
    from oms_core.domain.line_item import LineQuantity
    from oms_core.domain.order import Order
    from oms_core.ports.inventory import Inventory


@frozen
class GoodsSteps:
    """Tell the inventory what left and what came back, once each."""

    inventory: Inventory

    def ship(self, work: Work) -> StepOutcome:
        """Let the goods of the present fulfillment leave the stock."""
        order = work.order
        fulfillment = fulfillment_of(order, order.operation_id)
        demands = demands_of([_part_of(order, part) for part in fulfillment.lines])
        actor = operation.actor if (operation := order.present_operation) else SYSTEM
        outcome = self.inventory.commit_part(
            order.scope, str(order.id), str(fulfillment.id), demands, actor=actor
        )
        if isinstance(outcome, AlreadyCommitted):
            return Done(lambda order, at: ship(order, fulfillment.id, at=at))
        return Stuck(
            "reservation_lost",
            "The inventory no longer holds the goods of this fulfillment for the order. Compare "
            "order and inventory, then retry the order, or skip the step if the goods have left.",
        )

    def restock(self, work: Work) -> StepOutcome:
        """Book the goods of the present receipt that can be sold again into stock."""
        order = work.order
        _, receipt = receipt_of(order, order.operation_id)
        actor = operation.actor if (operation := order.present_operation) else SYSTEM
        lines = {line.number: line for line in order.lines}
        for part in receipt.lines:
            if not part.restock:
                continue
            line = lines[part.line]
            movement = StockMovement(
                movement_id=str(uuid5(receipt.id, f"restock/{part.line}")),
                item=StockItem(line.sku, line.location),
                quantity_delta=part.quantity,
                reason=f"return to order {order.id}",
                at=receipt.at,
                actor=actor,
            )
            self.inventory.adjust(order.scope, movement)
        return Done(lambda order, at: book_receipt(order, receipt.id, at=at))


def _part_of(order: Order, part: LineQuantity) -> LineItem:
    """Return a line as if only *part* of it had been ordered."""
    line = next(line for line in order.lines if line.number == part.line)
    return LineItem(line.number, line.sku, part.quantity, line.unit_price, line.name, line.location)
