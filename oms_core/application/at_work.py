"""How many threads work at once, whoever waits for somebody outside not counted.

A program waits for payment providers with many threads and works with few: Python runs one of
them at a time. If all that have something to do do it at once, each stands in a queue for the
interpreter after every single statement of the store, and the one that writes for all the others
stands there, too. With a hundred orders under way that took a fourth of the time.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class AtWork:
    """So many places to work at."""

    def __init__(self, places: int) -> None:
        self._places = threading.Semaphore(places)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Work at a place, as soon as one is free."""
        with self._places:
            _here.places = self._places
            try:
                yield
            finally:
                _here.places = None


class _Here(threading.local):
    places: threading.Semaphore | None = None
    """Of which this thread holds one."""


_here = _Here()


@contextmanager
def away() -> Iterator[None]:
    """Leave the place, if this thread has one, to others; take one again at the end."""
    places = _here.places
    if places is None:
        yield
        return
    _here.places = None
    places.release()
    try:
        yield
    finally:
        places.acquire()
        _here.places = places
