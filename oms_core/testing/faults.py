"""Faults on purpose: wrap real adapters, and fail any call of a port in any way.

::

    plan = FaultPlan({3: Fault.ANSWER_LOST, 7: Fault.CRASH_AFTER})
    storage = faulty_storage(MemoryStorage(clock), plan)
    payments = faulty_payments(SimulatedPayments(MemoryLedger(), clock), plan)

One plan is the fate of one process: it counts the calls of everything wrapped with it, over
all ports, from 1. A dry run without faults tells how many calls there are, so that a test can
fail the k-th call for every k. Two processes over one store are two plans, each with its own
wrapping of the same adapters; what a paused one misses is told by ``meanwhile``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast
from uuid import UUID

from attrs import evolve, frozen

from oms_core.errors import (
    InventoryUnavailable,
    OutcomeUnknown,
    RetryableNotExecuted,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from oms_core.ports.inbox import WebhookInbox
    from oms_core.ports.inventory import Inventory
    from oms_core.ports.payments import PaymentProvider
    from oms_core.ports.publisher import EventPublisher
    from oms_core.ports.storage import OrderStorage


class SimulatedCrash(BaseException):
    """The process died here. No ``except Exception`` survives it, as none survives kill -9."""


class Fault(StrEnum):
    """What can go wrong with one call of a port."""

    CRASH_BEFORE = "crash_before"
    """The process dies before the call has its effect."""
    CRASH_AFTER = "crash_after"
    """The call has its effect, and the process dies before it can use the answer."""
    ERROR_ONCE = "error_once"
    """The call is refused without effect, and the caller is told so."""
    ERROR_FROM_NOW_ON = "error_from_now_on"
    """As ``ERROR_ONCE``, this call and every later one of the same port, until mended."""
    TIMEOUT = "timeout"
    """No effect and no answer: the caller cannot know."""
    ANSWER_LOST = "answer_lost"
    """The call has its effect, but the caller cannot know."""
    DUPLICATE = "duplicate"
    """The call arrives twice, one after the other; the second answer is the one that counts."""
    PAUSE_BEFORE = "pause_before"
    """The process stops before the call, everybody else goes on, and then the call is made."""
    PAUSE_AFTER = "pause_after"
    """Likewise, between the call's effect and the use of its answer."""


FAULTS_ALONE: Final = tuple(f for f in Fault if f not in {Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER})
"""The faults that need nobody else to go on meanwhile."""

_EFFECTLESS: Final = {
    Fault.CRASH_BEFORE,
    Fault.ERROR_ONCE,
    Fault.ERROR_FROM_NOW_ON,
    Fault.TIMEOUT,
}

Troubles: TypeAlias = "Callable[[Fault], Exception]"
"""The error with which a port reports a fault."""


@frozen
class Call:
    """One call of a port, as it was made."""

    number: int
    """From 1, over all ports that share a plan."""
    port: str
    method: str
    key: str
    """What names the effect: the idempotency key, reservation id or order id; else ``""``."""
    fault: Fault | None = None
    had_effect: bool = False
    """It reached the port and returned."""


