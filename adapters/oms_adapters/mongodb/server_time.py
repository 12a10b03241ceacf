"""The time by the server's clock: the one clock that all processes share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final, Protocol, TypeAlias

from attrs import frozen
from bson.int64 import Int64

from oms_core.ports.clock import Clock
from oms_core.ports.order_document import from_microseconds, to_microseconds

Expression: TypeAlias = "Int64 | dict[str, Any]"

ASK_AGAIN_AFTER_S: Final = 60.0
"""How long the machine's own measure of time is trusted to keep step with the server's."""

_MILLISECOND_US: Final = 1_000
_BY_THE_SERVER: Final = {"$multiply": [{"$toLong": "$$NOW"}, _MILLISECOND_US]}


class Timekeeper(Protocol):
    """Tells the store's time in two ways."""

    def expression(self) -> Expression:
        """Return what means "now", in microseconds, inside a filter or an update."""
        ...

    def now(self) -> datetime:
        """Return about the same moment, for what must be known before the server is asked."""
        ...


@frozen
class GivenTime:
    """Goes by a clock of the program's, which all processes must share: for simulations."""

    clock: Clock

    def expression(self) -> Expression:
        """Write the moment itself into the command."""
        return Int64(to_microseconds(self.clock.now()))

    def now(self) -> datetime:
        """Return the moment."""
        return self.clock.now()


class ServerTime:
    """Goes by the server's clock.

    What is compared is compared by the server (``$$NOW``), so that clocks of other machines,
    however wrong, neither prolong nor cut short anybody's lease. ``now`` never runs ahead of
    the server: it counts on from when the server's last answer was *sent*.
    """

    def __init__(self, ask: Callable[[], datetime]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._known: tuple[datetime, float] | None = None

    def expression(self) -> Expression:
        """Let the server put its own time in."""
        return _BY_THE_SERVER

    def now(self) -> datetime:
        """Return the server's time in UTC, to the millisecond; asks the server once a minute."""
        with self._lock:
            known = self._known
        if known is None or monotonic() - known[1] > ASK_AGAIN_AFTER_S:
            told = self._ask()
            known = (told, monotonic())
            with self._lock:
                self._known = known
        told, at = known
        passed_us = int((monotonic() - at) * 1_000_000)
        moment_us = to_microseconds(told + timedelta(microseconds=passed_us))
        return from_microseconds(moment_us - moment_us % _MILLISECOND_US)
