"""Lets the feed forget what is older than it is to be kept, as far as nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from oms_core.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_core.domain.scope import Scope
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.subscriptions import Subscriptions

_log = logging.getLogger("oms_core.events")

SWEEP_EVERY_S: Final = 600.0
BATCH: Final = 1_000
"""Events dropped in one write: a longer one would hold up those who append."""


class FeedRetention:
    """Drops events once they were kept for *keep_s* seconds.

    What a subscription still has to send is kept, as long as it is enabled and not stopped. Any
    number of processes may do so at once.
    """

    def __init__(
        self,
        event_log: EventLog,
        subscriptions: Subscriptions | None,
        *,
        keep_s: float,
        clock: Clock,
    ) -> None:
        """Prepare; ``start`` begins."""
        self._event_log = event_log
        self._subscriptions = subscriptions
        self._keep_s = keep_s
        self._clock = clock
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def sweep(self, must_stop: Callable[[], bool] = lambda: False) -> int:
        """Drop what is too old; returns how many events were dropped."""
        before = self._clock.now() - timedelta(seconds=self._keep_s)
        dropped = 0
        for scope in self._event_log.scopes():
            up_to = self._needed_from(scope)
            while not must_stop() and (
                batch := self._event_log.drop(scope, up_to=up_to, before=before, limit=BATCH)
            ):
                dropped += batch
        return dropped

    def start(self) -> None:
        """Sweep now and then, in a thread of its own."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="oms-retention", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Finish the batch under way; ``True`` if it ended in time."""
        self._stopping.set()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                began = time.monotonic()
                dropped = self.sweep(self._stopping.is_set)
                if dropped:
                    took = {"events": dropped, "duration_ms": int((time.monotonic() - began) * 1e3)}
                    _log.info("old events dropped", extra=took)
            except StoreUnavailable:
                _log.warning("store unavailable; old events are kept")
            except Exception:  # noqa: BLE001 - the next sweep may do better
                _log.exception("dropping old events failed")
            self._stopping.wait(SWEEP_EVERY_S)

    def _needed_from(self, scope: Scope) -> int | None:
        """Tell the last position that no subscription needs any more; ``None``: nobody asks."""
        if self._subscriptions is None:
            return None
        done = [
            each.progress.done_up_to
            for each in self._subscriptions.list_all(scope)
            if each.subscription.is_enabled and each.progress.stopped is None
        ]
        return min(done, default=None)
