"""The subscriptions port in the memory of this process."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import define, evolve

from oms_core.ports.clock import SystemClock
from oms_core.ports.subscriptions import (
    DeliveryTally,
    Subscribed,
    Waiting,
    is_waiting,
    tally_of,
    waiting_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.delivery import DeliveryProgress
    from oms_core.domain.scope import Scope
    from oms_core.domain.subscription import Subscription
    from oms_core.ports.clock import Clock


@define
class _Kept:
    subscribed: Subscribed
    claimed_until: datetime | None = None


class MemorySubscriptions:
    """Keeps subscriptions as long as the process lives; implements ``Subscriptions``."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._kept: dict[tuple[Scope, UUID], _Kept] = {}

    def add(self, subscribed: Subscribed) -> None:
        """Keep a new one; see ``Subscriptions.add``."""
        subscription = subscribed.subscription
        with self._lock:
            self._kept.setdefault((subscription.scope, subscription.id), _Kept(subscribed))

    def find(self, scope: Scope, subscription_id: UUID) -> Subscribed | None:
        """Read one; see ``Subscriptions.find``."""
        with self._lock:
            kept = self._kept.get((scope, subscription_id))
            return None if kept is None else kept.subscribed

    def list_all(self, scope: Scope) -> Sequence[Subscribed]:
        """Read all of a scope; see ``Subscriptions.list_all``."""
        with self._lock:
            found = [kept.subscribed for (of, _), kept in self._kept.items() if of == scope]
        return sorted(found, key=lambda one: (one.subscription.created_at, one.subscription.id))

    def save(self, subscription: Subscription) -> bool:
        """Replace the subscription; see ``Subscriptions.save``."""
        with self._lock:
            kept = self._kept.get((subscription.scope, subscription.id))
            if kept is None or kept.subscribed.subscription.version != subscription.version:
                return False
            newer = evolve(subscription, version=subscription.version + 1)
            kept.subscribed = evolve(kept.subscribed, subscription=newer)
            return True

    def remove(self, scope: Scope, subscription_id: UUID) -> bool:
        """Forget one; see ``Subscriptions.remove``."""
        with self._lock:
            return self._kept.pop((scope, subscription_id), None) is not None

    def waiting(self) -> Sequence[Waiting]:
        """Tell which may be delivered to; see ``Subscriptions.waiting``."""
        now = self._clock.now()
        with self._lock:
            return [
                waiting_of(kept.subscribed) for kept in self._kept.values() if _is_free(kept, now)
            ]

    def tally(self) -> DeliveryTally:
        """Count how deliveries are; see ``Subscriptions.tally``."""
        with self._lock:
            return tally_of([kept.subscribed for kept in self._kept.values()])

    def claim(self, scope: Scope, subscription_id: UUID, *, lease_s: float) -> Subscribed | None:
        """Claim one; see ``Subscriptions.claim``."""
        now = self._clock.now()
        with self._lock:
            kept = self._kept.get((scope, subscription_id))
            if kept is None or not _is_free(kept, now):
                return None
            kept.claimed_until = now + timedelta(seconds=lease_s)
            _renew(kept, kept.subscribed.progress)
            return kept.subscribed

    def record(self, scope: Scope, subscription_id: UUID, progress: DeliveryProgress) -> bool:
        """Replace the progress; see ``Subscriptions.record``."""
        with self._lock:
            kept = self._kept.get((scope, subscription_id))
            if kept is None or kept.subscribed.progress.version != progress.version:
                return False
            kept.claimed_until = None
            _renew(kept, progress)
            return True


def _is_free(kept: _Kept, now: datetime) -> bool:
    is_claimed = kept.claimed_until is not None and now < kept.claimed_until
    return not is_claimed and is_waiting(kept.subscribed, now)


def _renew(kept: _Kept, progress: DeliveryProgress) -> None:
    newer = evolve(progress, version=progress.version + 1)
    kept.subscribed = evolve(kept.subscribed, progress=newer)
