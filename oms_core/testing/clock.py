"""A clock that stands still until a test moves it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

NOON: Final = datetime(2031, 5, 4, 12, 0, 0, 123_456, tzinfo=UTC)
"""Where a simulated clock starts: not a round second, so that a store which drops them shows."""


class SimulatedClock:
    """Tells the time that the test says it is. Safe to share between threads."""

    def __init__(self, start: datetime = NOON) -> None:
        self._now = start.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the simulated moment in UTC."""
        with self._lock:
            return self._now

    def advance(self, seconds: float) -> datetime:
        """Let *seconds* pass (negative: the clock is put back); returns the new moment."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            return self._now

    def advance_to(self, moment: datetime) -> datetime:
        """Let time pass until *moment*, or not at all if it is past; returns the new moment."""
        with self._lock:
            self._now = max(self._now, moment.astimezone(UTC))
            return self._now
