"""The exam of the stock audit port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oms_core.domain.inventory import Demand, StockItem
from oms_core.ports.stock_audit import AuditableInventory, HeldPromise, StockBooks
from oms_core.testing.inventory_contract.suite import ARMCHAIR, LAMP, RUG, SOFT, InventorySuite
from oms_core.testing.orders import a_scope

if TYPE_CHECKING:
    from oms_core.domain.scope import Scope
    from oms_core.ports.stock_audit import StockAudit

OTHERS: Final = (a_scope("acme", "north"), a_scope("rival", "north"), a_scope("third", "only"))


class StockAuditContract(InventorySuite):
    """Every promise of ``StockAudit``, as tests that pytest runs on your adapter.

    Inherit it beside ``InventoryContract``; the inventory that ``make_inventory`` makes must
    have ``stock_audit``.
    """

    @property
    def audit(self) -> StockAudit:
        """Look into the inventory."""
        assert isinstance(self.inventory, AuditableInventory)
        return self.inventory.stock_audit()

    def test_an_empty_inventory_has_nothing_to_audit(self) -> None:
        assert list(self.audit.scopes(limit=10)) == []
        assert list(self.audit.books(self.scope, limit=10)) == []
        assert list(self.audit.promises(self.scope, limit=10)) == []
        assert self.audit.promises_of(self.scope, ["order-1"]) == {}

    def test_every_scope_with_stock_is_met_once(self) -> None:
        for scope in (self.scope, *OTHERS):
            self.receive(ARMCHAIR, 3, scope=scope)
            self.receive(LAMP, 3, scope=scope)

        for limit in (1, 3, 100):
            met: list[Scope] = []
            while page := self.audit.scopes(after=met[-1] if met else None, limit=limit):
                met += page

            assert met == sorted(
                (self.scope, *OTHERS), key=lambda scope: (scope.tenant_id, scope.org_id)
            )

    def test_books_add_up_what_came_what_left_and_what_is_promised(self) -> None:
        for item in (ARMCHAIR, LAMP, RUG):
            self.receive(item, 10)
        self.receive(ARMCHAIR, 5)
        self.receive(ARMCHAIR, 99, scope=OTHERS[0])
        self.reserve("order-1", {ARMCHAIR: 4, LAMP: 1})
        self.reserve("order-1", {ARMCHAIR: 4}, scope=OTHERS[0])
        self.reserve("order-2", {ARMCHAIR: 2}, allocation=SOFT)
        self.reserve("refused", {RUG: 11})
        self.reserve("released", {RUG: 5})
        self.inventory.release(self.scope, "released")
        self.inventory.commit_part(
            self.scope, "order-1", "parcel-1", [Demand(ARMCHAIR, 3)], actor="pat"
        )

        books = self.audit.books(self.scope, limit=10)

        assert list(books) == [
            StockBooks(ARMCHAIR, on_hand=12, reserved=3, ledger=12, promised=3),
            StockBooks(RUG, on_hand=10, reserved=0, ledger=10, promised=0),
            StockBooks(LAMP, on_hand=10, reserved=1, ledger=10, promised=1),
        ]

    def test_books_are_told_page_by_page(self) -> None:
        items = [StockItem(f"SKU-{n}", place) for n in range(3) for place in ("north", "south")]
        for item in items:
            self.receive(item, 1)

        for limit in (1, 2, 4, 100):
            met: list[StockItem] = []
            while page := self.audit.books(self.scope, after=met[-1] if met else None, limit=limit):
                met += [books.item for books in page]

            assert met == items

    def test_what_is_held_is_listed_page_by_page_and_nothing_else(self) -> None:
        self.receive(ARMCHAIR, 100)
        self.receive(ARMCHAIR, 100, scope=OTHERS[0])
        names = [f"order-{'x' * n}" for n in range(4)]
        for name in names:
            self.reserve(name, {ARMCHAIR: 2})
            self.reserve(f"gone-{name}", {ARMCHAIR: 1})
            self.inventory.release(self.scope, f"gone-{name}")
        self.reserve("elsewhere", {ARMCHAIR: 1}, scope=OTHERS[0])
        self.reserve("shipped", {ARMCHAIR: 1})
        self.inventory.commit(self.scope, "shipped", actor="pat")

        for limit in (1, 3, 100):
            met: list[HeldPromise] = []
            while page := self.audit.promises(
                self.scope, after=met[-1].reservation_id if met else None, limit=limit
            ):
                met += page

            expected = [HeldPromise(name, (Demand(ARMCHAIR, 2),)) for name in names]
            assert sorted(met, key=lambda one: one.reservation_id) == expected

    def test_a_promise_that_is_asked_for_tells_what_is_left_and_whether_it_lapses(self) -> None:
        self.receive(ARMCHAIR, 10)
        self.reserve("order-1", {ARMCHAIR: 4})
        self.reserve("order-2", {ARMCHAIR: 2}, allocation=SOFT)
        self.reserve("released", {ARMCHAIR: 1})
        self.inventory.release(self.scope, "released")
        self.inventory.commit_part(
            self.scope, "order-1", "parcel-1", [Demand(ARMCHAIR, 1)], actor="pat"
        )

        held = self.audit.promises_of(
            self.scope, ["order-1", "order-2", "released", "parcel-1", "unknown"]
        )

        assert held == {
            "order-1": HeldPromise("order-1", (Demand(ARMCHAIR, 3),)),
            "order-2": HeldPromise("order-2", (Demand(ARMCHAIR, 2),), lapses=True),
        }
