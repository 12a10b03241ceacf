"""Waiting for what other threads do."""

from collections.abc import Callable
from time import monotonic, sleep

PATIENCE_S = 30.0


def eventually(is_so: Callable[[], bool]) -> None:
    """Wait until it is so; a busy machine may take its time."""
    ends_at = monotonic() + PATIENCE_S
    while not is_so():
        assert monotonic() < ends_at, "waited in vain"
        sleep(0.001)
