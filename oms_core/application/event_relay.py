"""The way of events out of an outbox: the log first, then a publisher, then the mark."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from oms_core.ports.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from oms_core.domain.event_envelope import EventEnvelope
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog

Waiting = TypeVar("Waiting")
"""An order or a stock item whose events have not left, claimed by one relay."""
Publisher = TypeVar("Publisher")

BATCH_MAX: Final = 100
"""Whose events leave at once: so many orders, or so many stock items."""


class Outbox(Protocol[Waiting]):
    """Where events wait: those of orders in an ``OrderStorage``, others in a ``StockOutbox``."""

    def claim_unpublished(self, holder: str, *, limit: int, lease_s: float) -> Sequence[Waiting]:
        """Claim up to *limit* of those with events that have not left."""
        ...

    def mark_published(self, sent: Sequence[Waiting]) -> None:
        """Record, in one write for all, that their events have left."""
        ...


class EventRelay(ABC, Generic[Waiting, Publisher]):
    """Puts unpublished events in the log, offers them to a publisher and marks what was taken.

    The log comes first and takes a whole batch in one write: a publisher that fails holds up
    nobody who reads the log. What was not taken is offered again when the claim on it runs out,
    and delays nothing else meanwhile.
    """

    def __init__(
        self,
        outbox: Outbox[Waiting],
        publisher: Publisher | None = None,
        *,
        holder: str,
        log: EventLog | None = None,
        lease_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        """Relay from *outbox* to *log* and *publisher*, those that are given, as *holder*."""
        self._outbox = outbox
        self._publisher = publisher
        self._log = log
        self._holder = holder
        self._lease_s = lease_s
        self._clock = clock or SystemClock()

    @abstractmethod
    def envelopes_of(self, waiting: Waiting) -> Sequence[EventEnvelope]:
        """Return the events of *waiting* for the log, in sequence."""

    @abstractmethod
    def publish(self, waiting: Waiting, publisher: Publisher) -> None:
        """Hand the events of *waiting* to *publisher*, in sequence."""

    @abstractmethod
    def tell_not_taken(self, waiting: Waiting, error: Exception) -> None:
        """Tell the operator that the publisher failed with *error*."""

    def relay_batch(self) -> Sequence[Waiting]:
        """Offer one batch; returns all that was in it.

        A slow publisher is offered no more once half of the claim's time is over: what it took
        must be marked while the claim still holds. Marked later, with two relays at work, each
        would take over the other's claim, and the same events would leave for ever.
        """
        batch = self._outbox.claim_unpublished(self._holder, limit=BATCH_MAX, lease_s=self._lease_s)
        ends_at = self._clock.now() + timedelta(seconds=self._lease_s / 2)
        if self._log is not None and batch:
            # Again after a crash before the mark: the log knows each event by its id.
            self._log.append([one for waiting in batch for one in self.envelopes_of(waiting)])
        sent = self._taken(batch, ends_at)
        if sent:
            self._outbox.mark_published(sent)
        return batch

    def _taken(self, batch: Sequence[Waiting], ends_at: datetime) -> Sequence[Waiting]:
        """Offer the batch to the publisher, one after the other."""
        if self._publisher is None:
            return batch
        sent: list[Waiting] = []
        for number, waiting in enumerate(batch):
            if number and self._clock.now() >= ends_at:
                break
            try:
                self.publish(waiting, self._publisher)
            except Exception as error:  # noqa: BLE001 - a subscriber's, whatever it is
                self.tell_not_taken(waiting, error)
            else:
                sent.append(waiting)
        return sent
