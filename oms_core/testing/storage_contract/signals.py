"""A store tells who listens that others brought work."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from oms_core.testing.clock import NOON
from oms_core.testing.orders import an_order, due, with_status
from oms_core.testing.storage_contract.suite import StorageSuite

if TYPE_CHECKING:
    from oms_core.ports.work_signal import WorkSignal

HEARS_WITHIN_S = 20.0
QUIET_S = 0.3


def _heard(signal: WorkSignal) -> int:
    """Tell how often the signal comes before it is quiet."""
    times = 0
    while signal.wait(QUIET_S):
        times += 1
    return times


class TellsOfWork(StorageSuite):
    """``listen``."""

    def test_an_order_that_nobody_holds_is_told_of(self) -> None:
        with closing(self.store.listen()) as signal:
            self.stored(an_order())

            assert signal.wait(HEARS_WITHIN_S)
            assert _heard(signal) == 0

    def test_whoever_waits_already_is_woken(self) -> None:
        heard: list[bool] = []
        with closing(self.store.listen()) as signal:
            listener = threading.Thread(target=lambda: heard.append(signal.wait(HEARS_WITHIN_S)))
            listener.start()
            self.stored(an_order())
            listener.join()

        assert heard == [True]

    def test_every_listener_is_told(self) -> None:
        with closing(self.store.listen()) as one, closing(self.store.listen()) as other:
            self.stored(an_order())

            assert one.wait(HEARS_WITHIN_S)
            assert other.wait(HEARS_WITHIN_S)

    def test_an_order_that_somebody_without_a_lease_makes_due_is_told_of(self) -> None:
        order = self.stored(due(an_order(), NOON + timedelta(hours=1)))
        with closing(self.store.listen()) as signal:
            self.store.save(due(order, NOON))

            assert signal.wait(HEARS_WITHIN_S)

    def test_an_order_that_is_given_back_is_told_of(self) -> None:
        claim = self.stored_and_claimed(an_order())
        with closing(self.store.listen()) as signal:
            self.store.release(claim.lease)

            assert signal.wait(HEARS_WITHIN_S)

    def test_what_workers_do_to_orders_in_their_hands_is_no_news(self) -> None:
        """Else each step of one worker would make all the others look."""
        self.stored(an_order("another", channel="kiosk"))
        (other,) = self.claim_due("worker-b", lease_s=30)
        with closing(self.store.listen()) as signal:
            claim = self.stored_and_claimed(an_order())
            moved = evolve(claim.order, platform="pos")
            claim = self.store.checkpoint(moved, claim.lease, extend_s=30)
            ended = due(with_status(claim.order, claim.order.status), None)
            self.store.checkpoint(ended, claim.lease, extend_s=None)
            sent = self.store.claim_unpublished("relay", limit=9, lease_s=30)
            self.store.mark_published(sent)
            self.store.checkpoint(other.order, other.lease, extend_s=30)

            assert _heard(signal) == 0

    def test_a_listener_that_is_closed_hears_nothing_and_may_be_closed_again(self) -> None:
        signal = self.store.listen()
        signal.close()
        self.stored(an_order())

        signal.close()

        with closing(self.store.listen()) as another:
            assert _heard(another) == 0
