"""A store shares out what is due: each order to one worker at a time."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve

from oms_core.domain.order_status import OrderStatus
from oms_core.errors import OrderNotFound
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON
from oms_core.testing.orders import (
    a_saga_position,
    a_scope,
    an_order,
    due,
    finished,
    with_status,
)
from oms_core.testing.refusal import refusal
from oms_core.testing.storage_contract.suite import PLACE_ORDER, StorageSuite

SECOND = timedelta(seconds=1)


class SharesOutWork(StorageSuite):
    """``claim_due``, ``claim`` and ``earliest_due``."""

    # -- what is due -------------------------------------------------------------------------

    def test_an_order_that_is_due_is_claimed_as_it_is_stored(self) -> None:
        order = self.stored(an_order())

        (claim,) = self.claim_due("worker-b", lease_s=30)

        assert claim.order == order
        assert claim.lease.scope == order.scope
        assert claim.lease.order_id == order.id
        assert claim.lease.holder == "worker-b"
        assert claim.lease.expires_at == self.clock.now() + 30 * SECOND

    def test_an_order_is_due_from_the_very_microsecond_on(self) -> None:
        moment = NOON + timedelta(seconds=5, microseconds=1)
        self.stored(due(an_order(), moment))

        self.clock.advance_to(moment - timedelta(microseconds=1))
        assert list(self.claim_due()) == []

        self.clock.advance_to(moment)
        assert len(self.claim_due()) == 1

    def test_an_order_without_a_due_moment_is_never_claimed(self) -> None:
        self.stored(due(an_order("parked"), None))
        self.stored(finished(an_order("finished")))

        self.clock.advance(1_000_000_000)

        assert list(self.claim_due()) == []

    def test_the_oldest_due_is_claimed_first_whenever_it_was_stored(self) -> None:
        for seconds in (3, 1, 4, 2, 5):
            self.stored(due(an_order(f"due-{seconds}"), NOON + seconds * SECOND))
        self.clock.advance(60)

        claims = self.claim_due(limit=3)

        assert [c.order.idempotency_key for c in claims] == ["due-1", "due-2", "due-3"]

    def test_the_oldest_due_is_claimed_first_even_after_its_lease_ran_out(self) -> None:
        self.stored_and_claimed(due(an_order("due-1"), NOON + SECOND), lease_s=50)
        self.stored(due(an_order("due-2"), NOON + 2 * SECOND))
        self.clock.advance(60)

        claims = self.claim_due()

        assert [c.order.idempotency_key for c in claims] == ["due-1", "due-2"]

    def test_no_more_than_the_limit_are_claimed_and_the_rest_stays(self) -> None:
        for number in range(5):
            self.stored(an_order(f"order-{number}"))

        shares = [len(self.claim_due(limit=2)) for _ in range(4)]

        assert shares == [2, 2, 1, 0]

    def test_a_save_decides_anew_when_an_order_is_due(self) -> None:
        order = self.stored(due(an_order(), NOON + 60 * SECOND))
        order = self.store.save(due(order, NOON))
        assert [c.order for c in self.claim_due(lease_s=1)] == [order]

        self.clock.advance(1)
        self.store.save(due(order, NOON + 60 * SECOND))

        assert list(self.claim_due()) == []

    def test_orders_of_all_tenants_are_shared_out(self) -> None:
        ours = self.stored(an_order("a", scope=a_scope("acme")))
        theirs = self.stored(an_order("b", scope=a_scope("rival")))

        claims = self.claim_due()

        assert sorted(c.order.idempotency_key for c in claims) == ["a", "b"]
        assert {c.lease.scope for c in claims} == {ours.scope, theirs.scope}

    def test_tenants_that_are_passed_over_are_in_nobodys_way(self) -> None:
        for number in range(40):
            self.stored(an_order(f"flood-{number}", scope=a_scope("acme"), at=NOON))
        self.clock.advance(10)
        late = self.stored(an_order("late", scope=a_scope("rival"), at=NOON + SECOND))
        acme, rival = a_scope("acme").tenant_id, late.scope.tenant_id

        others = self.store.claim_due(
            "a", limit=9, lease_s=30, definitions=[PLACE_ORDER], passing_over=[acme]
        )
        none = self.store.claim_due(
            "b", limit=9, lease_s=30, definitions=[PLACE_ORDER], passing_over=[acme, rival]
        )
        rest = self.store.claim_due("c", limit=50, lease_s=30, definitions=[PLACE_ORDER])

        assert [claim.order for claim in others] == [late]
        assert list(none) == []
        assert len(rest) == 40

    # -- definitions -------------------------------------------------------------------------

    def test_a_worker_leaves_alone_what_it_does_not_know(self) -> None:
        self.stored(an_order("old", saga=a_saga_position(definition="place_order/1")))
        self.stored(an_order("new", saga=a_saga_position(definition="place_order/2")))
        self.stored(an_order("other", saga=a_saga_position(definition="return_goods/1")))

        first = self.store.claim_due(
            "a", limit=9, lease_s=30, definitions=["place_order/2", "return_goods/1"]
        )
        second = self.store.claim_due("b", limit=9, lease_s=30, definitions=["place_order/1"])

        assert sorted(c.order.idempotency_key for c in first) == ["new", "other"]
        assert [c.order.idempotency_key for c in second] == ["old"]

    def test_unknown_sagas_are_in_nobodys_way(self) -> None:
        for number in range(20):
            unknown = a_saga_position(definition="from_the_future/9", due_at=NOON)
            self.stored(an_order(f"unknown-{number}", saga=unknown))
        self.clock.advance(10)
        known = self.stored(an_order("known", at=NOON + SECOND))

        assert [c.order for c in self.claim_due(limit=1)] == [known]

    def test_who_knows_no_saga_gets_nothing(self) -> None:
        self.stored(an_order())

        assert list(self.store.claim_due("a", limit=9, lease_s=30, definitions=[])) == []

    def test_the_oldest_due_comes_first_across_definitions(self) -> None:
        for seconds, version in ((1, 1), (2, 2), (3, 1), (4, 2)):
            saga = a_saga_position(
                definition=f"place_order/{version}", due_at=NOON + seconds * SECOND
            )
            self.stored(an_order(f"due-{seconds}", saga=saga))
        self.clock.advance(60)

        claims = self.store.claim_due(
            "a", limit=3, lease_s=30, definitions=["place_order/2", "place_order/1"]
        )

        assert [c.order.idempotency_key for c in claims] == ["due-1", "due-2", "due-3"]

    # -- one worker at a time ----------------------------------------------------------------

    def test_an_order_in_a_workers_hands_is_not_claimed_by_another(self) -> None:
        order = self.stored(an_order())
        self.claim_due("worker-a")

        assert list(self.claim_due("worker-b")) == []
        assert self.store.claim(order.scope, order.id, "worker-b", lease_s=30) is None

    def test_not_even_its_own_holder_claims_it_a_second_time(self) -> None:
        order = self.stored(an_order())
        self.claim_due("worker-a")

        assert list(self.claim_due("worker-a")) == []
        assert self.store.claim(order.scope, order.id, "worker-a", lease_s=30) is None

    def test_an_order_added_for_a_holder_is_in_its_hands_from_the_start(self) -> None:
        claim = self.stored_and_claimed(an_order(), "worker-a", lease_s=30)

        assert claim.lease.holder == "worker-a"
        assert claim.lease.expires_at == self.clock.now() + 30 * SECOND
        assert claim.deliveries == 1
        assert list(self.claim_due("worker-b")) == []

    def test_many_threads_share_out_what_is_due_without_overlap(self) -> None:
        keys = [f"order-{number:02}" for number in range(60)]
        for key in keys:
            self.stored(an_order(key))

        def take_all(worker: int) -> list[str]:
            taken: list[str] = []
            while claims := self.claim_due(f"worker-{worker}", limit=3):
                taken += [claim.order.idempotency_key for claim in claims]
            return taken

        shares = at_once(take_all, range(8))

        assert sorted(key for share in shares for key in share) == keys

    def test_of_many_threads_claiming_one_order_one_gets_it(self) -> None:
        order = self.stored(an_order())

        def claim(worker: int) -> bool:
            holder = f"worker-{worker}"
            return self.store.claim(order.scope, order.id, holder, lease_s=30) is not None

        assert at_once(claim, range(16)).count(True) == 1

    # -- by id -------------------------------------------------------------------------------

    def test_an_order_can_be_claimed_by_id_whether_or_not_it_is_due(self) -> None:
        later = self.stored(due(an_order("later"), NOON + 3600 * SECOND))
        parked = self.stored(due(an_order("parked"), None))

        claims = [self.claimed(later), self.claimed(parked)]

        assert [claim.order for claim in claims] == [later, parked]

    def test_an_order_of_another_scope_cannot_be_claimed_by_id(self) -> None:
        order = self.stored(an_order(scope=a_scope("acme")))

        refusal(
            OrderNotFound, lambda: self.store.claim(a_scope("rival"), order.id, "a", lease_s=30)
        )

        assert [c.order for c in self.claim_due()] == [order]

    # -- how long to sleep -------------------------------------------------------------------

    def test_with_nothing_to_do_there_is_no_earliest_moment(self) -> None:
        assert self.store.earliest_due() is None

        self.stored(due(an_order("parked"), None))
        self.stored(finished(an_order("finished")))

        assert self.store.earliest_due() is None

    def test_the_earliest_moment_is_that_of_the_order_due_next(self) -> None:
        for seconds in (30, 10, 20):
            self.stored(due(an_order(f"due-{seconds}"), NOON + seconds * SECOND))

        assert self.store.earliest_due() == NOON + 10 * SECOND

    def test_what_could_be_claimed_now_is_not_announced_for_later(self) -> None:
        self.stored(an_order())
        self.clock.advance(5)

        earliest = self.store.earliest_due()

        assert earliest is not None
        assert earliest <= self.clock.now()

    def test_a_leased_order_is_announced_for_when_its_lease_runs_out(self) -> None:
        self.stored_and_claimed(an_order(), lease_s=30)

        assert self.store.earliest_due() == NOON + 30 * SECOND

    def test_a_leased_order_that_is_due_later_is_announced_for_then(self) -> None:
        self.stored_and_claimed(due(an_order(), NOON + 3600 * SECOND), lease_s=30)

        assert self.store.earliest_due() == NOON + 3600 * SECOND
        self.clock.advance(60)
        assert self.store.earliest_due() == NOON + 3600 * SECOND

    def test_an_order_that_became_parked_is_announced_no_more(self) -> None:
        claim = self.stored_and_claimed(an_order())

        self.store.checkpoint(due(claim.order, None), claim.lease, extend_s=None)

        assert self.store.earliest_due() is None

    # -- deliveries --------------------------------------------------------------------------

    def test_deliveries_count_the_holders_that_died_before_they_saved(self) -> None:
        self.stored(an_order())

        counted = []
        for _ in range(4):
            (claim,) = self.claim_due(lease_s=30)
            counted.append(claim.deliveries)
            self.clock.advance(30)

        assert counted == [1, 2, 3, 4]

    def test_a_holder_that_was_named_at_the_start_counts_too(self) -> None:
        self.stored_and_claimed(an_order(), lease_s=30)
        self.clock.advance(30)

        (claim,) = self.claim_due()

        assert claim.deliveries == 2

    def test_claims_by_id_count_too(self) -> None:
        order = self.stored(an_order())
        self.claimed(order, lease_s=30)
        self.clock.advance(30)

        assert self.claimed(order).deliveries == 2

    def test_a_holders_save_starts_the_count_again(self) -> None:
        self.stored_and_claimed(an_order(), lease_s=30)
        self.clock.advance(30)
        (claim,) = self.claim_due()
        self.store.checkpoint(claim.order, claim.lease, extend_s=30)
        self.clock.advance(30)

        (next_claim,) = self.claim_due()

        assert next_claim.deliveries == 1

    def test_a_save_by_somebody_else_does_not_start_the_count_again(self) -> None:
        claim = self.stored_and_claimed(an_order(), lease_s=30)
        self.store.save(with_status(claim.order, OrderStatus.PAYMENT_AUTHORIZED))
        self.clock.advance(30)

        (next_claim,) = self.claim_due()

        assert next_claim.deliveries == 2

    def test_a_claim_that_was_given_back_untouched_does_not_count(self) -> None:
        self.stored_and_claimed(an_order(), lease_s=30)
        self.clock.advance(30)
        (second,) = self.claim_due()
        self.store.release(second.lease)

        (third,) = self.claim_due()

        assert (second.deliveries, third.deliveries) == (2, 2)

    def test_giving_back_after_a_save_leaves_a_count_of_one_for_the_next(self) -> None:
        claim = self.stored_and_claimed(an_order())
        saved = self.store.checkpoint(evolve(claim.order, platform="pos"), claim.lease, extend_s=30)
        self.store.release(saved.lease)

        (next_claim,) = self.claim_due()

        assert next_claim.deliveries == 1
        assert next_claim.order.saga.definition == PLACE_ORDER
