"""The steps of an order's sagas that promise stock, or give it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.application.saga import Done, Refused, Stuck, unchanged
from oms_core.domain.failure import FailureReason
from oms_core.domain.inventory import (
    AllocationModel,
    AlreadyCommitted,
    OutOfStock,
    Reserved,
    demands_of,
)
from oms_core.domain.order import ReservationState

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.application.saga import Apply, StepOutcome, Work
    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.order import Order
    from oms_core.ports.inventory import Inventory

OUT_OF_STOCK: Final = FailureReason("out_of_stock", "There is not enough stock for the order.")
INVENTORY_UNAVAILABLE: Final = FailureReason(
    "inventory_unavailable", "The inventory gave no answer for too long."
)


@frozen
class StockSteps:
    """Promise every piece of an order, or see to it that nothing is promised."""

    inventory: Inventory
    settings: PlaceOrderSettings
    then: Apply = unchanged
    """What a confirmed order asks for by itself."""

    def reserve(self, work: Work) -> StepOutcome:
        """Promise every line, or refuse the order."""
        order = work.order
        allocation = self.settings.allocation_for(order.scope.tenant_id)
        outcome = self.inventory.reserve(
            order.scope, str(order.id), demands_of(order.lines), allocation=allocation
        )
        soft = allocation.model is AllocationModel.SOFT
        if isinstance(outcome, Reserved):
            return Done(lambda order, at: order.record_reservation(soft=soft, at=at))
        return _short(outcome)

    def release(self, work: Work) -> StepOutcome:
        """Make the pieces available again, whether or not they were ever reserved."""
        outcome = self.inventory.release(work.order.scope, str(work.order.id))
        if isinstance(outcome, AlreadyCommitted):
            return Stuck(
                "goods_have_left",
                "The goods of this order have left although it fails. Bring them back or book "
                "them out by hand, then settle the order.",
            )
        return Done(lambda order, at: order.record_release(at=at))

    def confirm(self, work: Work) -> StepOutcome:
        """Promise the goods for good; an earmark is made firm first."""
        if work.order.reservation is ReservationState.HELD:
            return Done(self._confirm)
        outcome = self.inventory.harden(work.order.scope, str(work.order.id))
        if isinstance(outcome, Reserved):
            return Done(
                lambda order, at: self._confirm(order.record_reservation(soft=False, at=at), at)
            )
        return _short(outcome)

    def _confirm(self, order: Order, at: datetime) -> Order:
        return self.then(order.confirm(at=at), at)


def _short(outcome: object) -> StepOutcome:
    if isinstance(outcome, OutOfStock):
        missing = {s.item.sku: s.wanted - s.available for s in outcome.shortages}
        return Refused(OUT_OF_STOCK, lambda order, at: order.record_shortage(missing, at=at))
    return Stuck(
        "reservation_lost",
        "The inventory says that this order's reservation was released or committed by "
        "somebody else. Compare order and inventory, then retry the order.",
    )
