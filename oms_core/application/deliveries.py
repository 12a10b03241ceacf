"""Delivers events to webhooks: many subscriptions at once, each in its own order."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from oms_core.application.delivery_turn import DeliveryTurn
from oms_core.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from oms_core.application.delivery_turn import DeliverySettings
    from oms_core.ports.clock import Clock, Randomness
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.subscriptions import Subscriptions, Waiting
    from oms_core.ports.webhook_sender import AttemptOutcome, WebhookSender

_log = logging.getLogger("oms_core.webhooks")

_STORE_PAUSE_S: Final = 1.0


class Deliveries:
    """Gives subscriptions their turns.

    A subscription in trouble may hold up a thread until the time-out of its attempt. So those
    whose last attempt failed have a quarter of the threads between them, and those of one
    tenant half: however many endpoints hang, threads are left for all others.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        event_log: EventLog,
        sender: WebhookSender,
        *,
        clock: Clock,
        randomness: Randomness,
        settings: DeliverySettings,
        on_attempt: Callable[[AttemptOutcome], None] = lambda _: None,
    ) -> None:
        """Prepare; ``start`` begins."""
        self._subscriptions = subscriptions
        self._event_log = event_log
        self._sender = sender
        self._clock = clock
        self._randomness = randomness
        self._settings = settings
        self._on_attempt = on_attempt
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._in_hand: dict[UUID, Waiting] = {}
        self._turns = 0
        self._served: dict[UUID, int] = {}
        """The number of each one's last turn."""
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._look = threading.Event()
        self._finder: threading.Thread | None = None

    # -- in this thread ------------------------------------------------------------------------

    def deliver_due(self) -> int:
        """Deliver in this thread until nothing is due; returns how many turns were taken."""
        turns = 0
        while found := self._with_work():
            for waiting in found:
                self._take_turn(waiting)
                turns += 1
        return turns

    # -- threads -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to deliver. Once."""
        self._finder = threading.Thread(target=self._find, name="oms-webhooks", daemon=True)
        self._finder.start()

    def look_now(self) -> None:
        """Ask for new events without waiting for the next poll."""
        self._look.set()

    def stop(self, timeout_s: float) -> bool:
        """Finish the attempts under way; ``True`` if all ended in time.

        What was sent but not recorded by then is sent again by whoever goes on.
        """
        self._stopping.set()
        self._look.set()
        ends_at = time.monotonic() + timeout_s
        threads = [] if self._finder is None else [self._finder]
        for thread in threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        with self._lock:
            workers = list(self._threads)
        for _ in workers:
            self._queue.put(None)
        for thread in workers:
            thread.join(max(0.0, ends_at - time.monotonic()))
        return not any(thread.is_alive() for thread in (*threads, *workers))

    def _find(self) -> None:
        while not self._stopping.is_set():
            self._look.clear()
            try:
                for waiting in self._in_turn(self._with_work()):
                    self._offer(waiting)
            except StoreUnavailable:
                _log.warning("store unavailable; deliveries wait")
                self._stopping.wait(_STORE_PAUSE_S)
            except Exception:  # noqa: BLE001 - the finder must outlive any surprise
                _log.exception("looking for deliveries failed")
                self._stopping.wait(_STORE_PAUSE_S)
            self._look.wait(self._settings.poll_s)

    def _with_work(self) -> Sequence[Waiting]:
        waiting = self._subscriptions.waiting()
        if not waiting:
            return []
        heads = self._event_log.heads({each.scope for each in waiting})
        now = self._clock.now()
        return [each for each in waiting if each.has_work(heads[each.scope], now)]

    def _in_turn(self, found: Sequence[Waiting]) -> Sequence[Waiting]:
        """Let those go first whose last turn is the longest ago: nobody is passed over for ever."""
        with self._lock:
            served = self._served
            self._served = {
                each.subscription_id: served.get(each.subscription_id, 0) for each in found
            } | {own: served.get(own, 0) for own in self._in_hand}
            return sorted(found, key=lambda each: self._served[each.subscription_id])

    def _offer(self, waiting: Waiting) -> None:
        """Hand it to a thread, if one is left for the likes of it."""
        with self._lock:
            if waiting.subscription_id in self._in_hand or not self._has_thread_for(waiting):
                return
            self._in_hand[waiting.subscription_id] = waiting
            self._turns += 1
            self._served[waiting.subscription_id] = self._turns
            if len(self._in_hand) > len(self._threads):
                name = f"oms-webhooks-{len(self._threads) + 1}"
                thread = threading.Thread(target=self._deliver, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._queue.put(waiting)

    def _has_thread_for(self, waiting: Waiting) -> bool:
        threads = self._settings.threads
        if len(self._in_hand) >= threads:
            return False
        tenants = Counter(each.scope.tenant_id for each in self._in_hand.values())
        if tenants[waiting.scope.tenant_id] >= max(1, threads // 2):
            return False
        failing = sum(each.is_failing for each in self._in_hand.values())
        return not waiting.is_failing or failing < max(1, threads // 4)

    def _deliver(self) -> None:
        while (waiting := self._queue.get()) is not None:
            try:
                if not self._stopping.is_set():
                    self._take_turn(waiting)
            except StoreUnavailable:
                _log.warning("store unavailable; deliveries wait")
                self._stopping.wait(_STORE_PAUSE_S)
            except Exception:  # noqa: BLE001 - one bad subscription must not end the thread
                _log.exception("delivering failed", extra=_named(waiting.subscription_id))
                self._stopping.wait(_STORE_PAUSE_S)
            finally:
                with self._lock:
                    del self._in_hand[waiting.subscription_id]
                self._look.set()

    # -- one turn ------------------------------------------------------------------------------

    def _take_turn(self, waiting: Waiting) -> None:
        claimed = self._subscriptions.claim(
            waiting.scope, waiting.subscription_id, lease_s=self._settings.lease_s
        )
        if claimed is None:
            return
        progress = DeliveryTurn(
            claimed,
            self._event_log,
            self._sender,
            self._clock,
            self._randomness,
            self._settings,
            self._stopping.is_set,
            self._on_attempt,
        ).take()
        if progress.stopped is not None:
            _log.warning("webhook subscription stopped", extra=_named(waiting.subscription_id))
        if not self._subscriptions.record(waiting.scope, waiting.subscription_id, progress):
            _log.info("webhook progress superseded", extra=_named(waiting.subscription_id))


def _named(subscription_id: UUID) -> dict[str, str]:
    return {"subscription_id": str(subscription_id)}
