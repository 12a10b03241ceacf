"""Worker threads: claim due orders and drive them, until they are told to stop."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from attrs import frozen

from oms_core.application.at_work import AtWork
from oms_core.application.event_relay import BATCH_MAX
from oms_core.application.fair_queue import FairQueue
from oms_core.application.outbox_relay import OutboxRelay
from oms_core.application.stock_relay import stock_relay_for
from oms_core.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from uuid import UUID

    from oms_core.application.inbox_applier import InboxApplier
    from oms_core.application.saga_runner import SagaRunner
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.publisher import EventPublisher
    from oms_core.ports.storage import Claim, OrderStorage
    from oms_core.ports.work_signal import WorkSignal

_log = logging.getLogger("oms_core.worker")

_STORE_PAUSE_S: Final = 1.0
_PAUSE_MIN_S: Final = 0.01
_PAUSE_WHEN_FULL_S: Final = 0.02
_LISTEN_S: Final = 0.5
"""How long the listener waits at a time: no longer than a stop may take."""


@frozen
class WorkerSettings:
    """How a worker shares out its work."""

    threads: int = 32
    """Orders of one tenant that are driven at once; all tenants together may have twice as
    many, so that threads are left when those of one wait for its provider.
    """
    poll_s: float = 0.5
    """How often the store is asked for orders that other processes accepted, or retries, if
    it does not tell of them by itself.
    """
    queue_max: int = 64
    """Orders of one tenant in hand, those being driven included; of all together twice as many.
    Others are left to whoever is free. With twice as many as threads, each gets its turn long
    before its lease runs out.
    """
    room_wait_s: float = 1.0
    """How long an order that is brought to a worker with so many in hand waits to be accepted."""
    relay_pause_s: float = 0.1
    """How long events gather before the next batch of them leaves: one batch costs three writes
    of the store, however much is in it. A full batch is followed by the next at once.
    """
    at_once: int = 16
    """Orders that are worked on at once, of all tenants together; those that wait for a payment
    provider are not counted. More only helps a store that is far away.
    """


@frozen
class _Turn:
    """An order in the queue, and since when, by the monotonic clock."""

    claim: Claim
    since: float


class Worker:
    """A pool of threads that drives orders, one that finds them, and one that hears of new ones.

    Orders accepted in this process are offered to it directly and need no poll. Threads
    start with the first order, so an idle worker costs little.
    """

    def __init__(
        self,
        runner: SagaRunner,
        storage: OrderStorage,
        clock: Clock,
        *,
        settings: WorkerSettings,
        publisher: EventPublisher | None = None,
        applier: InboxApplier | None = None,
        event_log: EventLog | None = None,
        inventory: Inventory | None = None,
        on_relayed: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; ``start`` begins. *on_relayed* hears of every batch of events that left.

        The ledger of an *inventory* that hands it out leaves, too.
        """
        self._runner = runner
        self._storage = storage
        self._clock = clock
        self._settings = settings
        self.holder = f"{platform.node()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._relay = (
            OutboxRelay(storage, publisher, holder=self.holder, log=event_log, clock=clock)
            if publisher is not None or event_log is not None
            else None
        )
        self._stock_relay = (
            None
            if inventory is None
            else stock_relay_for(inventory, publisher, event_log, holder=self.holder, clock=clock)
        )
        self._applier = applier
        self._queue: FairQueue[_Turn] = FairQueue(
            threads=settings.threads, places=settings.queue_max
        )
        self._at_work = AtWork(settings.at_once)
        self._wants_more = False
        self._on_relayed = on_relayed
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._driven = threading.Event()
        self._look = threading.Event()
        self._news = threading.Event()
        self._mail = threading.Event()
        self._finder: threading.Thread | None = None
        self._listener: threading.Thread | None = None
        self._relayer: threading.Thread | None = None
        self._postman: threading.Thread | None = None

    def start(self) -> None:
        """Begin to find and drive orders. Once per worker."""
        self._finder = threading.Thread(target=self._find, name="oms-finder", daemon=True)
        self._finder.start()
        self._listener = threading.Thread(target=self._listen, name="oms-listener", daemon=True)
        self._listener.start()
        if self._relay is not None:
            self._relayer = threading.Thread(target=self._publish, name="oms-relay", daemon=True)
            self._relayer.start()
        if self._applier is not None:
            self._postman = threading.Thread(target=self._apply, name="oms-inbox", daemon=True)
            self._postman.start()

    def wait_for_room(self, tenant_id: UUID) -> bool:
        """Tell whether an order accepted now should be claimed for this worker from the start.

        While the worker has all it can hold of a tenant, whoever brings more waits, but never
        for long: else orders would be accepted faster than they are finished, and those
        accepted first would wait the longest.
        """
        return self._queue.wait_for_place(tenant_id, self._settings.room_wait_s)

    def offer(self, claim: Claim) -> None:
        """Drive *claim* soon; when the worker is stopping it is given back at once."""
        tenant_id, turn = claim.order.scope.tenant_id, _Turn(claim, time.monotonic())
        if not self._queue.put(tenant_id, turn, self._add_thread):
            self._give_back(claim)

    def look_now(self) -> None:
        """Ask the store for due orders without waiting for the next poll."""
        self._look.set()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Finish what is being driven, give the rest back; ``True`` if all ended in time.

        Whatever has not ended by then is safe: its lease runs out, and the next holder
        goes on from the last durable step.
        """
        self._stopping.set()
        self._look.set()
        self._mail.set()
        for turn in self._queue.close():
            self._give_back(turn.claim)
        threads = list(self._threads)
        others = (self._finder, self._listener, self._postman)
        threads += [thread for thread in others if thread is not None]
        ends_at = time.monotonic() + timeout_s
        for thread in threads:
            thread.join(max(0.0, ends_at - time.monotonic()))
        # Last, so that what the others have just finished leaves before the process does.
        self._driven.set()
        self._news.set()
        if self._relayer is not None:
            threads.append(self._relayer)
            self._relayer.join(max(0.0, ends_at - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    # -- driving -------------------------------------------------------------------------

    def _add_thread(self) -> None:
        """Begin one more; called with the queue's lock held."""
        if len(self._threads) >= self._queue.threads_max:
            return
        name = f"oms-worker-{len(self._threads) + 1}"
        thread = threading.Thread(target=self._drive, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _drive(self) -> None:
        while (taken := self._queue.take()) is not None:
            tenant_id, turn = taken
            claim = turn.claim
            try:
                if time.monotonic() - turn.since >= self._runner.settings.lease_s:
                    # It waited too long for its turn: nobody's failure.
                    self._give_back(claim)
                else:
                    with self._at_work.place():
                        self._runner.drive(claim)
            except StoreUnavailable:
                _log.warning("store unavailable", extra={"order_id": str(claim.order.id)})
                self._stopping.wait(_STORE_PAUSE_S)
                # The store's fault, not the order's: it is not to count as a lost worker.
                self._give_back(claim)
            except Exception:  # noqa: BLE001 - one bad order must not end the thread
                _log.exception("drive failed", extra={"order_id": str(claim.order.id)})
            finally:
                self._queue.done(tenant_id, self._add_thread)
                if self._wants_more:
                    self._look.set()

    def _give_back(self, claim: Claim) -> None:
        try:
            self._storage.release(claim.lease)
        except StoreUnavailable:
            _log.warning("lease left to run out", extra={"order_id": str(claim.order.id)})

    # -- finding -------------------------------------------------------------------------

    def _find(self) -> None:
        looks_in_vain = 0
        while not self._stopping.is_set():
            room, full = self._queue.room(), self._queue.full()
            found = self._claim(min(room, self._settings.threads), full) if room > 0 else 0
            if found:
                looks_in_vain = 0
                continue
            until_due_s = self._until_due_s()
            looks_in_vain = looks_in_vain + 1 if until_due_s <= 0 else 0
            # What is due and was passed over can be had as soon as something is finished.
            self._wants_more = until_due_s <= 0 and bool(full)
            self._look.wait(self._pause_s(until_due_s, looks_in_vain))
            self._look.clear()
            if self._wants_more:
                # Those who are passed over must be looked through to find others.
                self._wants_more = False
                self._stopping.wait(_PAUSE_WHEN_FULL_S)

    def _listen(self) -> None:
        """Look as soon as others bring work. Polling goes on all the same: a signal may be lost."""
        signal: WorkSignal | None = None
        while not self._stopping.is_set():
            try:
                signal = signal or self._storage.listen()
                if signal.wait(_LISTEN_S):
                    self._look.set()
            except StoreUnavailable:
                self._stopping.wait(_STORE_PAUSE_S)
            except Exception:  # noqa: BLE001 - the listener must outlive any surprise
                _log.exception("listening for work failed")
                self._stopping.wait(_STORE_PAUSE_S)
        if signal is not None:
            signal.close()

    def _claim(self, limit: int, passing_over: Collection[UUID]) -> int:
        try:
            claims = self._storage.claim_due(
                self.holder,
                limit=limit,
                lease_s=self._runner.settings.lease_s,
                definitions=self._runner.definitions,
                passing_over=passing_over,
            )
        except StoreUnavailable:
            _log.warning("store unavailable; orders wait")
            self._stopping.wait(_STORE_PAUSE_S)
            return 0
        except Exception:  # noqa: BLE001 - the finder must outlive any surprise
            _log.exception("looking for due orders failed")
            self._stopping.wait(_STORE_PAUSE_S)
            return 0
        for claim in claims:
            self.offer(claim)
        return len(claims)

    def _until_due_s(self) -> float:
        """Tell how many seconds are left until an order is due; 0 or less: one is already."""
        try:
            due_at = self._storage.earliest_due()
        except StoreUnavailable:
            due_at = None
        except Exception:  # noqa: BLE001 - the finder must outlive any surprise
            _log.exception("looking for the next due order failed")
            due_at = None
        if due_at is None:
            return self._settings.poll_s
        return (due_at - self._clock.now()) / timedelta(seconds=1)

    def _pause_s(self, until_due_s: float, looks_in_vain: int) -> float:
        """Sleep until the next order is due, but never longer than the poll interval.

        An order that is due and still was not found is one that this worker has no room for,
        or whose saga it does not know: it is looked for less and less often.
        """
        if until_due_s <= 0:
            until_due_s = _PAUSE_MIN_S * 2.0 ** min(looks_in_vain, 30)
        return min(max(until_due_s, _PAUSE_MIN_S), self._settings.poll_s)

    # -- publishing ----------------------------------------------------------------------

    def has_news(self) -> None:
        """Hear that an order's history has grown."""
        self._news.set()

    def _publish(self) -> None:
        while True:
            # Asked before looking: what is there once all is driven, is still published.
            is_last_look = self._driven.is_set()
            found = self._relay_once()
            if found:
                if found < BATCH_MAX:
                    self._driven.wait(self._settings.relay_pause_s)
                continue
            if is_last_look:
                return
            self._news.wait(self._settings.poll_s)
            self._news.clear()

    def _relay_once(self) -> int:
        if self._relay is None:
            return 0
        try:
            found = self._relay.relay_once()
            if self._stock_relay is not None:
                found += self._stock_relay.relay_once()
            if found:
                self._on_relayed()
            return found  # noqa: TRY300 - nothing above it is left out of the handlers
        except StoreUnavailable:
            self._driven.wait(_STORE_PAUSE_S)
        except Exception:  # noqa: BLE001 - the relay must outlive any surprise
            _log.exception("publishing failed")
            self._driven.wait(_STORE_PAUSE_S)
        return 0

    # -- notifications of payment providers ------------------------------------------------

    def has_mail(self) -> None:
        """Hear that a provider's notification was stored."""
        self._mail.set()

    def _apply(self) -> None:
        while not self._stopping.is_set():
            if not self._apply_once():
                self._mail.wait(self._settings.poll_s)
                self._mail.clear()

    def _apply_once(self) -> int:
        if self._applier is None:
            return 0
        try:
            return self._applier.apply_once(self.holder)
        except StoreUnavailable:
            _log.warning("store unavailable; notifications wait")
        except Exception:  # noqa: BLE001 - the applier must outlive any surprise
            _log.exception("applying notifications failed")
        self._stopping.wait(_STORE_PAUSE_S)
        return 0
