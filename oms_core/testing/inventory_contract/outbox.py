"""The exam's optional part about inventories whose ledger leaves as events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.domain.inventory import Demand
from oms_core.ports.stock_outbox import StockOutbox
from oms_core.testing.at_once import at_once
from oms_core.testing.inventory_contract.suite import ARMCHAIR, LAMP, RUG, InventorySuite
from oms_core.testing.orders import AWKWARD_STRINGS, a_scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.inventory import StockItem
    from oms_core.ports.stock_outbox import UnpublishedStock


class StockOutboxContract(InventorySuite):
    """Every promise of ``StockOutbox``, beside ``InventoryContract``.

    Inherit and say how an inventory is made::

        class TestMyStockOutbox(StockOutboxContract):
            def make_inventory(self, clock: Clock) -> Inventory:
                return MyInventory(clock)
    """

    @property
    def outbox(self) -> StockOutbox:
        """The inventory, as what it also is."""
        assert isinstance(self.inventory, StockOutbox)
        return self.inventory

    def _taken(
        self, holder: str = "relay-a", *, limit: int = 10, lease_s: float = 10.0
    ) -> Sequence[UnpublishedStock]:
        return self.outbox.claim_unpublished(holder, limit=limit, lease_s=lease_s)

    def _publish_all(self) -> list[UnpublishedStock]:
        """Let everything leave; returns it in the order in which it left."""
        sent: list[UnpublishedStock] = []
        while taken := self._taken():
            self.outbox.mark_published(taken)
            sent += taken
        return sent

    # -- what leaves -------------------------------------------------------------------------

    def test_nothing_leaves_where_nothing_was_booked(self) -> None:
        self.reserve("order-1", {ARMCHAIR: 1})

        assert list(self._taken()) == []

    def test_an_adjustment_is_an_event_of_its_item(self) -> None:
        movement = self.movement(ARMCHAIR, 10)
        self.inventory.adjust(self.scope, movement)

        (claim,) = self._taken()

        assert (claim.scope, claim.item, claim.published) == (self.scope, ARMCHAIR, 0)
        assert claim.movements == (movement,)
        assert [event.sequence for event in claim.events] == [1]

    def test_goods_that_leave_are_events_as_well(self) -> None:
        """Whoever adds up the events of an item knows what is on hand."""
        self.receive(ARMCHAIR, 10)
        self.receive(LAMP, 5)
        self.reserve("order-1", {ARMCHAIR: 6, LAMP: 2})
        part = [Demand(ARMCHAIR, 4)]
        self.inventory.commit_part(self.scope, "order-1", "part-1", part, actor="pat")
        self.inventory.commit(self.scope, "order-1", actor="pat")

        sent = self._publish_all()

        ledgers = {claim.item: claim.movements for claim in sent}
        assert ledgers == {
            item: self.inventory.movements(self.scope, item) for item in (ARMCHAIR, LAMP)
        }
        assert [m.quantity_delta for m in ledgers[ARMCHAIR]] == [10, -4, -2]
        assert [m.quantity_delta for m in ledgers[LAMP]] == [5, -2]

    def test_promising_and_letting_go_are_no_events(self) -> None:
        self.receive(ARMCHAIR, 10)
        self._publish_all()

        self.reserve("order-1", {ARMCHAIR: 6})
        self.inventory.release(self.scope, "order-1")

        assert list(self._taken()) == []

    def test_a_repeated_adjustment_is_no_second_event(self) -> None:
        self.inventory.adjust(self.scope, self.movement(ARMCHAIR, 10))
        self._publish_all()

        self.inventory.adjust(self.scope, self.movement(ARMCHAIR, 10))

        assert list(self._taken()) == []

    def test_an_events_id_tells_scope_item_and_number(self) -> None:
        other = a_scope("rival")
        for scope in (self.scope, other):
            for item in (ARMCHAIR, LAMP):
                self.receive(item, 1, scope=scope)
                self.receive(item, 1, scope=scope)

        ids = [event.event_id for claim in self._publish_all() for event in claim.events]

        assert len(set(ids)) == 8

    def test_awkward_texts_leave_as_they_were(self) -> None:
        for number, text in enumerate(AWKWARD_STRINGS):
            movement = self.movement(movement_id=f"{number} {text}", reason=text)
            self.inventory.adjust(self.scope, movement)

        (claim,) = self._publish_all()

        assert claim.movements == self.inventory.movements(self.scope, ARMCHAIR)

    # -- claims and marks ----------------------------------------------------------------------

    def test_what_was_marked_is_not_handed_out_again(self) -> None:
        self.receive(ARMCHAIR, 10)
        taken = self._taken()

        self.outbox.mark_published(taken)

        self.clock.advance(1_000)
        assert list(self._taken()) == []

    def test_what_was_not_marked_comes_again_when_the_claim_runs_out(self) -> None:
        self.receive(ARMCHAIR, 10)
        (first,) = self._taken("relay-a", lease_s=10)
        self.clock.advance(9.999_999)
        assert list(self._taken("relay-b")) == []

        self.clock.advance(0.000_001)
        (second,) = self._taken("relay-b")

        assert second.movements == first.movements
        assert [e.event_id for e in second.events] == [e.event_id for e in first.events]
        assert second.token > first.token

    def test_only_the_new_part_of_a_ledger_is_unpublished(self) -> None:
        self.receive(ARMCHAIR, 10)
        self._publish_all()
        self.receive(ARMCHAIR, 5)

        (claim,) = self._taken()

        assert claim.published == 1
        assert [m.quantity_delta for m in claim.movements] == [5]
        assert [event.sequence for event in claim.events] == [2]

    def test_what_is_booked_while_events_leave_is_handed_out_afterwards(self) -> None:
        self.receive(ARMCHAIR, 10)
        taken = self._taken("relay-a")
        self.receive(ARMCHAIR, 5)
        assert list(self._taken("relay-b")) == []

        self.outbox.mark_published(taken)

        (rest,) = self._taken("relay-b")
        assert [event.sequence for event in rest.events] == [2]

    def test_a_repeated_mark_changes_nothing(self) -> None:
        self.receive(ARMCHAIR, 10)
        early = self._taken()
        self.outbox.mark_published(early)
        self.receive(ARMCHAIR, 5)
        late = self._taken()
        self.outbox.mark_published(late)

        self.outbox.mark_published(early)

        assert list(self._taken()) == []
        self.receive(ARMCHAIR, 1)
        (claim,) = self._taken()
        assert claim.published == 2

    def test_a_mark_of_a_claim_that_was_taken_over_is_ignored(self) -> None:
        self.receive(ARMCHAIR, 10)
        zombies = self._taken("relay-a", lease_s=10)
        self.clock.advance(10)
        heirs = self._taken("relay-b", lease_s=10)

        self.outbox.mark_published(zombies)

        self.clock.advance(10)
        assert [c.movements for c in self._taken("relay-c")] == [c.movements for c in heirs]

    def test_marking_nothing_is_no_failure(self) -> None:
        self.outbox.mark_published([])

    # -- many ----------------------------------------------------------------------------------

    def test_a_long_ledger_leaves_in_pieces_without_a_gap(self) -> None:
        for _ in range(250):
            self.receive(ARMCHAIR, 1)

        sent = self._publish_all()

        assert len(sent) > 1, "one item must not hold up all others"
        assert [e.sequence for c in sent for e in c.events] == list(range(1, 251))

    def test_an_item_with_always_more_news_does_not_keep_others_waiting(self) -> None:
        for item in (ARMCHAIR, LAMP, RUG):
            self.receive(item, 1)

        served: list[StockItem] = []
        for _ in range(3):
            (claim,) = self._taken(limit=1)
            self.receive(claim.item, 1)
            self.clock.advance(0.001)
            self.outbox.mark_published([claim])
            served.append(claim.item)

        assert set(served) == {ARMCHAIR, LAMP, RUG}

    def test_no_more_items_are_handed_out_than_were_asked_for(self) -> None:
        for item in (ARMCHAIR, LAMP, RUG):
            self.receive(item, 1)

        assert [len(self._taken(limit=2)) for _ in range(3)] == [2, 1, 0]

    def test_relays_at_once_never_share_an_item_while_a_claim_holds(self) -> None:
        items = [ARMCHAIR, LAMP, RUG]
        for item in items:
            self.receive(item, 1)

        claims = at_once(lambda number: self._taken(f"relay-{number}", limit=3), range(8))

        assert sorted(c.item for taken in claims for c in taken) == sorted(items)

    def test_everything_booked_while_relays_are_at_work_leaves_once_and_in_order(self) -> None:
        def book_or_relay(number: int) -> list[UnpublishedStock]:
            if number % 2:
                for entry in range(10):
                    movement = self.movement(movement_id=f"{number}/{entry}", quantity_delta=1)
                    self.inventory.adjust(self.scope, movement)
                return []
            taken = list(self._taken(f"relay-{number}"))
            self.outbox.mark_published(taken)
            return taken

        at_work = at_once(book_or_relay, range(8))
        sent = sorted(
            [*(claim for each in at_work for claim in each), *self._publish_all()],
            key=lambda claim: claim.published,
        )

        assert [e.sequence for c in sent for e in c.events] == list(range(1, 41))
        ledger = tuple(movement for claim in sent for movement in claim.movements)
        assert ledger == self.inventory.movements(self.scope, ARMCHAIR)
