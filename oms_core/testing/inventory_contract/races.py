"""Whoever calls at the same moment: nothing is oversold, lost, or locked up."""

from __future__ import annotations

from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    OutOfStock,
    Reserved,
    StockLevel,
)
from oms_core.errors import InsufficientStock
from oms_core.testing.at_once import at_once
from oms_core.testing.inventory_contract.suite import ARMCHAIR, LAMP, RUG, InventorySuite


class SurvivesRaces(InventorySuite):
    """Every call, from real threads."""

    def test_a_hot_sku_sells_exactly_what_is_there(self) -> None:
        self.receive(ARMCHAIR, 20)

        def buy(customer: int) -> list[bool]:
            return [
                self.reserve(f"order-{customer}-{number}", {ARMCHAIR: 1}) == Reserved()
                for number in range(5)
            ]

        bought = at_once(buy, range(16))

        assert sum(sum(each) for each in bought) == 20
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 20, 20)

    def test_the_last_pieces_are_never_split(self) -> None:
        self.receive(ARMCHAIR, 10)

        def buy(customer: int) -> bool:
            return self.reserve(f"order-{customer}", {ARMCHAIR: 3}) == Reserved()

        bought = at_once(buy, range(16))

        assert bought.count(True) == 3
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 10, 9)

    def test_demands_in_opposite_orders_do_not_lock_each_other_up(self) -> None:
        self.receive(ARMCHAIR, 1_000)
        self.receive(LAMP, 1_000)
        self.receive(RUG, 40)

        def buy(customer: int) -> int:
            items = [ARMCHAIR, LAMP, RUG] if customer % 2 else [RUG, LAMP, ARMCHAIR]
            outcomes = [
                self.reserve(f"order-{customer}-{number}", dict.fromkeys(items, 1))
                for number in range(6)
            ]
            return outcomes.count(Reserved())

        bought = at_once(buy, range(16))

        assert sum(bought) == 40
        assert [self.level(item).reserved for item in (ARMCHAIR, LAMP, RUG)] == [40, 40, 40]

    def test_one_reservation_from_many_threads_is_one(self) -> None:
        self.receive(ARMCHAIR, 100)

        outcomes = at_once(lambda _: self.reserve("order-1", {ARMCHAIR: 3}), range(16))

        assert outcomes == [Reserved()] * 16
        assert self.level(ARMCHAIR).reserved == 3

    def test_one_refusal_from_many_threads_is_one_answer(self) -> None:
        self.receive(ARMCHAIR, 1)

        outcomes = at_once(lambda _: self.reserve("order-1", {ARMCHAIR: 3}), range(16))

        assert isinstance(outcomes[0], OutOfStock)
        assert outcomes == [outcomes[0]] * 16

    def test_one_adjustment_from_many_threads_counts_once(self) -> None:
        movement = self.movement(ARMCHAIR, 7)

        levels = at_once(lambda _: self.inventory.adjust(self.scope, movement), range(16))

        assert levels == [StockLevel(ARMCHAIR, 7, 0)] * 16
        assert self.inventory.movements(self.scope, ARMCHAIR) == (movement,)

    def test_different_adjustments_from_many_threads_all_count(self) -> None:
        movements = [self.movement(ARMCHAIR, 1, movement_id=f"m-{n}") for n in range(32)]

        at_once(lambda movement: self.inventory.adjust(self.scope, movement), movements)

        assert self.level(ARMCHAIR).on_hand == 32
        ledger = self.inventory.movements(self.scope, ARMCHAIR)
        assert sorted(m.movement_id for m in ledger) == sorted(m.movement_id for m in movements)

    def test_reserving_and_taking_away_at_once_never_oversell(self) -> None:
        self.receive(ARMCHAIR, 12)

        def buy_or_break(number: int) -> int:
            if number % 2:
                return int(self.reserve(f"order-{number}", {ARMCHAIR: 1}) == Reserved())
            try:
                out = self.movement(ARMCHAIR, -1, movement_id=f"breakage-{number}")
                self.inventory.adjust(self.scope, out)
            except InsufficientStock:
                return 0
            return 1

        taken = at_once(buy_or_break, range(32))

        assert sum(taken) == 12
        assert self.level(ARMCHAIR).available == 0

    def test_a_zombies_reserve_and_its_release_at_once_leak_nothing(self) -> None:
        self.receive(ARMCHAIR, 100)

        def act(number: int) -> None:
            order, is_zombie = divmod(number, 2)
            if is_zombie:
                self.reserve(f"order-{order}", {ARMCHAIR: 1})
            else:
                self.inventory.release(self.scope, f"order-{order}")

        at_once(act, range(32))

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 100, 0)

    def test_releasing_and_committing_at_once_agree_on_one_end(self) -> None:
        self.receive(ARMCHAIR, 16)
        orders = [f"order-{number}" for number in range(16)]
        for order in orders:
            self.reserve(order, {ARMCHAIR: 1})

        def end(number: int) -> AlreadyReleased | AlreadyCommitted | OutOfStock:
            order = orders[number // 2]
            if number % 2:
                return self.inventory.commit(self.scope, order, actor="worker")
            return self.inventory.release(self.scope, order)

        ends = at_once(end, range(32))

        assert ends[::2] == ends[1::2]
        left = ends[::2].count(AlreadyCommitted())
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=16 - left, reserved=0)
        assert len(self.inventory.movements(self.scope, ARMCHAIR)) == 1 + left
