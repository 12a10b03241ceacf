"""A store takes no write from a worker whose order is another's by now."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve

from oms_core.domain.order_status import OrderStatus
from oms_core.errors import LeaseLost, StaleVersion
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON
from oms_core.testing.orders import an_order, due, finished, with_status
from oms_core.testing.refusal import refusal
from oms_core.testing.storage_contract.suite import StorageSuite

if TYPE_CHECKING:
    from oms_core.ports.storage import Claim

SECOND = timedelta(seconds=1)


class GuardsLeases(StorageSuite):
    """``checkpoint``, ``release`` and what a lease is worth."""

    # -- while it lasts ----------------------------------------------------------------------

    def test_a_checkpoint_stores_the_order_and_counts_the_version(self) -> None:
        claim = self.stored_and_claimed(an_order())
        changed = with_status(claim.order, OrderStatus.PAYMENT_AUTHORIZED)

        saved = self.store.checkpoint(changed, claim.lease, extend_s=30)

        assert saved.order == evolve(changed, version=2)
        assert self.read(changed) == saved.order

    def test_a_checkpoint_extends_the_lease_from_now_on(self) -> None:
        claim = self.stored_and_claimed(an_order(), lease_s=30)
        self.clock.advance(20)

        saved = self.store.checkpoint(claim.order, claim.lease, extend_s=30)

        assert saved.lease.expires_at == NOON + 50 * SECOND
        self.clock.advance(29)
        assert list(self.claim_due()) == []
        self.clock.advance(1)
        assert len(self.claim_due()) == 1

    def test_checkpoints_can_follow_one_another(self) -> None:
        claim = self.stored_and_claimed(an_order(), lease_s=30)

        for _ in range(5):
            self.clock.advance(29)
            claim = self.store.checkpoint(claim.order, claim.lease, extend_s=30)

        assert claim.order.version == 6
        assert self.read(claim.order) == claim.order

    def test_a_last_checkpoint_gives_the_order_back_at_once(self) -> None:
        claim = self.stored_and_claimed(an_order())

        saved = self.store.checkpoint(claim.order, claim.lease, extend_s=None)

        assert [c.order for c in self.claim_due()] == [saved.order]

    def test_a_last_checkpoint_decides_when_the_order_is_due_again(self) -> None:
        claim = self.stored_and_claimed(an_order())
        later = due(claim.order, NOON + 5 * SECOND)

        self.store.checkpoint(later, claim.lease, extend_s=None)

        assert list(self.claim_due()) == []
        self.clock.advance(5)
        assert len(self.claim_due()) == 1

    def test_a_finished_order_is_shared_out_no_more(self) -> None:
        claim = self.stored_and_claimed(an_order())

        self.store.checkpoint(finished(claim.order), claim.lease, extend_s=None)

        self.clock.advance(1_000_000)
        assert list(self.claim_due()) == []

    def test_a_save_by_somebody_else_leaves_the_lease_as_it_is(self) -> None:
        claim = self.stored_and_claimed(an_order())

        saved = self.store.save(with_status(claim.order, OrderStatus.PAYMENT_AUTHORIZED))

        assert list(self.claim_due()) == []
        checkpointed = self.store.checkpoint(saved, claim.lease, extend_s=None)
        assert checkpointed.order.version == 3

    def test_a_checkpoint_of_a_stale_version_changes_nothing_and_keeps_the_lease(self) -> None:
        claim = self.stored_and_claimed(an_order(), lease_s=30)
        saved = self.store.save(with_status(claim.order, OrderStatus.PAYMENT_AUTHORIZED))

        refusal(
            StaleVersion, lambda: self.store.checkpoint(claim.order, claim.lease, extend_s=None)
        )

        assert self.read(saved) == saved
        assert list(self.claim_due()) == []
        assert self.store.checkpoint(saved, claim.lease, extend_s=30).order.version == 3

    # -- after it ----------------------------------------------------------------------------

    def test_a_lease_that_ran_out_is_taken_over_under_a_higher_token(self) -> None:
        zombie = self.stored_and_claimed(an_order(), "worker-a", lease_s=30)
        self.clock.advance(29.999_999)
        assert list(self.claim_due("worker-b")) == []

        self.clock.advance(0.000_001)
        (heir,) = self.claim_due("worker-b")

        assert heir.order == zombie.order
        assert heir.lease.token > zombie.lease.token

    def test_a_zombies_checkpoint_after_the_takeover_changes_nothing(self) -> None:
        zombie = self.stored_and_claimed(an_order(), "worker-a", lease_s=30)
        self.clock.advance(30)
        (heir,) = self.claim_due("worker-b")

        late = evolve(zombie.order, channel="zombie")
        going_on = partial(self.store.checkpoint, late, zombie.lease, extend_s=30)
        giving_back = partial(self.store.checkpoint, late, zombie.lease, extend_s=None)

        assert refusal(LeaseLost, going_on).order_id == late.id
        assert refusal(LeaseLost, giving_back).order_id == late.id

        assert self.read(heir.order) == heir.order
        assert list(self.claim_due("worker-c")) == []
        self.store.checkpoint(heir.order, heir.lease, extend_s=None)

    def test_a_zombie_stays_locked_out_when_its_heir_is_done(self) -> None:
        zombie = self.stored_and_claimed(an_order(), "worker-a", lease_s=30)
        self.clock.advance(30)
        (heir,) = self.claim_due("worker-b")
        saved = self.store.checkpoint(heir.order, heir.lease, extend_s=None)

        refusal(LeaseLost, lambda: self.store.checkpoint(saved.order, zombie.lease, extend_s=None))

        assert self.read(saved.order) == saved.order

    def test_a_zombie_of_the_same_name_as_its_heir_is_locked_out_too(self) -> None:
        zombie = self.stored_and_claimed(an_order(), "worker-a", lease_s=30)
        self.clock.advance(30)
        (heir,) = self.claim_due("worker-a")

        refusal(LeaseLost, lambda: self.store.checkpoint(zombie.order, zombie.lease, extend_s=None))

        self.store.checkpoint(heir.order, heir.lease, extend_s=None)

    def test_a_lost_lease_is_told_before_a_stale_version(self) -> None:
        zombie = self.stored_and_claimed(an_order(), "worker-a", lease_s=30)
        self.clock.advance(30)
        (heir,) = self.claim_due("worker-b")
        self.store.checkpoint(heir.order, heir.lease, extend_s=30)

        refusal(LeaseLost, lambda: self.store.checkpoint(zombie.order, zombie.lease, extend_s=None))

    def test_a_late_holder_that_nobody_overtook_may_still_save(self) -> None:
        claim = self.stored_and_claimed(an_order(), lease_s=30)
        self.clock.advance(300)
        assert self.store.earliest_due() is not None

        saved = self.store.checkpoint(claim.order, claim.lease, extend_s=30)

        assert list(self.claim_due("worker-b")) == []
        assert self.read(claim.order) == saved.order

    def test_a_lease_that_was_given_back_is_worth_nothing(self) -> None:
        claim = self.stored_and_claimed(an_order())
        saved = self.store.checkpoint(claim.order, claim.lease, extend_s=None)

        refusal(LeaseLost, lambda: self.store.checkpoint(saved.order, saved.lease, extend_s=None))

        assert self.read(saved.order) == saved.order

    def test_a_lease_of_one_order_moves_no_other(self) -> None:
        mine = self.stored_and_claimed(an_order("mine"), "worker-a")
        other = self.stored_and_claimed(an_order("other"), "worker-a")

        refusal(LeaseLost, lambda: self.store.checkpoint(other.order, mine.lease, extend_s=None))

        assert self.read(other.order) == other.order

    def test_of_a_zombie_and_its_heir_writing_at_once_only_the_heir_is_heard(self) -> None:
        for number in range(8):
            zombie = self.stored_and_claimed(an_order(f"order-{number}"), "worker-a", lease_s=30)
            self.clock.advance(30)
            (heir,) = self.claim_due("worker-b")

            was_heard = at_once(self._leaves_its_name, [zombie, heir])

            assert was_heard == [False, True]
            assert self.read(heir.order).platform == "worker-b"

    def _leaves_its_name(self, claim: Claim) -> bool:
        signed = evolve(claim.order, platform=claim.lease.holder)
        try:
            self.store.checkpoint(signed, claim.lease, extend_s=3_600)
        except LeaseLost:
            return False
        return True

    # -- given back --------------------------------------------------------------------------

    def test_a_claim_given_back_need_not_run_out(self) -> None:
        claim = self.stored_and_claimed(an_order())

        self.store.release(claim.lease)

        assert [c.order for c in self.claim_due()] == [claim.order]

    def test_a_claim_given_back_is_worth_nothing(self) -> None:
        claim = self.stored_and_claimed(an_order())
        self.store.release(claim.lease)

        refusal(LeaseLost, lambda: self.store.checkpoint(claim.order, claim.lease, extend_s=30))

        assert self.read(claim.order) == claim.order

    def test_the_token_rises_after_a_claim_was_given_back_too(self) -> None:
        first = self.stored_and_claimed(an_order())
        self.store.release(first.lease)

        second = self.claimed(first.order)

        assert second.lease.token > first.lease.token

    def test_giving_back_twice_changes_nothing(self) -> None:
        claim = self.stored_and_claimed(an_order(), "worker-a")
        self.store.release(claim.lease)
        heir = self.claimed(claim.order, "worker-b")

        self.store.release(claim.lease)

        assert list(self.claim_due("worker-c")) == []
        self.store.checkpoint(heir.order, heir.lease, extend_s=None)

    def test_a_zombie_giving_back_does_not_take_the_order_from_its_heir(self) -> None:
        zombie = self.stored_and_claimed(an_order(), "worker-a", lease_s=30)
        self.clock.advance(30)
        (heir,) = self.claim_due("worker-b")

        self.store.release(zombie.lease)

        assert list(self.claim_due("worker-c")) == []
        self.store.checkpoint(heir.order, heir.lease, extend_s=None)
