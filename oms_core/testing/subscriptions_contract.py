"""The exam that every subscriptions adapter sits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from attrs import evolve

from oms_core.domain.delivery import DeadLetter, DeliveryProgress, HeldEvents
from oms_core.domain.subscription import SigningSecret, Subscription
from oms_core.ports.subscriptions import DeliveryTally, Subscribed
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON, SimulatedClock
from oms_core.testing.orders import a_scope

if TYPE_CHECKING:
    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.subscriptions import Subscriptions

ACME: Final = a_scope("acme")
RIVAL: Final = a_scope("rival")
LEASE_S: Final = 60.0


def a_subscription(number: int = 1, *, scope: Scope = ACME) -> Subscription:
    """Return a subscription with every field set."""
    return Subscription(
        UUID(int=number),
        scope,
        f"https://shop.example.com/hooks/{number}?token=ä",
        ("order.created",),
        (
            SigningSecret.of_bytes(bytes(range(32))),
            SigningSecret("whsec_b2xk", NOON + timedelta(days=1)),
        ),
        NOON + timedelta(seconds=number),
    )


def a_full_progress() -> DeliveryProgress:
    """Return a progress with every field set, which is due at noon."""
    order_id, event_id = UUID(int=4711), UUID(int=4712)
    held = HeldEvents(order_id, (3, 5), 2, NOON, NOON, "answered 500")
    dead = DeadLetter(
        1,
        event_id,
        "order.created",
        order_id,
        order_id,
        1,
        9,
        NOON,
        NOON + timedelta(days=3),
        "no answer",
    )
    return DeliveryProgress(7, (held,), (dead,), 2, NOON, NOON, None)


class SubscriptionsContract(ABC):
    """Every promise of ``Subscriptions``, as tests that pytest runs on your adapter.

    Inherit and say how an empty one is made::

        class TestMySubscriptions(SubscriptionsContract):
            def make_subscriptions(self, clock: Clock) -> Subscriptions:
                return MySubscriptions(clock)
    """

    clock: SimulatedClock
    kept: Subscriptions

    @abstractmethod
    def make_subscriptions(self, clock: Clock) -> Subscriptions:
        """Make an empty one that compares claims with *clock*."""

    def setup_method(self) -> None:
        """Give every test one of its own; pytest calls it."""
        self.clock = SimulatedClock()
        self.kept = self.make_subscriptions(self.clock)

    def added(self, number: int = 1, *, scope: Scope = ACME) -> Subscribed:
        """Keep a subscription that has delivered nothing yet."""
        subscribed = Subscribed(a_subscription(number, scope=scope))
        self.kept.add(subscribed)
        return subscribed

    def claimed(self, subscribed: Subscribed) -> Subscribed:
        """Claim a subscription that is waiting."""
        subscription = subscribed.subscription
        claimed = self.kept.claim(subscription.scope, subscription.id, lease_s=LEASE_S)
        assert claimed is not None
        return claimed

    def recorded(self, subscribed: Subscribed, progress: DeliveryProgress) -> bool:
        """Record a progress from the version that *subscribed* has."""
        subscription = subscribed.subscription
        newer = evolve(progress, version=subscribed.progress.version)
        return self.kept.record(subscription.scope, subscription.id, newer)

    def found(self, subscribed: Subscribed) -> Subscribed:
        """Read it as it is now."""
        subscription = subscribed.subscription
        found = self.kept.find(subscription.scope, subscription.id)
        assert found is not None
        return found

    def test_what_is_added_is_found_whole(self) -> None:
        subscribed = Subscribed(a_subscription(), a_full_progress())

        self.kept.add(subscribed)

        assert self.found(subscribed) == subscribed

    def test_adding_again_changes_nothing(self) -> None:
        subscribed = self.added()

        self.kept.add(Subscribed(evolve(a_subscription(), url="https://other.example.com/")))

        assert self.found(subscribed) == subscribed

    def test_all_of_a_scope_are_listed_the_oldest_first_and_no_others(self) -> None:
        ours = [self.added(number) for number in (1, 2, 3)]
        theirs = self.added(4, scope=RIVAL)

        assert list(self.kept.list_all(ACME)) == ours
        assert list(self.kept.list_all(RIVAL)) == [theirs]
        assert self.kept.find(RIVAL, UUID(int=1)) is None
        assert list(self.kept.list_all(a_scope("nobody"))) == []

    def test_a_save_is_refused_from_an_older_version(self) -> None:
        subscribed = self.added()
        subscription = subscribed.subscription

        assert self.kept.save(evolve(subscription, url="https://new.example.com/"))
        assert not self.kept.save(evolve(subscription, url="https://stale.example.com/"))

        found = self.found(subscribed)
        assert found.subscription == evolve(
            subscription, url="https://new.example.com/", version=subscription.version + 1
        )
        assert found.progress == subscribed.progress

    def test_what_is_removed_is_gone(self) -> None:
        subscribed = self.added()
        assert not self.kept.remove(RIVAL, UUID(int=1))

        assert self.kept.remove(ACME, UUID(int=1))

        assert self.kept.find(ACME, UUID(int=1)) is None
        assert not self.kept.remove(ACME, UUID(int=1))
        assert not self.kept.save(subscribed.subscription)
        assert not self.recorded(subscribed, a_full_progress())
        assert list(self.kept.waiting()) == []

    def test_what_is_recorded_is_read_again_and_raises_the_version(self) -> None:
        subscribed = self.added()
        claimed = self.claimed(subscribed)

        assert self.recorded(claimed, a_full_progress())

        found = self.found(subscribed).progress
        assert found == evolve(a_full_progress(), version=found.version)
        assert found.version > claimed.progress.version

    def test_who_waits_is_told_with_what_decides_whether_there_is_work(self) -> None:
        fresh, busy = self.added(1), self.added(2, scope=RIVAL)
        assert self.recorded(busy, a_full_progress())

        waiting = sorted(self.kept.waiting(), key=lambda one: one.subscription_id)

        assert [(w.scope, w.subscription_id) for w in waiting] == [
            (each.subscription.scope, each.subscription.id) for each in (fresh, busy)
        ]
        assert [(w.position, w.next_held_at, w.has_room, w.is_failing) for w in waiting] == [
            (0, None, True, False),
            (7, NOON, True, True),
        ]

    def test_who_is_disabled_stopped_or_paused_does_not_wait(self) -> None:
        disabled, stopped, paused = self.added(1), self.added(2), self.added(3)
        assert self.kept.save(evolve(disabled.subscription, is_enabled=False))
        assert self.recorded(stopped, DeliveryProgress(stopped="the endpoint is gone"))
        later = self.clock.now() + timedelta(seconds=10)
        assert self.recorded(paused, DeliveryProgress(failures=3, resume_at=later))

        assert list(self.kept.waiting()) == []
        for each in (disabled, stopped, paused):
            assert self.kept.claim(ACME, each.subscription.id, lease_s=LEASE_S) is None

        self.clock.advance(10)
        assert [w.subscription_id for w in self.kept.waiting()] == [paused.subscription.id]

    def test_nobody_subscribing_is_counted_as_nothing(self) -> None:
        assert self.kept.tally() == DeliveryTally()

    def test_all_are_counted_by_how_their_deliveries_are(self) -> None:
        active, failing, stopped, disabled = (
            self.added(n, scope=s) for n, s in enumerate((ACME, RIVAL, ACME, RIVAL), 1)
        )
        assert self.recorded(active, DeliveryProgress(5))
        assert self.recorded(failing, a_full_progress())
        assert self.recorded(stopped, evolve(a_full_progress(), stopped="the endpoint is gone"))
        assert self.kept.save(evolve(disabled.subscription, is_enabled=False))

        assert self.kept.tally() == DeliveryTally(
            active=1, failing=1, stopped=1, disabled=1, held=2, dead=2, held_since=NOON
        )
        assert self.recorded(self.found(failing), DeliveryProgress(9))
        assert self.recorded(self.found(stopped), DeliveryProgress(9))
        assert self.kept.tally() == DeliveryTally(active=3, disabled=1)

    def test_a_claim_keeps_others_away_until_it_is_recorded_or_runs_out(self) -> None:
        subscribed = self.added()
        claimed = self.claimed(subscribed)
        assert list(self.kept.waiting()) == []
        assert self.kept.claim(ACME, UUID(int=1), lease_s=LEASE_S) is None

        assert self.recorded(claimed, DeliveryProgress(5))

        self.claimed(subscribed)
        self.clock.advance(LEASE_S)
        assert self.claimed(subscribed).progress.position == 5

    def test_a_holder_that_was_overtaken_records_nothing(self) -> None:
        """A zombie must not take the position back to where it was."""
        subscribed = self.added()
        zombie = self.claimed(subscribed)
        self.clock.advance(LEASE_S)
        heir = self.claimed(subscribed)

        assert not self.recorded(zombie, DeliveryProgress(1))
        assert self.recorded(heir, DeliveryProgress(9))
        assert not self.recorded(zombie, DeliveryProgress(1))

        assert self.found(subscribed).progress.position == 9

    def test_a_record_that_nobody_overtook_counts_however_late(self) -> None:
        claimed = self.claimed(self.added())
        self.clock.advance(10 * LEASE_S)

        assert self.recorded(claimed, DeliveryProgress(3))

    def test_changing_the_subscription_does_not_disturb_its_deliveries(self) -> None:
        subscribed = self.added()
        claimed = self.claimed(subscribed)

        assert self.kept.save(evolve(subscribed.subscription, url="https://new.example.com/"))

        assert self.recorded(claimed, DeliveryProgress(3))
        assert self.found(subscribed).subscription.url == "https://new.example.com/"

    def test_of_many_at_once_one_gets_the_claim(self) -> None:
        for number in range(1, 9):
            self.added(number)

        def claim_all(_: int) -> list[UUID]:
            ids = [UUID(int=number) for number in range(1, 9)]
            return [own for own in ids if self.kept.claim(ACME, own, lease_s=LEASE_S) is not None]

        shares = at_once(claim_all, range(6))

        assert sorted(own for share in shares for own in share) == [
            UUID(int=number) for number in range(1, 9)
        ]
