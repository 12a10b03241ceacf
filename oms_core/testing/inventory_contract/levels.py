"""Levels are told sorted, a page at a time, for one scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.domain.inventory import StockItem, StockLevel
from oms_core.errors import InvalidInput
from oms_core.ports.cursors import OrderPosition, encode_order_cursor
from oms_core.ports.inventory import StockPage
from oms_core.testing.inventory_contract.suite import ARMCHAIR, LAMP, RUG, InventorySuite
from oms_core.testing.orders import a_scope
from oms_core.testing.refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

NORTH = [StockItem(f"SKU-{number}", "north") for number in range(4)]
SOUTH = [StockItem(f"SKU-{number}", "south") for number in range(4)]


class TellsLevels(InventorySuite):
    """``levels``."""

    def _received(self, items: Sequence[StockItem]) -> list[StockLevel]:
        return [self.receive(item, count) for count, item in enumerate(items, start=1)]

    def test_without_stock_there_are_no_levels(self) -> None:
        assert self.inventory.levels(self.scope) == StockPage(())

    def test_levels_are_sorted_by_sku_and_location(self) -> None:
        self._received([*SOUTH[::-1], *NORTH])

        levels = self.inventory.levels(self.scope).levels

        items = [level.item for level in levels]
        assert items == sorted([*NORTH, *SOUTH])
        assert items[:2] == [NORTH[0], SOUTH[0]]

    def test_skus_sort_by_their_characters_alone(self) -> None:
        skus = ["a", "B", "b", "A", "ä", "🪑", "10", "9", "a b", "a-b", "", "aa"]
        self._received([StockItem(sku) for sku in skus])

        levels = self.inventory.levels(self.scope).levels

        assert [level.item.sku for level in levels] == sorted(skus)

    def test_an_item_stays_listed_when_nothing_of_it_is_left(self) -> None:
        self.receive(ARMCHAIR, 1)
        self.inventory.adjust(self.scope, self.movement(ARMCHAIR, -1, movement_id="breakage"))

        assert self.inventory.levels(self.scope) == StockPage((StockLevel(ARMCHAIR, 0, 0),))

    def test_an_item_that_was_only_asked_for_is_not_listed(self) -> None:
        self.reserve("order-1", {RUG: 1})

        assert self.inventory.levels(self.scope) == StockPage(())

    def test_levels_of_one_sku_or_location_can_be_asked_for(self) -> None:
        self._received([*NORTH, *SOUTH])

        by_sku = self.inventory.levels(self.scope, sku="SKU-2").levels
        by_location = self.inventory.levels(self.scope, location="south").levels
        by_both = self.inventory.levels(self.scope, sku="SKU-2", location="south").levels

        assert [level.item for level in by_sku] == [NORTH[2], SOUTH[2]]
        assert [level.item for level in by_location] == SOUTH
        assert [level.item for level in by_both] == [SOUTH[2]]
        assert self.inventory.levels(self.scope, sku="SKU") == StockPage(())
        assert self.inventory.levels(self.scope, location="nowhere") == StockPage(())

    def test_certain_items_can_be_asked_for_known_or_not(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.receive(LAMP, 5)
        self.reserve("order-1", {ARMCHAIR: 3})

        page = self.inventory.levels(self.scope, items=[RUG, ARMCHAIR])

        assert page == StockPage((StockLevel(ARMCHAIR, 10, 3), StockLevel(RUG, 0, 0)))

    def test_asking_for_no_items_gets_none(self) -> None:
        self.receive(ARMCHAIR, 10)

        assert self.inventory.levels(self.scope, items=[]) == StockPage(())

    # -- pages -------------------------------------------------------------------------------

    def test_walking_by_cursor_meets_every_level_once(self) -> None:
        self._received([*SOUTH, *NORTH])
        expected = self.inventory.levels(self.scope).levels

        for limit in (1, 3, 7, 8, 9):
            assert self._walked(limit) == list(expected)

    def test_walking_works_with_filters_too(self) -> None:
        self._received([*SOUTH, *NORTH])

        assert [level.item for level in self._walked(1, sku="SKU-1")] == [NORTH[1], SOUTH[1]]
        assert [level.item for level in self._walked(3, location="north")] == NORTH

    def test_the_last_page_has_no_cursor_even_if_it_is_full(self) -> None:
        self._received(NORTH)
        first = self.inventory.levels(self.scope, limit=2)

        second = self.inventory.levels(self.scope, limit=2, cursor=first.next_cursor)

        assert first.next_cursor is not None
        assert [level.item for level in second.levels] == NORTH[2:]
        assert second.next_cursor is None

    def test_items_that_arrive_on_the_way_neither_shift_nor_repeat_the_rest(self) -> None:
        self._received(NORTH)
        first = self.inventory.levels(self.scope, limit=2)
        self.receive(StockItem("AAA-FIRST"), 1)
        self.receive(StockItem("SKU-2", "a"), 1)

        second = self.inventory.levels(self.scope, limit=9, cursor=first.next_cursor)

        assert [level.item for level in second.levels] == [StockItem("SKU-2", "a"), *NORTH[2:]]

    def test_what_no_listing_gave_out_is_no_cursor(self) -> None:
        self._received(NORTH)
        good = self.inventory.levels(self.scope, limit=1).next_cursor
        assert good is not None
        of_an_order = encode_order_cursor(OrderPosition(1, a_scope().org_id))
        forged = ["", "0", "next", good[:-1], good + "A", good + "=", "é", good * 999, of_an_order]

        for cursor in forged:
            error = refusal(
                InvalidInput,
                lambda cursor=cursor: self.inventory.levels(self.scope, cursor=cursor),  # type: ignore[misc]
            )
            assert [mistake.pointer for mistake in error.mistakes] == ["/cursor"]

    # -- isolation ---------------------------------------------------------------------------

    def test_levels_show_one_scope_only(self) -> None:
        self.receive(ARMCHAIR, 1, scope=a_scope("acme", "north"))
        self.receive(LAMP, 2, scope=a_scope("acme", "south"))
        self.receive(RUG, 3, scope=a_scope("rival", "north"))

        assert self.inventory.levels(a_scope("acme", "south")) == StockPage(
            (StockLevel(LAMP, 2, 0),)
        )
        assert self.inventory.levels(a_scope("nobody")) == StockPage(())
        assert self.level(RUG, scope=a_scope("acme", "north")) == StockLevel(RUG, 0, 0)

    def _walked(
        self, limit: int, *, sku: str | None = None, location: str | None = None
    ) -> list[StockLevel]:
        """Walk through all pages by cursor."""
        levels: list[StockLevel] = []
        cursor: str | None = None
        while True:
            page = self.inventory.levels(
                self.scope, sku=sku, location=location, limit=limit, cursor=cursor
            )
            assert len(page.levels) <= limit
            levels += page.levels
            if page.next_cursor is None:
                return levels
            cursor = page.next_cursor
