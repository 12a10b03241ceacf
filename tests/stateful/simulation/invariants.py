"""I1-I8, I11 and I14 as statements about a world, checked after every deed."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from attrs import define, field

from oms_core.domain.events import HistoryEntry
from oms_core.domain.inventory import AllocationModel, StockItem
from oms_core.domain.order import Order, ReservationState
from oms_core.domain.order_status import TRANSITIONS, OrderStatus
from oms_core.domain.payment import PaymentStatus
from tests.stateful.simulation.accounts import (
    Move,
    check_goods_flow,
    check_money_flow,
    check_nothing_is_corrected,
    check_quantities,
    check_rest,
    check_sums,
    generations_of,
    moves_of,
    promised,
)
from tests.stateful.simulation.world import SCOPES, SKUS, World

if TYPE_CHECKING:
    from uuid import UUID

    from oms_adapters.payments.simulated import PaymentAudit
    from oms_core import Scope


@define
class Invariants:
    """Watches one world; remembers what it saw, to notice what was taken back."""

    world: World
    histories: dict[UUID, tuple[HistoryEntry, ...]] = field(factory=dict)
    versions: dict[UUID, int] = field(factory=dict)
    moves: Counter[Move] = field(factory=Counter)
    """Every move of a status that was seen."""

    def check(self) -> None:
        """Check everything that must hold at every moment."""
        orders = self.world.orders()
        audits = self._audits()
        for order in orders:
            self._history_only_grows(order)
            self._money_is_right(order, audits)
            self._keys_are_counted(order, audits)
            self._events_are_in_order(order)
            if order.status.is_dead and order.saga.name != "check_payment":
                assert order.saga.phase.is_over, "I7: dead, but not undone"
            check_quantities(order)
            check_nothing_is_corrected(order)
            check_money_flow(order, audits.get((order.payment.reference, order.id)))
            self.moves.update(moves_of(order))
        self._references_back_one_live_order(orders)
        for scope in SCOPES:
            self._stock_adds_up(scope, [order for order in orders if order.scope == scope])

    def check_at_rest(self) -> None:
        """Check what must hold when faults have ceased and nothing is due."""
        self.check()
        audits = self._audits()
        for order in self.world.orders():
            check_rest(order)
            check_sums(order, audits.get((order.payment.reference, order.id)))
            if order.status is OrderStatus.FAILED:
                assert order.failure is not None
            received = self.world.received.get(order.id, [])
            assert {event.sequence for event in received} == {
                entry.sequence for entry in order.history
            }, "I11: a gap in the events"
            self._keys_are_counted(order, audits)
        for scope in SCOPES:
            self._stock_is_exact(scope)

    # -- I5, I8 --------------------------------------------------------------------------

    def _history_only_grows(self, order: Order) -> None:
        seen = self.histories.get(order.id, ())
        assert order.history[: len(seen)] == seen, "I5: history was rewritten"
        assert [entry.sequence for entry in order.history] == list(range(1, len(order.history) + 1))
        for entry in order.history[1:]:
            assert entry.status_before is not None
            if entry.status_after is not entry.status_before:
                assert entry.status_after in TRANSITIONS[entry.status_before], "I5: illegal move"
        for one, following in pairwise(order.history):
            assert one.status_after is following.status_before, "I5: a jump in the status"
        assert order.history[-1].status_after is order.status
        assert order.version >= self.versions.get(order.id, 0), "I8: an older version came back"
        self.histories[order.id] = order.history
        self.versions[order.id] = order.version

    # -- I2, I14 -------------------------------------------------------------------------

    def _audits(self) -> dict[tuple[str, UUID | None], PaymentAudit]:
        return {(a.reference, a.order_id): a for a in self.world.payments.audit()}

    def _money_is_right(
        self, order: Order, audits: dict[tuple[str, UUID | None], PaymentAudit]
    ) -> None:
        audit = audits.get((order.payment.reference, order.id))
        if not order.status.is_dead and order.status is not OrderStatus.PENDING_PAYMENT:
            needs = order.payment.status is not PaymentStatus.NOT_REQUIRED
            assert (audit is not None) or not needs
            if audit is not None and needs:
                assert audit.authorized == order.total, "I2: held what was not asked"
        if audit is None:
            return
        assert audit.live_authorizations <= 1, "I2: two live authorizations"
        assert audit.authorizations <= 1, "I2: the customer was held for twice"
        assert 0 <= audit.refunded.minor <= audit.captured.minor
        assert audit.captured.minor + audit.voided.minor <= audit.authorized.minor
        if order.status.is_dead:
            held = audit.authorized.minor - audit.voided.minor - audit.captured.minor
            assert held == 0, "I2/I7: a dead order still holds money"
            assert audit.captured == audit.refunded, "I2: a dead order was paid"

    def _references_back_one_live_order(self, orders: list[Order]) -> None:
        live = Counter(
            (order.scope.tenant_id, order.payment.provider, order.payment.reference)
            for order in orders
            if not order.status.is_dead
        )
        assert all(count == 1 for count in live.values()), "I2: one reference, two live orders"

    def _keys_are_counted(
        self, order: Order, audits: dict[tuple[str, UUID | None], PaymentAudit]
    ) -> None:
        audit = audits.get((order.payment.reference, order.id))
        for operation in () if audit is None else audit.operations:
            allowed = generations_of(order, operation)
            assert operation.keys <= allowed, f"I14: {operation.operation}: too many keys"
            assert operation.effects <= 1, f"I2: {operation.operation} had two effects"

    # -- I3, I4, I7 ----------------------------------------------------------------------

    def _stock_adds_up(self, scope: Scope, orders: list[Order]) -> None:
        surely: Counter[str] = Counter()
        perhaps: Counter[str] = Counter()
        for order in orders:
            least, most = promised(order)
            surely.update(least)
            perhaps.update(most)
        hard = self.world.allocation.model is AllocationModel.HARD
        for level in self._levels(scope):
            assert level.available >= 0, "I4: oversold"
            movements = self.world.inventory.movements(scope, level.item, limit=1_000)
            assert level.on_hand == sum(one.quantity_delta for one in movements), (
                "I3: on-hand is not the ledger's sum"
            )
            assert len({one.movement_id for one in movements}) == len(movements), "I3: twice"
            sku = level.item.sku
            for order in orders:
                check_goods_flow(order, sku, movements)
            if hard:
                assert surely[sku] <= level.reserved <= perhaps[sku], (
                    f"I3: {surely[sku]} <= {level.reserved} <= {perhaps[sku]} of {sku}"
                )

    def _stock_is_exact(self, scope: Scope) -> None:
        expected: Counter[str] = Counter()
        for order in self.world.orders():
            if order.scope == scope:
                least, most = promised(order)
                assert least == most, "I6: stock on its way"
                expected.update(least)
        if all(
            order.reservation is not ReservationState.EARMARKED for order in self.world.orders()
        ):
            for level in self._levels(scope):
                assert level.reserved == expected[level.item.sku], "I3/I7: leaked stock"

    def _levels(self, scope: Scope):  # type: ignore[no-untyped-def]  # noqa: ANN202
        items = [StockItem(sku) for sku in SKUS]
        return self.world.inventory.levels(scope, items=items).levels

    # -- I11 -----------------------------------------------------------------------------

    def _events_are_in_order(self, order: Order) -> None:
        highest = 0
        ids: dict[int, UUID] = {}
        for event in self.world.received.get(order.id, []):
            assert event.sequence <= highest + 1, "I11: an event overtook another"
            highest = max(highest, event.sequence)
            assert ids.setdefault(event.sequence, event.event_id) == event.event_id
            assert order.history[event.sequence - 1] == event.entry
