"""A worker that moves only when it is told to.

The worker's real code runs in a greenlet that pauses before and after every call of a port.
Whoever holds the strings decides when it goes on and how the call goes; it can be killed at
any pause, or left hanging while the clock runs: a zombie. Everything happens in one thread,
so a run can be repeated exactly.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import frozen
from greenlet import getcurrent, greenlet

from oms_core.errors import (
    InventoryUnavailable,
    OmsError,
    OutcomeUnknown,
    RetryableNotExecuted,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable


T = TypeVar("T")


class Fate(StrEnum):
    """How the next call of a port goes, or how its answer arrives."""

    GOES_WELL = "goes_well"
    FAILS = "fails"
    """Before the call: it never reaches the port. After it: its answer is lost."""
    IS_REPEATED = "is_repeated"
    """The network delivers the call twice."""


class Killed(BaseException):
    """kill -9: nothing of the worker runs any more."""


@frozen
class Pause:
    """Where a puppet hangs."""

    port: str
    method: str
    moment: str
    """``before`` or ``after`` the call."""


class Puppet:
    """One drive of one claim."""

    def __init__(self, name: str, drive: Callable[[], None]) -> None:
        """Prepare *drive*; it begins with the first ``go_on``."""
        self.name = name
        self.pause: Pause | None = None
        self._drive = drive
        self._thread = greenlet(self._run)

    @property
    def is_over(self) -> bool:
        """Whether the drive has ended, one way or another."""
        return self._thread.dead

    def go_on(self, fate: Fate = Fate.GOES_WELL) -> None:
        """Let the worker run to its next pause."""
        self.pause = self._thread.switch(fate)

    def finish(self) -> None:
        """Let the worker run to its end without any fault."""
        while not self.is_over:
            self.go_on()

    def kill(self) -> None:
        """End the worker where it hangs."""
        if not self.is_over:
            with suppress(Killed):  # one that never began has nobody to catch it
                self._thread.throw(Killed)

    def _run(self, _fate: Fate) -> None:
        try:
            self._drive()
        except (Killed, StoreUnavailable):
            # A dead worker leaves its lease behind; so does one that lost the store.
            return


def stringed(port: T, name: str, calls: list[str]) -> T:
    """Put strings on *port*: it pauses the puppet that calls it; *calls* hears of each call."""
    return cast("T", _StringedPort(port, name, calls))


class _StringedPort:
    def __init__(self, port: object, name: str, calls: list[str]) -> None:
        self._port = port
        self._name = name
        self._calls = calls

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self._port, method)
        if not callable(inner):
            return inner

        def call(*args: object, **options: object) -> Any:
            thread = getcurrent()
            if thread.parent is None:
                return inner(*args, **options)
            fate = thread.parent.switch(Pause(self._name, method, "before"))
            self._calls.append(f"{self._name}.{method} {fate}")
            if fate is Fate.FAILS:
                raise _NOT_REACHED[self._name]
            answer, error = _outcome(inner, args, options)
            if fate is Fate.IS_REPEATED and method in _REPEATABLE:
                answer, error = _outcome(inner, args, options)
            fate = thread.parent.switch(Pause(self._name, method, "after"))
            self._calls.append(f"{self._name}.{method} answer {fate}")
            if fate is Fate.FAILS:
                raise _ANSWER_LOST[self._name]
            if error is not None:
                raise error
            return answer

        return call


_REPEATABLE = {
    "reserve",
    "release",
    "harden",
    "commit_part",
    "adjust",
    "lookup",
    "find_operation",
    "authorize",
    "capture",
    "cancel",
    "refund",
    "reauthorize",
}
"""What a network may deliver twice; a conditional write is refused the second time anyway."""

_NOT_REACHED: dict[str, type[OmsError]] = {
    "storage": StoreUnavailable,
    "inventory": InventoryUnavailable,
    "payments": RetryableNotExecuted,
}
_ANSWER_LOST: dict[str, type[OmsError]] = {
    "storage": StoreUnavailable,
    "inventory": InventoryUnavailable,
    "payments": OutcomeUnknown,
}


def _outcome(
    inner: Callable[..., Any], args: tuple[object, ...], options: dict[str, object]
) -> tuple[Any, OmsError | None]:
    try:
        return inner(*args, **options), None
    except OmsError as error:
        return None, error