class FaultPlan:
    """Which call of one process meets which fault, and the log of all its calls.

    Safe to share between threads. ``meanwhile`` is what everybody else does during a pause.
    """

    def __init__(
        self,
        script: Mapping[int, Fault] | None = None,
        *,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        self._script = dict(script or {})
        self._meanwhile = meanwhile
        self._broken: set[str] = set()
        self._lock = threading.Lock()
        self._log: list[Call] = []
        self.is_dead = False

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call made so far, by number."""
        with self._lock:
            return tuple(self._log)

    @property
    def faults_met(self) -> tuple[Call, ...]:
        """The calls that met a fault."""
        return tuple(call for call in self.calls if call.fault is not None)

    def strike(self, fault: Fault, *, after_calls: int = 0) -> None:
        """Let the next call meet *fault*, or the one after *after_calls* more."""
        with self._lock:
            self._script[len(self._log) + 1 + after_calls] = fault

    def mend(self) -> None:
        """End what began with ``ERROR_FROM_NOW_ON``; faults still ahead stay ahead."""
        with self._lock:
            self._broken.clear()

    def heal(self) -> None:
        """End every fault: what is scripted is forgotten, and what is broken works again."""
        with self._lock:
            self._script.clear()
            self._broken.clear()

    def restart(self) -> None:
        """Begin a new process after a crash; the counting and the script go on."""
        self.is_dead = False

    # -- called by the wrapped ports -----------------------------------------------------

    def run(self, port: str, method: str, do: Callable[[], Any], key: str, say: Troubles) -> Any:
        """Make the call *do* as the script wants it."""
        if self.is_dead:
            # A dead process cleans nothing up: its ``finally`` has no effects either.
            raise SimulatedCrash(f"{port}.{method} in a process that died before")
        number, fault = self._begin(port, method, key)
        if fault is Fault.PAUSE_BEFORE:
            self._meanwhile()
        outcome = None if fault in _EFFECTLESS else self._make(number, do)
        if fault is Fault.DUPLICATE:
            outcome = self._make(number, do)
        match fault:
            case Fault.CRASH_BEFORE | Fault.CRASH_AFTER:
                self.is_dead = True
                raise SimulatedCrash(f"{fault} at call {number}, {port}.{method}")
            case Fault.ERROR_ONCE | Fault.ERROR_FROM_NOW_ON | Fault.TIMEOUT | Fault.ANSWER_LOST:
                raise say(fault)
            case Fault.PAUSE_AFTER:
                self._meanwhile()
            case Fault.DUPLICATE | Fault.PAUSE_BEFORE | None:
                pass
        return outcome() if outcome is not None else None

    def _make(self, number: int, do: Callable[[], Any]) -> Callable[[], Any]:
        """Make a call; returns what tells its outcome, by returning or raising it."""
        try:
            answer = do()
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller hears of it
            return partial(_raise, error)
        self._note_effect(number)
        return lambda: answer

    def _begin(self, port: str, method: str, key: str) -> tuple[int, Fault | None]:
        with self._lock:
            number = len(self._log) + 1
            fault = self._script.get(number)
            if fault is Fault.ERROR_FROM_NOW_ON:
                self._broken.add(port)
            elif fault is None and port in self._broken:
                fault = Fault.ERROR_FROM_NOW_ON
            self._log.append(Call(number, port, method, key, fault))
        return number, fault

    def _note_effect(self, number: int) -> None:
        with self._lock:
            self._log[number - 1] = evolve(self._log[number - 1], had_effect=True)


def faulty_storage(storage: OrderStorage, plan: FaultPlan, name: str = "storage") -> OrderStorage:
    """Wrap a store: every fault without a crash is ``StoreUnavailable``, which never tells."""
    return cast(
        "OrderStorage",
        _Faulty(storage, plan, name, lambda fault: StoreUnavailable(f"simulated_{fault}")),
    )


def faulty_inbox(inbox: WebhookInbox, plan: FaultPlan, name: str = "inbox") -> WebhookInbox:
    """Wrap an inbox: every fault without a crash is ``StoreUnavailable``, which never tells."""
    return cast(
        "WebhookInbox",
        _Faulty(inbox, plan, name, lambda fault: StoreUnavailable(f"simulated_{fault}")),
    )


def faulty_inventory(inventory: Inventory, plan: FaultPlan, name: str = "inventory") -> Inventory:
    """Wrap an inventory: every fault without a crash is ``InventoryUnavailable``."""
    return cast(
        "Inventory",
        _Faulty(inventory, plan, name, lambda fault: InventoryUnavailable(f"simulated_{fault}")),
    )


def faulty_payments(
    provider: PaymentProvider, plan: FaultPlan, name: str = "payments"
) -> PaymentProvider:
    """Wrap a provider: an error says that nothing happened, a timeout or lost answer does not."""

    def trouble(fault: Fault) -> Exception:
        if fault in {Fault.ERROR_ONCE, Fault.ERROR_FROM_NOW_ON}:
            return RetryableNotExecuted(f"simulated_{fault}")
        return OutcomeUnknown(f"simulated_{fault}")

    return cast("PaymentProvider", _Faulty(provider, plan, name, trouble))


def faulty_publisher(
    publisher: EventPublisher, plan: FaultPlan, name: str = "publisher"
) -> EventPublisher:
    """Wrap a publisher, of which any error means that the events are offered again."""
    return cast(
        "EventPublisher",
        _Faulty(publisher, plan, name, lambda fault: ConnectionError(f"simulated_{fault}")),
    )


class _Faulty:
    """Stands before a port and lets every public method run through the plan."""

    def __init__(self, port: object, plan: FaultPlan, name: str, trouble: Troubles) -> None:
        self._port = port
        self._plan = plan
        self._name = name
        self._trouble = trouble

    def __getattr__(self, method: str) -> Any:
        there = getattr(self._port, method)
        if not callable(there) or method == "close":
            return there

        def call(*args: Any, **named: Any) -> Any:
            do = partial(there, *args, **named)
            key = _name_of((*args, *named.values()))
            return self._plan.run(self._name, method, do, key, self._trouble)

        return call


def _raise(error: Exception) -> None:
    raise error


def _name_of(arguments: tuple[object, ...]) -> str:
    """Find what names the effect: a command's key, an order's or a reservation's id."""
    for argument in arguments:
        for attribute in ("key", "id", "order_id", "movement_id", "reference"):
            name = getattr(argument, attribute, None)
            if isinstance(name, str | UUID):
                return str(name)
        if isinstance(argument, str | UUID):
            return str(argument)
    return ""
