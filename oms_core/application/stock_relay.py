"""Takes the ledgers of stock out as events, in order per stock item, at least once."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from oms_core.application.outbox_relay import BATCH_MAX
from oms_core.domain.stock_event import stock_envelope_of
from oms_core.errors import InventoryUnavailable
from oms_core.ports.clock import SystemClock
from oms_core.ports.publisher import StockEventPublisher
from oms_core.ports.stock_outbox import StockOutbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.publisher import EventPublisher
    from oms_core.ports.stock_outbox import UnpublishedStock

_log = logging.getLogger("oms_core.events")


class StockRelay:
    """Puts unpublished ledger entries in the log, offers them to a publisher and marks them.

    As ``OutboxRelay`` does with the events of orders: the log comes first, and an item whose
    entries were not taken is offered again when the claim on them runs out.
    """

    def __init__(
        self,
        outbox: StockOutbox,
        publisher: StockEventPublisher | None = None,
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

    def relay_once(self) -> int:
        """Offer one batch; returns how many entries there were.

        Raises:
            StoreUnavailable: what was taken may not be marked, and comes again.
        """
        try:
            batch = self._outbox.claim_unpublished(
                self._holder, limit=BATCH_MAX, lease_s=self._lease_s
            )
            ends_at = self._clock.now() + timedelta(seconds=self._lease_s / 2)
            if self._log is not None and batch:
                # Again after a crash before the mark: the log knows each event by its id.
                self._log.append(
                    [stock_envelope_of(event) for each in batch for event in each.events]
                )
            sent = self._taken(batch, ends_at)
            if sent:
                self._outbox.mark_published(sent)
        except InventoryUnavailable:
            # Orders' events do not wait for it.
            _log.warning("inventory unavailable; its events wait")
            return 0
        return sum(len(each.movements) for each in batch)

    def _taken(
        self, batch: Sequence[UnpublishedStock], ends_at: datetime
    ) -> Sequence[UnpublishedStock]:
        """Offer the batch to the publisher, one item after the other, while the claim holds."""
        if self._publisher is None:
            return batch
        sent: list[UnpublishedStock] = []
        for number, each in enumerate(batch):
            if number and self._clock.now() >= ends_at:
                break
            try:
                self._publisher.publish_stock(each.events)
            except Exception:  # noqa: BLE001 - a subscriber's error, whatever it is
                said = {"sku": each.item.sku, "location": each.item.location}
                _log.exception("stock events not taken", extra=said)
            else:
                sent.append(each)
        return sent


def stock_relay_for(
    inventory: Inventory,
    publisher: EventPublisher | None,
    log: EventLog | None,
    *,
    holder: str,
    clock: Clock,
) -> StockRelay | None:
    """Make a relay, if *inventory* hands its ledger out and there is somebody to take it."""
    taker: StockEventPublisher | None = None
    if isinstance(publisher, StockEventPublisher):
        taker = publisher
    if not isinstance(inventory, StockOutbox):
        return None
    if taker is None and log is None:
        return None
    return StockRelay(inventory, taker, holder=holder, log=log, clock=clock)
