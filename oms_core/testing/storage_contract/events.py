"""A store hands out what happened to orders, so that it leaves as events, in order."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from oms_core.domain.order_status import OrderStatus
from oms_core.ports.storage import Unpublished
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON
from oms_core.testing.orders import a_scope, an_order, with_status
from oms_core.testing.storage_contract.suite import StorageSuite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.order import Order


class HandsOutEvents(StorageSuite):
    """``claim_unpublished``, ``mark_published`` and ``unpublished_since``."""

    def _taken(
        self, holder: str = "relay-a", *, limit: int = 10, lease_s: float = 10.0
    ) -> Sequence[Unpublished]:
        return self.store.claim_unpublished(holder, limit=limit, lease_s=lease_s)

    def _published(self, order: Order) -> Order:
        """Let everything of the only unpublished order leave."""
        (claim,) = self._taken()
        self.store.mark_published([claim])
        assert claim.order.id == order.id
        return claim.order

    def test_a_new_orders_history_has_not_left_yet(self) -> None:
        order = self.stored(an_order())

        (claim,) = self._taken()

        assert (claim.order, claim.published) == (order, 0)

    def test_what_was_marked_is_not_handed_out_again(self) -> None:
        self.stored(an_order())
        taken = self._taken()

        self.store.mark_published(taken)

        self.clock.advance(1_000)
        assert list(self._taken()) == []

    def test_what_was_not_marked_comes_again_when_the_claim_runs_out(self) -> None:
        order = self.stored(an_order())
        (first,) = self._taken("relay-a", lease_s=10)
        self.clock.advance(9.999_999)
        assert list(self._taken("relay-b")) == []

        self.clock.advance(0.000_001)
        (second,) = self._taken("relay-b")

        assert (second.order, second.published) == (order, 0)
        assert second.token > first.token

    def test_only_the_new_part_of_a_history_is_unpublished(self) -> None:
        order = self._published(self.stored(an_order()))
        saved = self.store.save(with_status(order, OrderStatus.PAYMENT_AUTHORIZED))

        (claim,) = self._taken()

        assert (claim.order, claim.published) == (saved, 1)
        assert [e.sequence for e in claim.order.events(after=claim.published)] == [2]

    def test_a_save_without_new_history_is_no_news(self) -> None:
        order = self._published(self.stored(an_order()))

        self.store.save(order)

        assert list(self._taken()) == []

    def test_a_workers_checkpoint_is_news_too(self) -> None:
        claim = self.stored_and_claimed(an_order())
        self._published(claim.order)
        confirmed = with_status(claim.order, OrderStatus.CONFIRMED)
        saved = self.store.checkpoint(confirmed, claim.lease, extend_s=None)

        (unpublished,) = self._taken()

        assert (unpublished.order, unpublished.published) == (saved.order, 1)

    def test_what_happens_while_events_leave_is_handed_out_afterwards(self) -> None:
        order = self.stored(an_order())
        taken = self._taken("relay-a")
        saved = self.store.save(with_status(order, OrderStatus.PAYMENT_AUTHORIZED))
        assert list(self._taken("relay-b")) == []

        self.store.mark_published(taken)

        (rest,) = self._taken("relay-b")
        assert (rest.order, rest.published) == (saved, 1)

    def test_a_mark_never_goes_back(self) -> None:
        order = self.stored(an_order())
        early = self._taken()
        self.store.mark_published(early)
        self.store.save(with_status(order, OrderStatus.PAYMENT_AUTHORIZED))
        late = self._taken()
        self.store.mark_published(late)

        self.store.mark_published(early)

        assert list(self._taken()) == []

    def test_a_repeated_mark_changes_nothing(self) -> None:
        order = self.stored(an_order())
        taken = self._taken()
        self.store.mark_published(taken)
        saved = self.store.save(with_status(order, OrderStatus.PAYMENT_AUTHORIZED))

        self.store.mark_published(taken)

        (rest,) = self._taken()
        assert (rest.order, rest.published) == (saved, 1)

    def test_a_mark_of_a_claim_that_was_taken_over_is_ignored(self) -> None:
        order = self.stored(an_order())
        zombies = self._taken("relay-a", lease_s=10)
        self.clock.advance(10)
        heirs = self._taken("relay-b", lease_s=10)

        self.store.mark_published(zombies)

        assert list(self._taken("relay-c")) == []
        self.clock.advance(10)
        (again,) = self._taken("relay-c")
        assert (again.order, again.published) == (order, 0)
        assert again.token > heirs[0].token

    def test_a_late_mark_that_nobody_overtook_counts(self) -> None:
        self.stored(an_order())
        taken = self._taken(lease_s=10)
        self.clock.advance(100)

        self.store.mark_published(taken)

        assert list(self._taken()) == []

    def test_a_mark_does_not_touch_the_orders_version(self) -> None:
        order = self._published(self.stored(an_order()))

        assert self.read(order) == order
        assert self.store.save(order).version == 2

    def test_publishing_and_moving_an_order_do_not_wait_for_each_other(self) -> None:
        order = self.stored(an_order())
        taken = self._taken("relay-a")
        claim = self.claimed(order, "worker-a")
        self.store.mark_published(taken)

        saved = self.store.checkpoint(claim.order, claim.lease, extend_s=30)

        assert list(self.claim_due("worker-b")) == []
        assert saved.order.version == 2

    def test_many_marks_are_one_call_and_may_be_of_many_tenants(self) -> None:
        for tenant in ("acme", "rival", "third"):
            self.stored(an_order(f"{tenant}-order", scope=a_scope(tenant)))
        taken = self._taken(limit=2)
        assert len(taken) == 2

        self.store.mark_published(taken)

        assert len(self._taken()) == 1
        self.store.mark_published([])

    def test_it_is_told_since_when_the_next_in_turn_waits(self) -> None:
        assert self.store.unpublished_since() is None
        self.stored(an_order("older"))
        self.clock.advance(60)
        self.stored(an_order("younger", at=self.clock.now()))

        assert self.store.unpublished_since() == NOON
        self.store.mark_published(self._taken(limit=1))
        assert self.store.unpublished_since() == NOON + timedelta(seconds=60)
        self.store.mark_published(self._taken())
        assert self.store.unpublished_since() is None

    def test_what_is_in_hand_waits_again_from_the_end_of_its_claim(self) -> None:
        order = self.stored(an_order())
        self._taken(lease_s=10)
        self.store.save(with_status(order, OrderStatus.PROCESSING, at=NOON))

        assert self.store.unpublished_since() is None
        self.clock.advance(25)
        assert self.store.unpublished_since() == NOON + timedelta(seconds=10)

    def test_an_order_that_has_sent_all_waits_from_its_next_change(self) -> None:
        order = self._published(self.stored(an_order()))
        self.clock.advance(60)
        self.store.save(with_status(order, OrderStatus.PROCESSING, at=self.clock.now()))

        assert self.store.unpublished_since() == NOON + timedelta(seconds=60)

    def test_the_limit_holds_and_the_rest_comes_next(self) -> None:
        for number in range(5):
            self.stored(an_order(f"order-{number}"))

        shares = [len(self._taken(limit=2)) for _ in range(4)]

        assert shares == [2, 2, 1, 0]

    def test_no_order_is_left_behind_while_others_keep_changing(self) -> None:
        """A busy order must not push a quiet one out of every batch."""
        self.stored(an_order("quiet"))
        busy = self.stored(an_order("busy"))
        taken: list[str] = []
        for _ in range(4):
            batch = self._taken(limit=1)
            taken += [claim.order.idempotency_key for claim in batch]
            self.store.mark_published(batch)
            busy = self.store.save(with_status(busy, OrderStatus.PROCESSING))

        assert "quiet" in taken

    def test_many_threads_share_out_events_without_overlap(self) -> None:
        keys = [f"order-{number:02}" for number in range(40)]
        for key in keys:
            self.stored(an_order(key))

        def take_all(relay: int) -> list[str]:
            taken: list[str] = []
            while batch := self._taken(f"relay-{relay}", limit=3):
                taken += [claim.order.idempotency_key for claim in batch]
                self.store.mark_published(batch)
            return taken

        shares = at_once(take_all, range(8))

        assert sorted(key for share in shares for key in share) == keys
