"""Takes the history of orders out as events, in order per order, at least once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from oms_core.application.event_relay import EventRelay
from oms_core.domain.event_envelope import envelope_of
from oms_core.ports.publisher import EventPublisher
from oms_core.ports.storage import Unpublished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.event_envelope import EventEnvelope

_log = logging.getLogger("oms_core.events")


class OutboxRelay(EventRelay[Unpublished, EventPublisher]):
    """Relays from an ``OrderStorage``."""

    def relay_once(self) -> int:
        """Offer one batch; returns how many orders had something to publish.

        Raises:
            StoreUnavailable: what was taken may not be marked, and comes again.
        """
        return len(self.relay_batch())

    def envelopes_of(self, waiting: Unpublished) -> Sequence[EventEnvelope]:
        """Return what of its new history leaves."""
        return [envelope_of(event) for event in waiting.events]

    def publish(self, waiting: Unpublished, publisher: EventPublisher) -> None:
        """Hand its new history over."""
        publisher.publish(waiting.events)

    def tell_not_taken(self, waiting: Unpublished, error: Exception) -> None:
        """Name the order."""
        said = {"order_id": str(waiting.order.id)}
        _log.error("events not taken", exc_info=error, extra=said)
