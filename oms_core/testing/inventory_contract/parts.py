"""The exam's part about goods of one reservation that leave in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    OutOfStock,
    Reserved,
    Shortage,
    StockLevel,
)
from oms_core.testing.at_once import at_once
from oms_core.testing.inventory_contract.suite import ARMCHAIR, LAMP, SOFT, InventorySuite

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_core.domain.inventory import StockItem
    from oms_core.ports.inventory import CommitOutcome


class CommitsInParts(InventorySuite):
    """A part leaves once; what is left stays promised until it leaves, too."""

    def test_a_part_leaves_and_the_rest_stays_promised(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.receive(LAMP, 5)
        self.reserve("order-1", {ARMCHAIR: 6, LAMP: 2})

        outcome = self._commit_part("order-1", "part-1", {ARMCHAIR: 4})

        assert outcome == AlreadyCommitted()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=6, reserved=2)
        assert self.level(LAMP) == StockLevel(LAMP, on_hand=5, reserved=2)

    def test_a_repeated_part_takes_nothing_twice(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 6})

        outcomes = [self._commit_part("order-1", "part-1", {ARMCHAIR: 2}) for _ in range(3)]

        assert outcomes == [AlreadyCommitted()] * 3
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=8, reserved=4)
        assert len(self.inventory.movements(self.scope, ARMCHAIR)) == 2

    def test_a_part_from_many_threads_leaves_once(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 6})

        outcomes = at_once(
            lambda _: self._commit_part("order-1", "part-1", {ARMCHAIR: 2}), range(8)
        )

        assert outcomes == [AlreadyCommitted()] * 8
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=8, reserved=4)

    def test_two_parts_of_the_same_size_are_two(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 6})

        self._commit_part("order-1", "part-1", {ARMCHAIR: 2})
        self._commit_part("order-1", "part-2", {ARMCHAIR: 2})

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=6, reserved=2)

    def test_with_the_last_part_the_reservation_is_committed(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 6})
        self._commit_part("order-1", "part-1", {ARMCHAIR: 2})

        self._commit_part("order-1", "part-2", {ARMCHAIR: 4})

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=4, reserved=0)
        assert self.inventory.commit(self.scope, "order-1", actor="worker") == AlreadyCommitted()
        assert self.inventory.release(self.scope, "order-1") == AlreadyCommitted()
        assert self.reserve("order-1", {ARMCHAIR: 6}) == AlreadyCommitted()
        assert self._commit_part("order-1", "part-1", {ARMCHAIR: 2}) == AlreadyCommitted()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=4, reserved=0)

    def test_committing_the_rest_takes_only_the_rest(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 6})
        self._commit_part("order-1", "part-1", {ARMCHAIR: 2})

        self.inventory.commit(self.scope, "order-1", actor="worker")

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=4, reserved=0)

    def test_releasing_the_rest_gives_only_the_rest_back(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 6})
        self._commit_part("order-1", "part-1", {ARMCHAIR: 2})

        assert self.inventory.release(self.scope, "order-1") == AlreadyReleased()

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=8, reserved=0)

    def test_a_part_never_exceeds_what_the_reservation_holds(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self._commit_part("order-1", "part-1", {ARMCHAIR: 2})

        outcome = self._commit_part("order-1", "part-2", {ARMCHAIR: 2, LAMP: 1})

        assert outcome == OutOfStock([Shortage(ARMCHAIR, 2, 1), Shortage(LAMP, 1, 0)])
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=8, reserved=1)

    def test_parts_from_many_threads_never_exceed_what_the_reservation_holds(self) -> None:
        self.receive(ARMCHAIR, 100)
        self.reserve("order-1", {ARMCHAIR: 5})

        outcomes = at_once(
            lambda number: self._commit_part("order-1", f"part-{number}", {ARMCHAIR: 1}), range(8)
        )

        assert outcomes.count(AlreadyCommitted()) == 5
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=95, reserved=0)

    def test_nothing_more_leaves_of_a_reservation_that_was_committed(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.inventory.commit(self.scope, "order-1", actor="worker")

        outcome = self._commit_part("order-1", "part-1", {ARMCHAIR: 1})

        assert outcome == OutOfStock([Shortage(ARMCHAIR, 1, 0)])
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=7, reserved=0)

    def test_no_part_of_what_was_released_or_never_reserved_leaves(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.inventory.release(self.scope, "order-1")

        outcomes = [
            self._commit_part("order-1", "part-1", {ARMCHAIR: 1}),
            self._commit_part("order-2", "part-2", {ARMCHAIR: 1}),
        ]

        assert outcomes == [AlreadyReleased()] * 2
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=10, reserved=0)

    def test_a_part_of_a_lapsed_reservation_takes_all_of_it_again(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3}, allocation=SOFT)
        self.clock.advance(SOFT.ttl_s + 1)

        outcome = self._commit_part("order-1", "part-1", {ARMCHAIR: 1})

        assert outcome == AlreadyCommitted()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=9, reserved=2)
        self.clock.advance(SOFT.ttl_s + 1)
        assert self.reserve("order-1", {ARMCHAIR: 3}) == Reserved()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=9, reserved=2)

    def _commit_part(
        self, reservation_id: str, part_id: str, wanted: Mapping[StockItem, int]
    ) -> CommitOutcome:
        demands = [Demand(item, quantity) for item, quantity in wanted.items()]
        return self.inventory.commit_part(
            self.scope, reservation_id, part_id, demands, actor="worker"
        )
