"""Takes the history of orders out as events, in order per order, at least once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from oms_core.ports.publisher import EventPublisher
    from oms_core.ports.storage import OrderStorage

_log = logging.getLogger("oms_core.events")

BATCH_MAX: Final = 100


class OutboxRelay:
    """Offers unpublished events to a publisher and marks what was taken.

    An order whose events were not taken is offered again when the claim on them runs out,
    and delays no other order meanwhile.
    """

    def __init__(
        self,
        storage: OrderStorage,
        publisher: EventPublisher,
        *,
        holder: str,
        lease_s: float = 10.0,
    ) -> None:
        """Relay from *storage* to *publisher* as *holder*."""
        self._storage = storage
        self._publisher = publisher
        self._holder = holder
        self._lease_s = lease_s

    def relay_once(self) -> int:
        """Offer one batch; returns how many orders had something to publish.

        Raises:
            StoreUnavailable: what was taken may not be marked, and comes again.
        """
        batch = self._storage.claim_unpublished(
            self._holder, limit=BATCH_MAX, lease_s=self._lease_s
        )
        sent = []
        for waiting in batch:
            try:
                self._publisher.publish(waiting.order.events(after=waiting.published))
            except Exception:  # noqa: BLE001 - a subscriber's error, whatever it is
                _log.exception("events not taken", extra={"order_id": str(waiting.order.id)})
            else:
                sent.append(waiting)
        if sent:
            self._storage.mark_published(sent)
        return len(batch)
