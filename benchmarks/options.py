"""What the person who measures may choose."""

from __future__ import annotations

from attrs import frozen

from benchmarks.figures import ROUNDS_MIN


@frozen
class Options:
    """How long and how much to measure; ``None``: as the row thinks best."""

    rounds: int = ROUNDS_MIN
    """Alternated rounds of ours and its base."""
    seconds: float = 5.0
    """Length of the measured part of a round, where a round has a length."""
    clients: int = 32
    """HTTP connections that are kept busy."""
    at_once: tuple[int, ...] = (1, 8, 32)
    """How many sagas are under way at once, where that is varied."""
    orders: int | None = None
    """Orders of a round or of a store, where they are counted."""


class NotHere(Exception):
    """The row cannot be measured on this machine; the sentence says what it needs."""
