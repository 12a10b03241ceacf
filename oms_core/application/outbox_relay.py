"""Takes the history of orders out as events, in order per order, at least once."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from oms_core.domain.event_envelope import envelope_of
from oms_core.ports.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from oms_core.domain.events import OrderEvent
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.publisher import EventPublisher
    from oms_core.ports.storage import OrderStorage, Unpublished

_log = logging.getLogger("oms_core.events")

BATCH_MAX: Final = 100


class OutboxRelay:
    """Puts unpublished events in the log, offers them to a publisher and marks what was taken.

    The log comes first and takes a whole batch in one write: a publisher that fails holds up
    nobody who reads the log. An order whose events were not taken is offered again when the
    claim on them runs out, and delays no other order meanwhile.
    """

    def __init__(
        self,
        storage: OrderStorage,
        publisher: EventPublisher | None = None,
        *,
        holder: str,
        log: EventLog | None = None,
        lease_s: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        """Relay from *storage* to *log* and *publisher*, those that are given, as *holder*."""
        self._storage = storage
        self._publisher = publisher
        self._log = log
        self._holder = holder
        self._lease_s = lease_s
        self._clock = clock or SystemClock()

    def relay_once(self) -> int:
        """Offer one batch; returns how many orders had something to publish.

        A slow publisher is offered no more once half of the claim's time is over: what it took
        must be marked while the claim still holds. Marked later, with two relays at work, each
        would take over the other's claim, and the same events would leave for ever.

        Raises:
            StoreUnavailable: what was taken may not be marked, and comes again.
        """
        batch = self._storage.claim_unpublished(
            self._holder, limit=BATCH_MAX, lease_s=self._lease_s
        )
        ends_at = self._clock.now() + timedelta(seconds=self._lease_s / 2)
        if self._log is not None and batch:
            # Again after a crash before the mark: the log knows each event by its id.
            self._log.append([envelope_of(event) for each in batch for event in _news_of(each)])
        sent = self._taken(batch, ends_at)
        if sent:
            self._storage.mark_published(sent)
        return len(batch)

    def _taken(self, batch: Sequence[Unpublished], ends_at: datetime) -> Sequence[Unpublished]:
        """Offer the batch to the publisher, one order after the other."""
        if self._publisher is None:
            return batch
        sent: list[Unpublished] = []
        for number, waiting in enumerate(batch):
            if number and self._clock.now() >= ends_at:
                break
            try:
                self._publisher.publish(_news_of(waiting))
            except Exception:  # noqa: BLE001 - a subscriber's error, whatever it is
                _log.exception("events not taken", extra={"order_id": str(waiting.order.id)})
            else:
                sent.append(waiting)
        return sent


def _news_of(waiting: Unpublished) -> tuple[OrderEvent, ...]:
    return waiting.order.events(after=waiting.published)
