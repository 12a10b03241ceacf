"""Reconciliation and doctor, every so often, beside the work of a process."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from attrs import field, frozen

from oms_core.application.doctor import Kind
from oms_core.application.reconciliation import Selection, Tally, Verdict
from oms_core.ports.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from oms_core import OrderManagement
    from oms_core.ports.clock import Clock
    from oms_entrypoints.config import Config

_log: Final = structlog.get_logger()

FIRST_WITHIN_S: Final = 600.0
"""The first run begins at a random moment in this time: processes that start together spread."""
TOLD_MAX: Final = 100
"""So many findings of one run are logged one by one; the rest are counted."""
_QUIET: Final = frozenset({Verdict.AGREES, Verdict.UNDER_WAY})


@frozen
class Reconciled:
    """What the last whole reconciliation came to."""

    ended_at: datetime
    orders: dict[Verdict, int]


@frozen
class Examined:
    """What the last whole examination found."""

    ended_at: datetime
    findings: dict[Kind, int]


class CheckReports:
    """What scheduled checks came to last, for whoever shows it; ``None`` before a first one."""

    def __init__(self) -> None:
        self.reconciled: Reconciled | None = None
        self.examined: Examined | None = None


@frozen
class _Check:
    name: str
    every_s: float
    run: Callable[[], None] = field(repr=False)


class ScheduledChecks:
    """Runs what the configuration asks for, each check in a thread of its own.

    Any number of processes may do so at once: a check changes orders only by their own
    operations, and those are done once. Each process asks providers for itself, though; so one
    is told to, and the others are not.
    """

    def __init__(
        self,
        oms: OrderManagement,
        config: Config,
        reports: CheckReports,
        *,
        clock: Clock | None = None,
        first_within_s: float = FIRST_WITHIN_S,
    ) -> None:
        """Check the orders of *oms*; nothing runs before ``start``."""
        self._oms = oms
        self._reconcile = config.reconcile
        self._stop_timeout_s = config.server.stop_timeout_s
        self._reports = reports
        self._clock = clock or SystemClock()
        self._first_within_s = first_within_s
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._checks = [
            check
            for check in (
                _Check("reconcile", config.reconcile.every_s, self.reconcile),
                _Check("doctor", config.doctor.every_s, self.examine),
            )
            if check.every_s
        ]

    def __enter__(self) -> Self:
        """Start a thread for each check."""
        for check in self._checks:
            thread = threading.Thread(
                target=self._repeat, args=(check,), name=f"oms-{check.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End each after the order it is looking at; what was not looked at has its turn later."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(self._stop_timeout_s)

    def _repeat(self, check: _Check) -> None:
        first_s = random.uniform(0, min(check.every_s, self._first_within_s))
        wait_s = first_s
        while not self._stopping.wait(wait_s):
            try:
                check.run()
            except Exception:  # noqa: BLE001 - a store that is down now is up at the next run
                _log.exception("scheduled check failed", check=check.name)
            wait_s = check.every_s

    # -- the checks ----------------------------------------------------------------------------

    def reconcile(self) -> None:
        """Compare orders with their providers once, and heal if that is configured."""
        section, tally = self._reconcile, Tally()
        since = None
        if section.within_days:
            since = self._clock.now() - timedelta(days=section.within_days)
        reconciler = self._oms.reconciler(
            calls_per_second=section.calls_per_second, sleep=self._stopping.wait
        )
        told = 0
        for compared in reconciler.run(Selection(since=since), fix=section.fix):
            tally.add(compared)
            if compared.verdict not in _QUIET and told < TOLD_MAX:
                told += 1
                _log.warning(
                    "order differs from its payment provider",
                    order_id=str(compared.place.order_id),
                    verdict=compared.verdict.value,
                    differences=[str(one) for one in compared.differences],
                    reason=compared.trouble,
                )
            if self._stopping.is_set():
                return
        self._reports.reconciled = Reconciled(self._clock.now(), dict(tally.counts))
        counts = {verdict.value: count for verdict, count in tally.counts.items()}
        _log.info("reconciled", orders=tally.orders, **counts)

    def examine(self) -> None:
        """Check once that everything that is stored fits together; nothing is mended."""
        counts = Counter[Kind]()
        told = 0
        for finding in self._oms.doctor().examine():
            counts[finding.kind] += 1
            if told < TOLD_MAX:
                told += 1
                _log.warning(
                    "doctor found",
                    kind=finding.kind.value,
                    severity=finding.severity.value,
                    order_id=str(finding.order_id) if finding.order_id else None,
                    sentence=finding.sentence,
                )
            if self._stopping.is_set():
                return
        self._reports.examined = Examined(self._clock.now(), {kind: counts[kind] for kind in Kind})
        _log.info("examined", findings=counts.total())
