"""Turns at scheduled jobs, among the users of one store in memory."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import define

from oms_core.ports.job_turns import LastRun, NotNow, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from oms_core.ports.clock import Clock


@define
class _Job:
    token: int = 0
    leased_until: datetime | None = None
    began_at: datetime | None = None
    done_from: datetime | None = None
    """When the last run that was ended had begun."""
    last_run: LastRun | None = None


class MemoryJobTurns:
    """Implements ``JobTurns``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}

    def take(self, job: str, *, every_s: float, lease_s: float) -> Turn | NotNow:
        """Take the turn; see ``JobTurns.take``."""
        now = self._clock.now()
        with self._lock:
            there = self._jobs.setdefault(job, _Job())
            free_at = there.leased_until or now
            if there.done_from is not None:
                free_at = max(free_at, there.done_from + timedelta(seconds=every_s))
            if free_at > now:
                return NotNow((free_at - now).total_seconds())
            there.token += 1
            there.began_at = now
            there.leased_until = now + timedelta(seconds=lease_s)
            return Turn(job, there.token)

    def keep(self, turn: Turn, *, lease_s: float) -> bool:
        """Let the turn last; see ``JobTurns.keep``."""
        until = self._clock.now() + timedelta(seconds=lease_s)
        with self._lock:
            held = self._held(turn)
            if held is not None:
                held.leased_until = until
            return held is not None

    def end(self, turn: Turn, counts: Mapping[str, int] | None) -> None:
        """End the run; see ``JobTurns.end``."""
        now = self._clock.now()
        with self._lock:
            held = self._held(turn)
            if held is not None:
                held.leased_until = None
                held.done_from = held.began_at
                if counts is not None:
                    held.last_run = LastRun(now, dict(counts))

    def give_back(self, turn: Turn) -> None:
        """Leave the run to others; see ``JobTurns.give_back``."""
        with self._lock:
            held = self._held(turn)
            if held is not None:
                held.leased_until = None

    def last_run(self, job: str) -> LastRun | None:
        """Tell of the last whole run; see ``JobTurns.last_run``."""
        with self._lock:
            return self._jobs[job].last_run if job in self._jobs else None

    def _held(self, turn: Turn) -> _Job | None:
        """Find the job, under the lock, if the turn is still its holder's."""
        there = self._jobs.get(turn.job)
        if there is None or there.token != turn.token or there.leased_until is None:
            return None
        return there
