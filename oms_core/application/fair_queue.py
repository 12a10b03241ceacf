"""The orders in a worker's hands, shared out so that no tenant waits long for another."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

T = TypeVar("T")

SPARE: Final = 2
"""All tenants together may have so many times what one alone may have."""


class FairQueue(Generic[T]):
    """Turns of many tenants: taken in rotation, and limited for each.

    With *n* tenants at work, each may have one of *n + 1* equal shares of the threads and of the
    places in the queue: one share is always left for whoever comes next. A tenant that is alone
    so has *threads* and *places*; all together have twice as many. The share must be left free
    beforehand: a thread that waits for a provider cannot be taken back.
    """

    def __init__(self, *, threads: int, places: int) -> None:
        self.threads_max = SPARE * threads
        self._places = SPARE * places
        self._lock = threading.RLock()
        # Two, and nobody is woken in vain: every thread that wakes takes Python's lock.
        self._startable_came = threading.Condition(self._lock)
        self._place_came = threading.Condition(self._lock)
        self._waiting: defaultdict[UUID, deque[T]] = defaultdict(deque)
        self._rotation: deque[UUID] = deque()
        """Every tenant with turns that wait, the next to come first."""
        self._driven: Counter[UUID] = Counter()
        self._in_hand: Counter[UUID] = Counter()
        self._idle = 0
        self._is_closed = False

    # -- bringing --------------------------------------------------------------------------

    def wait_for_place(self, tenant: UUID, timeout_s: float) -> bool:
        """Wait until *tenant* may have one more turn in hand; ``False``: not in time, or closed."""
        with self._lock:
            self._place_came.wait_for(lambda: self._is_closed or self._has_place(tenant), timeout_s)
            return not self._is_closed and self._has_place(tenant)

    def put(self, tenant: UUID, turn: T, begin_thread: Callable[[], None]) -> bool:
        """Add a turn; ``False``: closed. Calls *begin_thread* if nobody is there to take it."""
        with self._lock:
            if self._is_closed:
                return False
            self._in_hand[tenant] += 1
            if not self._waiting[tenant]:
                self._rotation.append(tenant)
            self._waiting[tenant].append(turn)
            self._wake(begin_thread)
            return True

    def room(self) -> int:
        """Tell how many more turns may be brought, of tenants that are not full."""
        with self._lock:
            return self._places - self._in_hand.total()

    def full(self) -> frozenset[UUID]:
        """Name the tenants that have all they may have."""
        with self._lock:
            return frozenset(each for each in self._in_hand if not self._has_place(each))

    # -- taking ----------------------------------------------------------------------------

    def take(self) -> tuple[UUID, T] | None:
        """Wait for a turn whose tenant may have one more driven; ``None``: closed."""
        with self._lock:
            self._idle += 1
            try:
                while not self._is_closed:
                    tenant = self._next()
                    if tenant is not None:
                        self._driven[tenant] += 1
                        return tenant, self._taken(tenant)
                    self._startable_came.wait()
                return None
            finally:
                self._idle -= 1

    def done(self, tenant: UUID, begin_thread: Callable[[], None]) -> None:
        """Note that a turn came to its end, and with it perhaps a share became larger."""
        with self._lock:
            _less_one(self._driven, tenant)
            _less_one(self._in_hand, tenant)
            # The thread that says so takes one itself.
            self._wake(begin_thread, coming=1)
            self._place_came.notify_all()

    def close(self) -> list[T]:
        """Let nobody take or bring any more; return the turns that waited."""
        with self._lock:
            self._is_closed = True
            left = [turn for waiting in self._waiting.values() for turn in waiting]
            self._waiting.clear()
            self._rotation.clear()
            self._startable_came.notify_all()
            self._place_came.notify_all()
            return left

    # -- with the lock held ------------------------------------------------------------------

    def _wake(self, begin_thread: Callable[[], None], *, coming: int = 0) -> None:
        """Let as many threads look as turns may start; *coming*: threads about to look anyway."""
        startable = self._startable() - coming
        if startable > 0:
            self._startable_came.notify(startable)
        if startable > self._idle:
            begin_thread()

    def _share(self, of: int, tenant: UUID) -> int:
        tenants = len(self._in_hand) + (tenant not in self._in_hand)
        return max(1, of // (tenants + 1))

    def _has_place(self, tenant: UUID) -> bool:
        return self._in_hand[tenant] < self._share(self._places, tenant)

    def _may_start(self, tenant: UUID) -> int:
        free = self._share(self.threads_max, tenant) - self._driven[tenant]
        return max(0, min(len(self._waiting[tenant]), free))

    def _startable(self) -> int:
        return sum(self._may_start(tenant) for tenant in self._rotation)

    def _next(self) -> UUID | None:
        for _ in range(len(self._rotation)):
            tenant = self._rotation[0]
            self._rotation.rotate(-1)
            if self._may_start(tenant):
                return tenant
        return None

    def _taken(self, tenant: UUID) -> T:
        waiting = self._waiting[tenant]
        turn = waiting.popleft()
        if not waiting:
            del self._waiting[tenant]
            self._rotation.remove(tenant)
        return turn


def _less_one(counts: Counter[UUID], tenant: UUID) -> None:
    """Count down, and forget who has nothing: else the tenants of all time would be counted."""
    counts[tenant] -= 1
    if not counts[tenant]:
        del counts[tenant]
