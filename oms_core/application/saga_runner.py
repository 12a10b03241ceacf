"""Drives one claimed order through its saga, one durable step after the other.

Every external call is preceded by a durable record of what is about to be called under
which key, and followed by a durable record of what came of it; so after a crash anywhere
the next claim repeats at most one call, with the same key.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from oms_core.application.saga import Stuck, Waiting
from oms_core.application.saga_moves import goes_on
from oms_core.errors import LeaseLost, StaleVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_core.application.saga_moves import Outcome, SagaMoves
    from oms_core.domain.order import Order
    from oms_core.domain.saga_position import SagaPosition
    from oms_core.ports.clock import Clock
    from oms_core.ports.storage import Claim, Lease, OrderStorage

_log = logging.getLogger("oms_core.saga")

STALE_RETRIES_MAX: Final = 20
"""How often one outcome is written anew because somebody else saved first."""


@frozen
class RunnerSettings:
    """How the runner treats its claims."""

    lease_s: float = 30.0
    """A lease outlives the slowest external call; every checkpoint renews it."""
    deliveries_max: int = 5
    """An order that took down so many holders in a row is parked."""
    bug_attempts_max: int = 3
    """An order that met so many unexpected errors at one step is parked."""


class SagaRunner:
    """Moves claimed orders. Thread-safe: holds no state of its own."""

    def __init__(
        self,
        moves: SagaMoves,
        *,
        storage: OrderStorage,
        clock: Clock,
        settings: RunnerSettings,
        on_saved: Callable[[Order], None],
    ) -> None:
        """Take how orders move; *on_saved* hears of every checkpoint."""
        self._moves = moves
        self._storage = storage
        self._clock = clock
        self.settings = settings
        self._on_saved = on_saved

    @property
    def definitions(self) -> frozenset[str]:
        """The sagas it may claim."""
        return self._moves.definitions

    def drive(self, claim: Claim) -> None:
        """Move the order as far as it goes now; the lease is given back at the end.

        Begin soon after the claim, while its lease is fresh. A lost lease ends the drive
        without further effects.

        Raises:
            StoreUnavailable: the last outcome may not be recorded; the next claim repeats
                the step with the same key.
        """
        order, lease = claim.order, claim.lease
        try:
            if order.saga.due_at is None:
                self._storage.release(lease)
                return
            if claim.deliveries > self.settings.deliveries_max:
                self._record(order, lease, _poisoned(claim.deliveries))
                return
            # Whether the order is due and the lease holds is the store's to say, by its clock:
            # ours may be behind or ahead of it. Every checkpoint renews the lease.
            while saved := self._record(order, lease, self._attempt(order)):
                order, lease = saved.order, saved.lease
        except LeaseLost:
            _log.info("lease lost", extra={"order_id": str(order.id)})

    def _attempt(self, order: Order) -> Outcome:
        return self._moves.attempt(order, self._clock.now())

    def _record(self, order: Order, lease: Lease, outcome: Outcome) -> Claim | None:
        """Write the outcome into the newest version of the order.

        Returns the claim to go on with, or ``None`` if there is nothing more to do now: the
        saga is over, waits, or was steered elsewhere meanwhile.
        """
        position = order.saga
        for _ in range(STALE_RETRIES_MAX):
            now = self._clock.now()
            moved = self._moves.apply(order, outcome, now)
            if order.saga.paused:
                # What came of the attempt is kept; a person decides when it goes on.
                moved = _paused(moved)
            stays = goes_on(moved.saga, now)
            try:
                saved = self._storage.checkpoint(
                    moved, lease, extend_s=self.settings.lease_s if stays else None
                )
            except StaleVersion:
                order = self._storage.get(order.scope, order.id)
                # Whoever woke it knows more than what was seen before: it is looked at again.
                if isinstance(outcome, Waiting) or not _same_place(order.saga, position):
                    self._storage.release(lease)
                    return None
                continue
            self._on_saved(saved.order)
            return saved if stays else None
        raise StaleVersion(order.id)


def _same_place(one: SagaPosition, other: SagaPosition) -> bool:
    return _place(one) == _place(other)


def _place(position: SagaPosition) -> tuple[object, ...]:
    return (
        position.definition,
        position.operation,
        position.phase,
        position.step,
        position.generation,
    )


def _paused(order: Order) -> Order:
    return evolve(order, saga=evolve(order.saga, due_at=None, paused=True))


def _poisoned(deliveries: int) -> Stuck:
    return Stuck(
        "worker_lost",
        f"{deliveries - 1} workers in a row stopped while they worked on this order. Find out "
        "why (memory, a hanging provider), then retry the order.",
    )
