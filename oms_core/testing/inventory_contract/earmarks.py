"""A SOFT reservation holds for a limited time, unless it is made hard in time."""

from __future__ import annotations

from oms_core.domain.inventory import (
    Allocation,
    AllocationModel,
    AlreadyCommitted,
    AlreadyReleased,
    OutOfStock,
    Reserved,
    Shortage,
    StockLevel,
)
from oms_core.errors import InsufficientStock
from oms_core.testing.inventory_contract.suite import (
    ARMCHAIR,
    LAMP,
    SOFT,
    InventorySuite,
)
from oms_core.testing.refusal import refusal


class LetsEarmarksLapse(InventorySuite):
    """``reserve``, ``harden`` and ``commit`` in the SOFT model."""

    def _earmarked(self, reservation_id: str = "order-1", quantity: int = 3) -> None:
        outcome = self.reserve(reservation_id, {ARMCHAIR: quantity}, allocation=SOFT)
        assert outcome == Reserved()

    def test_earmarked_pieces_are_not_available(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 3, 3)
        assert self.reserve("order-2", {ARMCHAIR: 1}) == OutOfStock([Shortage(ARMCHAIR, 1, 0)])

    def test_an_earmark_is_whole_or_absent_too(self) -> None:
        self.receive(ARMCHAIR, 3)

        outcome = self.reserve("order-1", {ARMCHAIR: 3, LAMP: 1}, allocation=SOFT)

        assert outcome == OutOfStock([Shortage(LAMP, 1, 0)])
        assert self.level(ARMCHAIR).reserved == 0

    def test_it_lapses_by_itself_at_the_very_moment(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()

        self.clock.advance(899.999_999)
        assert self.level(ARMCHAIR).available == 0

        self.clock.advance(0.000_001)
        assert self.level(ARMCHAIR).available == 3

    def test_each_one_has_a_time_of_its_own(self) -> None:
        self.receive(ARMCHAIR, 9)
        for seconds in (30, 10, 20):
            allocation = Allocation(AllocationModel.SOFT, ttl_s=float(seconds))
            self.reserve(f"order-{seconds}", {ARMCHAIR: 3}, allocation=allocation)

        available = []
        for _ in range(3):
            self.clock.advance(10)
            available.append(self.level(ARMCHAIR).available)

        assert available == [3, 6, 9]

    def test_lapsed_pieces_can_be_reserved_by_others(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(900)

        assert self.reserve("order-2", {ARMCHAIR: 3}) == Reserved()

    def test_lapsed_pieces_can_be_taken_out_of_the_ledger(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        out = self.movement(ARMCHAIR, -3, movement_id="breakage")
        refusal(InsufficientStock, lambda: self.inventory.adjust(self.scope, out))
        self.clock.advance(900)

        assert self.inventory.adjust(self.scope, out) == StockLevel(ARMCHAIR, 0, 0)

    def test_a_repeated_reserve_does_not_prolong_it(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(600)
        self._earmarked()

        self.clock.advance(300)

        assert self.level(ARMCHAIR).reserved == 0

    def test_reserving_a_lapsed_one_again_takes_the_same_pieces_for_a_new_time(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(900)

        self._earmarked()

        assert self.level(ARMCHAIR).reserved == 3
        self.clock.advance(899)
        assert self.level(ARMCHAIR).reserved == 3
        self.clock.advance(1)
        assert self.level(ARMCHAIR).reserved == 0

    def test_reserving_a_lapsed_one_again_is_refused_if_its_pieces_are_gone(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(900)
        self.reserve("order-2", {ARMCHAIR: 1})

        outcome = self.reserve("order-1", {ARMCHAIR: 3}, allocation=SOFT)

        assert outcome == OutOfStock([Shortage(ARMCHAIR, wanted=3, available=2)])
        assert self.level(ARMCHAIR).reserved == 1

    # -- hardened ----------------------------------------------------------------------------

    def test_a_hardened_one_stays_for_ever(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(899)

        assert self.inventory.harden(self.scope, "order-1") == Reserved()

        self.clock.advance(1_000_000)
        assert self.level(ARMCHAIR).reserved == 3
        assert self.inventory.harden(self.scope, "order-1") == Reserved()

    def test_hardening_a_lapsed_one_takes_its_pieces_again_for_ever(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(900)

        assert self.inventory.harden(self.scope, "order-1") == Reserved()

        self.clock.advance(1_000_000)
        assert self.level(ARMCHAIR).reserved == 3

    def test_hardening_a_lapsed_one_is_refused_if_its_pieces_are_gone(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(900)
        self.reserve("order-2", {ARMCHAIR: 2})

        outcome = self.inventory.harden(self.scope, "order-1")

        assert outcome == OutOfStock([Shortage(ARMCHAIR, wanted=3, available=1)])
        assert self.level(ARMCHAIR).reserved == 2

    def test_hardening_what_was_released_or_never_reserved_promises_nothing(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.inventory.release(self.scope, "order-1")

        assert self.inventory.harden(self.scope, "order-1") == AlreadyReleased()
        assert self.inventory.harden(self.scope, "unknown") == AlreadyReleased()
        assert self.level(ARMCHAIR).reserved == 0

    def test_hardening_what_has_left_takes_nothing_more(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.inventory.commit(self.scope, "order-1", actor="worker")

        assert self.inventory.harden(self.scope, "order-1") == AlreadyCommitted()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 0, 0)

    # -- released and committed --------------------------------------------------------------

    def test_an_earmark_can_be_released_before_and_after_it_lapsed(self) -> None:
        self.receive(ARMCHAIR, 10)
        self._earmarked("early")
        self._earmarked("late")
        assert self.inventory.release(self.scope, "early") == AlreadyReleased()
        assert self.level(ARMCHAIR).reserved == 3
        self.clock.advance(900)

        assert self.inventory.release(self.scope, "late") == AlreadyReleased()

        assert self.level(ARMCHAIR).reserved == 0
        assert self.reserve("late", {ARMCHAIR: 3}) == AlreadyReleased()

    def test_a_released_earmark_does_not_lapse_a_second_time(self) -> None:
        self.receive(ARMCHAIR, 10)
        self._earmarked("order-1")
        self.reserve("order-2", {ARMCHAIR: 4})
        self.inventory.release(self.scope, "order-1")

        self.clock.advance(900)

        assert self.level(ARMCHAIR).reserved == 4

    def test_earmarked_goods_can_leave(self) -> None:
        self.receive(ARMCHAIR, 10)
        self._earmarked()

        outcome = self.inventory.commit(self.scope, "order-1", actor="worker")

        assert outcome == AlreadyCommitted()
        self.clock.advance(900)
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 7, 0)

    def test_lapsed_goods_can_leave_if_they_are_still_there(self) -> None:
        self.receive(ARMCHAIR, 10)
        self._earmarked()
        self.clock.advance(900)

        outcome = self.inventory.commit(self.scope, "order-1", actor="worker")

        assert outcome == AlreadyCommitted()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 7, 0)

    def test_lapsed_goods_that_are_gone_cannot_leave(self) -> None:
        self.receive(ARMCHAIR, 3)
        self._earmarked()
        self.clock.advance(900)
        self.reserve("order-2", {ARMCHAIR: 3})

        outcome = self.inventory.commit(self.scope, "order-1", actor="worker")

        assert outcome == OutOfStock([Shortage(ARMCHAIR, wanted=3, available=0)])
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 3, 3)
