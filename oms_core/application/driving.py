"""What moves orders and lets their events leave: in threads, or in the caller's own."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from oms_core.application.outbox_relay import OutboxRelay
from oms_core.application.stock_relay import stock_relay_for
from oms_core.application.worker import Worker

if TYPE_CHECKING:
    from oms_core.application.feed_retention import FeedRetention
    from oms_core.application.inbox_applier import InboxApplier
    from oms_core.application.saga_runner import SagaRunner
    from oms_core.application.webhooks import Webhooks
    from oms_core.application.worker import WorkerSettings
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.publisher import EventPublisher
    from oms_core.ports.storage import OrderStorage


class Driving:
    """Drives orders, applies notifications and lets events leave, for one ``OrderManagement``.

    Nothing runs by itself until ``start``. What it hears while nothing runs may be forgotten:
    whoever begins looks at everything first.
    """

    def __init__(
        self,
        runner: SagaRunner,
        storage: OrderStorage,
        inventory: Inventory,
        clock: Clock,
        *,
        settings: WorkerSettings,
        publisher: EventPublisher | None,
        event_log: EventLog | None,
        applier: InboxApplier | None,
        webhooks: Webhooks | None,
        retention: FeedRetention | None,
    ) -> None:
        """Prepare to work with those parts that are given."""
        self.worker: Worker | None = None
        """Is there from ``start`` to ``stop``; to be read once, as another thread may stop it."""
        self._runner = runner
        self._storage = storage
        self._inventory = inventory
        self._clock = clock
        self._settings = settings
        self._publisher = publisher
        self._event_log = event_log
        self._applier = applier
        self._webhooks = webhooks
        self._retention = retention

    # -- in threads ------------------------------------------------------------------------

    def start(self) -> None:
        """Start threads; starting again before ``stop`` changes nothing."""
        if self.worker is not None:
            return
        worker = Worker(
            self._runner,
            self._storage,
            self._clock,
            settings=self._settings,
            publisher=self._publisher,
            applier=self._applier,
            event_log=self._event_log,
            inventory=self._inventory,
            on_relayed=self._deliver_soon,
        )
        self.worker = worker
        worker.start()
        if self._webhooks is not None:
            self._webhooks.start()
        if self._retention is not None:
            self._retention.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish what is under way and stop; ``True`` if all of it ended in time."""
        worker, self.worker = self.worker, None
        if worker is None:
            return True
        ends_at = time.monotonic() + timeout_s
        all_ended = worker.stop(timeout_s)
        if self._webhooks is not None:
            # After the worker, whose last events are delivered by whoever goes on.
            left_s = max(0.0, ends_at - time.monotonic())
            all_ended = self._webhooks.stop(left_s) and all_ended
        if self._retention is not None:
            left_s = max(0.0, ends_at - time.monotonic())
            all_ended = self._retention.stop(left_s) and all_ended
        return all_ended

    def has_news(self) -> None:
        """Hear that a history or a ledger has grown: its events may leave."""
        worker = self.worker
        if worker is not None:
            worker.has_news()

    def has_mail(self) -> None:
        """Hear that a provider's notification was stored."""
        worker = self.worker
        if worker is not None:
            worker.has_mail()

    def look_now(self) -> None:
        """Hear that an order may be due at once."""
        worker = self.worker
        if worker is not None:
            worker.look_now()

    def _deliver_soon(self) -> None:
        if self._webhooks is not None:
            self._webhooks.look_now()

    # -- in the caller's thread --------------------------------------------------------------

    def run_until_idle(self) -> int:
        """Do everything that is due in this thread; returns how many drives of orders it took."""
        drives = 0
        holder = f"in-line:{threading.get_ident()}"
        while (driven := self._drive_due(holder)) or self._apply_notifications(holder):
            drives += driven
        if self._retention is not None:
            self._retention.sweep()
        return drives

    def _drive_due(self, holder: str) -> int:
        drives = 0
        while claims := self._storage.claim_due(
            holder,
            limit=1,
            lease_s=self._runner.settings.lease_s,
            definitions=self._runner.definitions,
        ):
            for claim in claims:
                self._runner.drive(claim)
                drives += 1
        self._let_events_leave(holder)
        if self._webhooks is not None:
            self._webhooks.deliver_due()
        return drives

    def _let_events_leave(self, holder: str) -> None:
        if self._publisher is not None or self._event_log is not None:
            relay = OutboxRelay(
                self._storage,
                self._publisher,
                holder=holder,
                log=self._event_log,
                clock=self._clock,
            )
            while relay.relay_once():
                pass
        stock_relay = stock_relay_for(
            self._inventory, self._publisher, self._event_log, holder=holder, clock=self._clock
        )
        while stock_relay is not None and stock_relay.relay_once():
            pass

    def _apply_notifications(self, holder: str) -> int:
        return 0 if self._applier is None else self._applier.apply_once(holder)
