"""Writes log lines in the background, many at once.

A thread that writes its own line lets go of Python's lock while the system takes it, and every
other thread that has one to write then waits in a queue of its own: with 16 threads that costs
more than the requests themselves. So lines are collected, and one thread writes what has come
together. A process that is killed loses what came in the last moments; one that ends does not.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from typing import BinaryIO, Final

GATHER_S: Final = 0.02
"""How long lines are collected: what a killed process loses at the most."""
LINES_MAX: Final = 50_000
"""How many lines wait for a slow reader of the log; then new ones are dropped, and counted."""


class LogWriter:
    """A file as loggers need one, for whole lines. Safe to use from any thread."""

    _lines: deque[bytes]
    _dropped: int
    _wake: threading.Event
    _writing: threading.Lock
    _starting: threading.Lock
    _thread: threading.Thread | None

    def __init__(self, file: BinaryIO, *, lines_max: int = LINES_MAX) -> None:
        """Write to *file*, from the first line on."""
        self._file = file
        self._lines_max = lines_max
        self._begin()
        # A fork has the lines and locks of the moment, but not the thread.
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (again := begin()) and again())

    def write(self, line: bytes) -> int:
        """Take a line; it is written soon."""
        if len(self._lines) >= self._lines_max:
            self._dropped += 1
        else:
            self._lines.append(line)
        # Looking is much cheaper than setting, and nearly always enough.
        if not self._wake.is_set():
            self._wake.set()
            if self._thread is None:
                self._start()
        return len(line)

    def flush(self) -> None:
        """Leave it to the thread: loggers call this after every line."""

    def drain(self) -> None:
        """Write everything that has come so far, now."""
        with self._writing:
            taken = [self._lines.popleft() for _ in range(len(self._lines))]
            if self._dropped:
                taken.append(b'{"event":"log lines dropped","count":%d}\n' % self._dropped)
                self._dropped = 0
            # A log cannot complain anywhere that nobody reads it any more, or that it is closed.
            with suppress(OSError, ValueError):
                self._file.write(b"".join(taken))
                self._file.flush()

    def _begin(self) -> None:
        self._lines = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._thread = None

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="oms-log", daemon=True)
                self._thread.start()
                atexit.register(self.drain)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(GATHER_S)
            # Before the lines are taken: one that comes after this wakes again.
            self._wake.clear()
            self.drain()
