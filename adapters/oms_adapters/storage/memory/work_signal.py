"""Who listens for work in the memory of one process."""

from __future__ import annotations

import threading
from typing import Final


class Bell:
    """Rung whenever an order may have become free; every listener hears it."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._times = 0

    def ring(self) -> None:
        """Tell every listener."""
        with self._rung:
            self._times += 1
            self._rung.notify_all()

    def wait_beyond(self, heard: int, timeout_s: float) -> int:
        """Wait until it was rung more than *heard* times; return how often it was in all."""
        with self._rung:
            self._rung.wait_for(lambda: self._times > heard, timeout_s)
            return self._times


class MemorySignal:
    """One listener of a bell; implements ``WorkSignal``."""

    def __init__(self, bell: Bell) -> None:
        self._bell: Final = bell
        self._heard = bell.wait_beyond(-1, 0)

    def wait(self, timeout_s: float) -> bool:
        """Wait until the bell is rung; see ``WorkSignal.wait``."""
        before, self._heard = self._heard, self._bell.wait_beyond(self._heard, timeout_s)
        return self._heard > before

    def close(self) -> None:
        """Nothing is open; see ``WorkSignal.close``."""
