"""The ledger is append-only, each entry counts once, and on-hand is its sum."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve

from oms_core.domain.inventory import Demand, StockLevel, StockMovement, movement_of_commit
from oms_core.errors import IdempotencyKeyReused, InsufficientStock
from oms_core.testing.clock import NOON
from oms_core.testing.inventory_contract.suite import (
    ARMCHAIR,
    LAMP,
    RUG,
    InventorySuite,
)
from oms_core.testing.orders import AWKWARD_STRINGS, a_scope
from oms_core.testing.refusal import refusal


class KeepsALedger(InventorySuite):
    """``adjust``, ``movements`` and what ``commit`` writes."""

    # -- adjusting ---------------------------------------------------------------------------

    def test_an_adjustment_answers_with_the_level_after_it(self) -> None:
        assert self.receive(ARMCHAIR, 10) == StockLevel(ARMCHAIR, 10, 0)
        self.reserve("order-1", {ARMCHAIR: 3})

        level = self.inventory.adjust(
            self.scope, self.movement(ARMCHAIR, -7, movement_id="breakage")
        )

        assert level == StockLevel(ARMCHAIR, on_hand=3, reserved=3)
        assert self.level(ARMCHAIR) == level

    def test_an_entry_reads_back_as_it_was_written(self) -> None:
        movements = [
            StockMovement(
                movement_id=f"{number} {text}",
                item=ARMCHAIR,
                quantity_delta=number + 1,
                reason=text,
                at=NOON + timedelta(microseconds=number),
                actor=text,
            )
            for number, text in enumerate(AWKWARD_STRINGS)
        ]

        for movement in movements:
            self.inventory.adjust(self.scope, movement)

        assert self.inventory.movements(self.scope, ARMCHAIR) == tuple(movements)

    def test_a_repeated_adjustment_changes_nothing_and_tells_the_present_level(self) -> None:
        movement = self.movement(ARMCHAIR, 10)
        self.inventory.adjust(self.scope, movement)
        self.receive(ARMCHAIR, 5)

        level = self.inventory.adjust(self.scope, movement)

        assert level == StockLevel(ARMCHAIR, 15, 0)
        assert len(self.inventory.movements(self.scope, ARMCHAIR)) == 2

    def test_a_repeat_counts_as_the_same_although_it_is_sent_later_by_somebody_else(self) -> None:
        movement = self.movement(ARMCHAIR, 10)
        self.inventory.adjust(self.scope, movement)

        repeat = evolve(movement, at=NOON + timedelta(days=1), actor="kim@example.com")

        assert self.inventory.adjust(self.scope, repeat) == StockLevel(ARMCHAIR, 10, 0)
        assert self.inventory.movements(self.scope, ARMCHAIR) == (movement,)

    def test_a_repeat_of_goods_that_left_succeeds_although_nothing_is_left(self) -> None:
        self.receive(ARMCHAIR, 10)
        out = self.movement(ARMCHAIR, -10, movement_id="breakage")
        self.inventory.adjust(self.scope, out)

        assert self.inventory.adjust(self.scope, out) == StockLevel(ARMCHAIR, 0, 0)

    def test_a_movement_id_names_one_movement(self) -> None:
        movement = self.movement(ARMCHAIR, 10)
        self.inventory.adjust(self.scope, movement)
        others = [
            evolve(movement, item=LAMP),
            evolve(movement, quantity_delta=11),
            evolve(movement, quantity_delta=-10),
            evolve(movement, reason="delivery 4712"),
        ]

        for other in others:
            refusal(
                IdempotencyKeyReused,
                lambda other=other: self.inventory.adjust(self.scope, other),  # type: ignore[misc]
            )

        assert self.inventory.movements(self.scope, ARMCHAIR) == (movement,)
        assert self.inventory.movements(self.scope, LAMP) == ()

    def test_an_id_of_a_refused_adjustment_can_be_used_again(self) -> None:
        out = self.movement(ARMCHAIR, -10, movement_id="breakage")
        refusal(InsufficientStock, lambda: self.inventory.adjust(self.scope, out))

        level = self.inventory.adjust(self.scope, evolve(out, quantity_delta=10))

        assert level == StockLevel(ARMCHAIR, 10, 0)

    def test_what_is_promised_cannot_be_taken_away(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        out = self.movement(ARMCHAIR, -8, movement_id="breakage")

        error = refusal(InsufficientStock, lambda: self.inventory.adjust(self.scope, out))

        assert (error.sku, error.location, error.available) == (ARMCHAIR.sku, "default", 7)
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 10, 3)
        assert len(self.inventory.movements(self.scope, ARMCHAIR)) == 1

    def test_what_is_not_there_cannot_be_taken_away(self) -> None:
        out = self.movement(RUG, -1, movement_id="breakage")

        error = refusal(InsufficientStock, lambda: self.inventory.adjust(self.scope, out))

        assert error.available == 0
        assert self.inventory.movements(self.scope, RUG) == ()

    # -- what commit writes ------------------------------------------------------------------

    def test_a_commit_writes_one_entry_for_each_item(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.receive(LAMP, 10)
        self.reserve("order-1", {LAMP: 4, ARMCHAIR: 3})
        self.clock.advance(60)

        for _ in range(2):
            self.inventory.commit(self.scope, "order-1", actor="worker-a")

        for demand in (Demand(ARMCHAIR, 3), Demand(LAMP, 4)):
            _, left = self.inventory.movements(self.scope, demand.item)
            assert left == movement_of_commit(
                "order-1", demand, at=self.clock.now(), actor="worker-a"
            )

    def test_reserving_and_releasing_write_nothing(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.inventory.release(self.scope, "order-1")

        assert len(self.inventory.movements(self.scope, ARMCHAIR)) == 1

    def test_on_hand_is_the_sum_of_the_ledger(self) -> None:
        for quantity in (10, 5, 1):
            self.receive(ARMCHAIR, quantity)
        self.inventory.adjust(self.scope, self.movement(ARMCHAIR, -2, movement_id="breakage"))
        for number in range(4):
            self.reserve(f"order-{number}", {ARMCHAIR: 2})
        self.inventory.commit(self.scope, "order-1", actor="worker")
        self.inventory.commit(self.scope, "order-2", actor="worker")
        self.inventory.release(self.scope, "order-3")

        ledger = self.inventory.movements(self.scope, ARMCHAIR)

        assert [m.quantity_delta for m in ledger] == [10, 5, 1, -2, -2, -2]
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=10, reserved=2)

    # -- reading -----------------------------------------------------------------------------

    def test_a_ledger_is_read_in_parts(self) -> None:
        for quantity in range(1, 8):
            self.receive(ARMCHAIR, quantity)

        parts = [
            self.inventory.movements(self.scope, ARMCHAIR, limit=3, after=after)
            for after in (0, 3, 6, 7, 100)
        ]

        deltas = [[movement.quantity_delta for movement in part] for part in parts]
        assert deltas == [[1, 2, 3], [4, 5, 6], [7], [], []]

    def test_each_item_has_a_ledger_of_its_own(self) -> None:
        self.receive(ARMCHAIR, 1)
        self.receive(LAMP, 2)
        self.receive(ARMCHAIR, 3)

        ledger = self.inventory.movements(self.scope, ARMCHAIR)

        assert [movement.quantity_delta for movement in ledger] == [1, 3]

    def test_scopes_have_ledgers_of_their_own(self) -> None:
        movement = self.movement(ARMCHAIR, 10)
        for tenant in ("acme", "rival"):
            level = self.inventory.adjust(a_scope(tenant), movement)
            assert level == StockLevel(ARMCHAIR, 10, 0)

        assert self.inventory.movements(a_scope("rival"), ARMCHAIR) == (movement,)
        assert self.inventory.movements(a_scope("nobody"), ARMCHAIR) == ()
