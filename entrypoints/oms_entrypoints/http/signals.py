"""Waits for somebody to ask the process to stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_LOOK_S: Final = 0.5


class StopSignals:
    """Takes SIGTERM and Ctrl-C from now on, so that neither cuts anything off.

    Make it in the main thread before anything is started, ``wait``, then stop what was
    started. A second signal ends the process at once, as it would have without this.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._before = {number: signal.signal(number, self._on) for number in STOP_SIGNALS}

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for a signal; ``False`` if there was none within *timeout_s* seconds."""
        if timeout_s is not None:
            return self._asked.wait(timeout_s)
        # In short turns: a signal only wakes the main thread between two of them everywhere.
        while not self._asked.wait(_LOOK_S):
            pass
        return True

    def _on(self, _number: int, _frame: FrameType | None) -> None:
        self._asked.set()
        for number, before in self._before.items():
            signal.signal(number, before)
