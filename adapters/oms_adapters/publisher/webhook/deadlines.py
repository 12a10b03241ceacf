"""Ends exchanges whose time is over: one thread for all of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

CHECK_S: Final = 0.05


class Cuttable(Protocol):
    """What can be ended from another thread."""

    def cut(self) -> None:
        """End it; whoever waits for it hears of it at once."""
        ...


class Deadlines:
    """Knows until when each exchange may last. A thread for each would cost more than a message.

    The thread begins with the first exchange and ends with ``close``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends_at: dict[Cuttable, float] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def until(self, ends_at: float, exchange: Cuttable) -> Iterator[None]:
        """Cut *exchange* if it lasts beyond *ends_at*, by the monotonic clock."""
        with self._lock:
            self._ends_at[exchange] = ends_at
            if self._thread is None:
                self._closed.clear()
                self._thread = threading.Thread(
                    target=self._watch, name="oms-webhook-deadlines", daemon=True
                )
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._ends_at.pop(exchange, None)

    def close(self) -> None:
        """Let the thread end. Repeatable; the next exchange begins another."""
        with self._lock:
            self._thread = None
            self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(CHECK_S) or self._has_exchanges():
            now = time.monotonic()
            with self._lock:
                # Under the lock: an exchange that has just ended must not be cut afterwards.
                for exchange in [one for one, at in self._ends_at.items() if at <= now]:
                    exchange.cut()
            if self._closed.is_set():
                time.sleep(CHECK_S)

    def _has_exchanges(self) -> bool:
        with self._lock:
            return bool(self._ends_at)
