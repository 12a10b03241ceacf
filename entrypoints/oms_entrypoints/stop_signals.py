"""SIGTERM and SIGINT ask a process to stop, however often they come."""

from __future__ import annotations

import queue
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Any, Self

_SLEEP_S: Final = 0.2
ASKING: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Takes the signals from the beginning of a ``with`` block, in the main thread.

    Once the process was asked to stop it goes on taking them after the block: it is about to
    end, and whoever asks again must not cut that short.
    """

    def __init__(self) -> None:
        # Unlike an Event's, its put may interrupt its own get: a handler runs in the thread
        # that waits.
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._was_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._ask) for number in ASKING}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._was_asked:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self) -> None:
        """Sleep until the process was asked to stop."""
        # In short sleeps: a signal that comes just before a thread falls asleep does not wake
        # it, and its handler runs only once something does.
        while not self._was_asked:
            with suppress(queue.Empty):
                self._asked.get(timeout=_SLEEP_S)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        self._was_asked = True
        self._asked.put(number)
