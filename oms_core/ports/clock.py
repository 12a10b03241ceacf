"""Time and chance come in through ports, so that the whole system runs simulated."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present moment in UTC, with its time zone, to the microsecond."""
        ...


class Randomness(Protocol):
    """Spreads retries out; ``random.Random`` fits as it is."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number between *a* and *b*."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time in UTC."""
        return datetime.now(UTC)


def system_randomness() -> Randomness:
    """Return randomness that is not shared with a forked or restored process."""
    return random.SystemRandom()
