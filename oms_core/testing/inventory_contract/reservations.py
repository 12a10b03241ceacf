"""A reservation is whole or absent, once, and gone for good when it was released."""

from __future__ import annotations

from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    OutOfStock,
    Reserved,
    Shortage,
    StockItem,
    StockLevel,
)
from oms_core.testing.inventory_contract.suite import (
    ARMCHAIR,
    HARD,
    LAMP,
    RUG,
    InventorySuite,
)
from oms_core.testing.orders import AWKWARD_STRINGS, a_scope


class KeepsReservationsWhole(InventorySuite):
    """``reserve``, ``release`` and ``commit`` in the HARD model."""

    def test_an_inventory_that_works_answers_a_ping(self) -> None:
        self.inventory.ping()

    # -- whole or absent ---------------------------------------------------------------------

    def test_a_reservation_takes_its_pieces_from_what_is_available(self) -> None:
        self.receive(ARMCHAIR, 10)

        assert self.reserve("order-1", {ARMCHAIR: 3}) == Reserved()

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=10, reserved=3)

    def test_the_last_piece_can_be_reserved_and_no_more(self) -> None:
        self.receive(ARMCHAIR, 3)

        assert self.reserve("order-1", {ARMCHAIR: 3}) == Reserved()

        assert self.reserve("order-2", {ARMCHAIR: 1}) == OutOfStock([Shortage(ARMCHAIR, 1, 0)])

    def test_if_one_item_is_short_nothing_is_reserved(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.receive(LAMP, 1)
        self.receive(RUG, 10)

        outcome = self.reserve("order-1", {ARMCHAIR: 2, LAMP: 2, RUG: 2})

        assert outcome == OutOfStock([Shortage(LAMP, wanted=2, available=1)])
        assert [self.level(item).reserved for item in (ARMCHAIR, LAMP, RUG)] == [0, 0, 0]

    def test_every_shortage_is_told_sorted_by_item(self) -> None:
        self.receive(LAMP, 1)
        self.receive(ARMCHAIR, 5)

        outcome = self.reserve("order-1", {RUG: 4, LAMP: 2, ARMCHAIR: 5})

        assert outcome == OutOfStock([Shortage(RUG, 4, 0), Shortage(LAMP, 2, 1)])

    def test_an_item_nobody_has_heard_of_is_out_of_stock(self) -> None:
        outcome = self.reserve("order-1", {RUG: 1})

        assert outcome == OutOfStock([Shortage(RUG, wanted=1, available=0)])

    def test_locations_of_one_sku_are_different_stock(self) -> None:
        north, south = StockItem("WOBBLY-LAMP", "north"), StockItem("WOBBLY-LAMP", "south")
        self.receive(north, 5)

        assert self.reserve("order-1", {south: 1}) == OutOfStock([Shortage(south, 1, 0)])
        assert self.reserve("order-2", {north: 5}) == Reserved()

    def test_awkward_names_are_neither_cut_nor_mixed_up(self) -> None:
        items = [StockItem(text, text[::-1]) for text in AWKWARD_STRINGS]
        for count, item in enumerate(items, start=1):
            self.receive(item, count)

        outcomes = [
            self.reserve(f"order {item.sku}", {item: count})
            for count, item in enumerate(items, start=1)
        ]

        assert outcomes == [Reserved()] * len(items)
        assert [self.level(item).reserved for item in items] == list(range(1, len(items) + 1))

    def test_quantities_are_exact_up_to_the_largest(self) -> None:
        for _ in range(3):
            self.receive(ARMCHAIR, 1_000_000_000)

        assert self.reserve("order-1", {ARMCHAIR: 500_000_000}) == Reserved()

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 3_000_000_000, 500_000_000)

    # -- once --------------------------------------------------------------------------------

    def test_a_repeated_reserve_is_the_same_reservation(self) -> None:
        self.receive(ARMCHAIR, 10)

        outcomes = [self.reserve("order-1", {ARMCHAIR: 3}) for _ in range(3)]

        assert outcomes == [Reserved()] * 3
        assert self.level(ARMCHAIR).reserved == 3

    def test_a_repeated_reserve_is_the_first_one_even_if_it_asks_for_more(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})

        assert self.reserve("order-1", {ARMCHAIR: 9, LAMP: 1}) == Reserved()

        assert self.level(ARMCHAIR).reserved == 3

    def test_a_refusal_is_remembered_although_stock_arrives(self) -> None:
        self.receive(ARMCHAIR, 1)
        refused = self.reserve("order-1", {ARMCHAIR: 2})
        self.receive(ARMCHAIR, 10)

        assert self.reserve("order-1", {ARMCHAIR: 2}) == refused

        assert refused == OutOfStock([Shortage(ARMCHAIR, wanted=2, available=1)])
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 11, 0)

    def test_a_repeated_reserve_after_the_commit_reserves_nothing(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.inventory.commit(self.scope, "order-1", actor="worker")

        assert self.reserve("order-1", {ARMCHAIR: 3}) == AlreadyCommitted()

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 7, 0)

    # -- release -----------------------------------------------------------------------------

    def test_released_pieces_are_available_again(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.receive(LAMP, 10)
        self.reserve("order-1", {ARMCHAIR: 10, LAMP: 4})

        assert self.inventory.release(self.scope, "order-1") == AlreadyReleased()

        assert [self.level(item).available for item in (ARMCHAIR, LAMP)] == [10, 10]
        assert self.reserve("order-2", {ARMCHAIR: 10}) == Reserved()

    def test_a_repeated_release_gives_nothing_back_twice(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.reserve("order-2", {ARMCHAIR: 4})

        for _ in range(3):
            assert self.inventory.release(self.scope, "order-1") == AlreadyReleased()

        assert self.level(ARMCHAIR).reserved == 4

    def test_releasing_what_was_never_reserved_succeeds_and_refuses_a_late_reserve(self) -> None:
        """A zombie's reserve that arrives after the release must not leak stock."""
        self.receive(ARMCHAIR, 10)

        assert self.inventory.release(self.scope, "order-1") == AlreadyReleased()

        assert self.reserve("order-1", {ARMCHAIR: 3}) == AlreadyReleased()
        assert self.level(ARMCHAIR).reserved == 0

    def test_a_released_id_cannot_be_reserved_again(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.inventory.release(self.scope, "order-1")

        assert self.reserve("order-1", {ARMCHAIR: 3}) == AlreadyReleased()

        assert self.level(ARMCHAIR).reserved == 0

    def test_a_refused_id_can_be_released_and_stays_so(self) -> None:
        self.reserve("order-1", {ARMCHAIR: 3})

        assert self.inventory.release(self.scope, "order-1") == AlreadyReleased()

        self.receive(ARMCHAIR, 10)
        assert self.reserve("order-1", {ARMCHAIR: 3}) == AlreadyReleased()

    # -- commit ------------------------------------------------------------------------------

    def test_committed_goods_leave(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.reserve("order-2", {ARMCHAIR: 4})

        outcome = self.inventory.commit(self.scope, "order-1", actor="worker")

        assert outcome == AlreadyCommitted()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, on_hand=7, reserved=4)

    def test_a_repeated_commit_takes_nothing_twice(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})

        for actor in ("worker-a", "worker-b"):
            outcome = self.inventory.commit(self.scope, "order-1", actor=actor)
            assert outcome == AlreadyCommitted()

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 7, 0)

    def test_what_has_left_cannot_be_released(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.inventory.commit(self.scope, "order-1", actor="worker")

        assert self.inventory.release(self.scope, "order-1") == AlreadyCommitted()

        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 7, 0)

    def test_what_was_released_cannot_leave(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})
        self.inventory.release(self.scope, "order-1")

        outcome = self.inventory.commit(self.scope, "order-1", actor="worker")

        assert outcome == AlreadyReleased()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 10, 0)

    def test_what_was_never_reserved_cannot_leave(self) -> None:
        self.receive(ARMCHAIR, 10)

        outcome = self.inventory.commit(self.scope, "order-1", actor="worker")

        assert outcome == AlreadyReleased()
        assert self.level(ARMCHAIR) == StockLevel(ARMCHAIR, 10, 0)

    def test_asking_to_commit_leaves_no_tombstone(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.inventory.commit(self.scope, "order-1", actor="worker")
        self.inventory.harden(self.scope, "order-1")

        assert self.reserve("order-1", {ARMCHAIR: 3}) == Reserved()

    # -- a hard reservation stays ------------------------------------------------------------

    def test_a_hard_reservation_never_lapses(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3}, allocation=HARD)

        self.clock.advance(1_000_000_000)

        assert self.level(ARMCHAIR).reserved == 3

    def test_hardening_a_hard_reservation_changes_nothing(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 3})

        assert self.inventory.harden(self.scope, "order-1") == Reserved()

        assert self.level(ARMCHAIR).reserved == 3

    # -- isolation ---------------------------------------------------------------------------

    def test_one_id_in_two_scopes_names_two_reservations(self) -> None:
        ours, theirs = a_scope("acme"), a_scope("rival")
        for scope in (ours, theirs):
            self.receive(ARMCHAIR, 10, scope=scope)
        self.reserve("order-1", {ARMCHAIR: 3}, scope=ours)
        self.reserve("order-1", {ARMCHAIR: 4}, scope=theirs)

        self.inventory.release(ours, "order-1")

        assert self.level(ARMCHAIR, scope=ours).reserved == 0
        assert self.level(ARMCHAIR, scope=theirs).reserved == 4
        committed = self.inventory.commit(theirs, "order-1", actor="worker")
        assert committed == AlreadyCommitted()

    def test_another_scopes_stock_cannot_be_reserved(self) -> None:
        self.receive(ARMCHAIR, 10, scope=a_scope("acme", "north"))

        for stranger in (a_scope("acme", "south"), a_scope("rival", "north")):
            outcome = self.reserve("order-1", {ARMCHAIR: 1}, scope=stranger)
            assert outcome == OutOfStock([Shortage(ARMCHAIR, 1, 0)])
