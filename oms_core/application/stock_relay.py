"""Takes the ledgers of stock out as events, in order per stock item, at least once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from oms_core.application.event_relay import EventRelay
from oms_core.domain.stock_event import stock_envelope_of
from oms_core.errors import InventoryUnavailable
from oms_core.ports.publisher import StockEventPublisher
from oms_core.ports.stock_outbox import StockOutbox, UnpublishedStock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.event_envelope import EventEnvelope
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.publisher import EventPublisher

_log = logging.getLogger("oms_core.events")


class StockRelay(EventRelay[UnpublishedStock, StockEventPublisher]):
    """Relays from a ``StockOutbox``."""

    def relay_once(self) -> int:
        """Offer one batch; returns how many entries there were.

        Raises:
            StoreUnavailable: what was taken may not be marked, and comes again.
        """
        try:
            return sum(len(each.movements) for each in self.relay_batch())
        except InventoryUnavailable:
            # Orders' events do not wait for it.
            _log.warning("inventory unavailable; its events wait")
            return 0

    def envelopes_of(self, waiting: UnpublishedStock) -> Sequence[EventEnvelope]:
        """Return what of its new entries leaves."""
        return [stock_envelope_of(event) for event in waiting.events]

    def publish(self, waiting: UnpublishedStock, publisher: StockEventPublisher) -> None:
        """Hand its new entries over."""
        publisher.publish_stock(waiting.events)

    def tell_not_taken(self, waiting: UnpublishedStock, error: Exception) -> None:
        """Name the stock item."""
        said = {"sku": waiting.item.sku, "location": waiting.item.location}
        _log.error("stock events not taken", exc_info=error, extra=said)


def stock_relay_for(
    inventory: Inventory,
    publisher: EventPublisher | None,
    log: EventLog | None,
    *,
    holder: str,
    clock: Clock,
) -> StockRelay | None:
    """Make a relay, if *inventory* hands its ledger out and there is somebody to take it."""
    if not isinstance(inventory, StockOutbox):
        return None
    taker: StockEventPublisher | None = None
    if isinstance(publisher, StockEventPublisher):
        taker = publisher
    if taker is None and log is None:
        return None
    return StockRelay(inventory, taker, holder=holder, log=log, clock=clock)
