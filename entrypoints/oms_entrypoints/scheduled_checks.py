"""Reconciliation and doctor, every so often, beside the work of a process.

Of all processes on one store, one at a time does a check's run, and once a period: they take
turns, see ``JobTurns``.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog
from attrs import field, frozen

from oms_core.application.doctor import Kind
from oms_core.application.reconciliation import Selection, Tally, Verdict
from oms_core.errors import OmsError
from oms_core.ports.clock import SystemClock
from oms_core.ports.job_turns import NotNow

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from oms_core import OrderManagement
    from oms_core.ports.clock import Clock
    from oms_core.ports.job_turns import JobTurns, LastRun, Turn
    from oms_core.ports.storage import OrderStorage
    from oms_entrypoints.config import Config

_log: Final = structlog.get_logger()

FIRST_WITHIN_S: Final = 600.0
"""A process asks first at a random moment in this time: those that start together spread."""
LEASE_S: Final = 60.0
"""How long a process that died in the middle of a run holds up the others."""
TOLD_MAX: Final = 100
"""So many findings of one run are logged one by one; the rest are counted."""
_QUIET: Final = frozenset({Verdict.AGREES, Verdict.UNDER_WAY})

Counts: TypeAlias = "Mapping[str, int]"
MustEnd: TypeAlias = Callable[[], bool]


class Job(StrEnum):
    """What the store calls the checks: of one name there is one run at a time."""

    RECONCILE = "reconcile"
    DOCTOR = "doctor"


def periods_of(config: Config) -> Mapping[Job, float]:
    """Tell which checks are configured, and how many seconds lie between two runs of each."""
    every_s = {Job.RECONCILE: config.reconcile.every_s, Job.DOCTOR: config.doctor.every_s}
    return {job: seconds for job, seconds in every_s.items() if seconds}


class CheckReports:
    """What scheduled checks came to last, whichever process ran them."""

    def __init__(self, storage: OrderStorage, config: Config) -> None:
        """Look into *storage* for the checks that are configured."""
        self._jobs = periods_of(config)
        self._turns = storage.job_turns() if self._jobs else None

    def last_run(self, job: Job) -> LastRun | None:
        """Tell of the last whole run; ``None``: not configured, or none has ended yet.

        Raises:
            StoreUnavailable: nobody knows now.
        """
        if self._turns is None or job not in self._jobs:
            return None
        return self._turns.last_run(job)


@frozen
class _Check:
    job: Job
    every_s: float
    run: Callable[[MustEnd], Counts | None] = field(repr=False)
    """Returns ``None`` if it had to end before it was through."""


class ScheduledChecks:
    """Runs what the configuration asks for, each check in a thread of its own.

    Any number of processes may be told to. A run that failed counts as one: the next is due a
    period later, so that a bug does not ask every provider again and again.

    Raises:
        StoreUnusable: a newer version of this program has changed how processes take turns.
    """

    def __init__(
        self,
        oms: OrderManagement,
        config: Config,
        *,
        clock: Clock | None = None,
        first_within_s: float = FIRST_WITHIN_S,
        lease_s: float = LEASE_S,
    ) -> None:
        """Check the orders of *oms*; nothing runs before it is entered."""
        self._oms = oms
        self._reconcile = config.reconcile
        self._stop_timeout_s = config.server.stop_timeout_s
        self._clock = clock or SystemClock()
        self._first_within_s = first_within_s
        self._lease_s = lease_s
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        runs = {Job.RECONCILE: self._run_reconcile, Job.DOCTOR: self._run_doctor}
        self._checks = {
            job: _Check(job, every_s, runs[job]) for job, every_s in periods_of(config).items()
        }
        if self._checks:
            self._turns = oms.storage.job_turns()

    def __enter__(self) -> Self:
        """Start a thread for each check."""
        for check in self._checks.values():
            thread = threading.Thread(
                target=self._repeat, args=(check,), name=f"oms-{check.job}", daemon=True
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
        """End each after the order it is looking at; another process takes the run over."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(self._stop_timeout_s)

    def _repeat(self, check: _Check) -> None:
        wait_s = random.uniform(0, min(check.every_s, self._first_within_s))
        while not self._stopping.wait(wait_s):
            try:
                wait_s = self.look(check.job)
            except Exception:  # noqa: BLE001 - a store that is down now is up at the next look
                _log.exception("scheduled check failed", check=check.job.value)
                wait_s = self._lease_s

    def look(self, job: Job) -> float:
        """Do a run of *job* if it is due and nobody is at it.

        Returns how many seconds there is nothing to do for anybody.
        """
        check = self._checks[job]
        turn = self._turns.take(job, every_s=check.every_s, lease_s=self._lease_s)
        if isinstance(turn, NotNow):
            return turn.wait_s
        try:
            with _KeptTurn(self._turns, turn, self._lease_s) as kept:
                counts = check.run(lambda: self._stopping.is_set() or kept.is_lost)
        except Exception:
            self._turns.end(turn, None)
            raise
        if counts is None:
            self._turns.give_back(turn)
        else:
            self._turns.end(turn, counts)
        return 0.0

    # -- the checks ----------------------------------------------------------------------------

    def _run_reconcile(self, must_end: MustEnd) -> Counts | None:
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
            if must_end():
                return None
        counts = {verdict.value: count for verdict, count in tally.counts.items()}
        _log.info("reconciled", orders=tally.orders, **counts)
        return counts

    def _run_doctor(self, must_end: MustEnd) -> Counts | None:
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
            if must_end():
                return None
        _log.info("examined", findings=counts.total())
        return {kind.value: counts[kind] for kind in Kind}


class _KeptTurn:
    """Keeps a turn as long as its run lasts, in a thread of its own.

    One look at an order may take longer than the lease: a slow provider, a pace of one call a
    minute, a million orders without a finding.
    """

    def __init__(self, turns: JobTurns, turn: Turn, lease_s: float) -> None:
        self._turns = turns
        self._turn = turn
        self._lease_s = lease_s
        self._lost = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"oms-{turn.job}-turn", daemon=True)

    @property
    def is_lost(self) -> bool:
        """Another process has taken the run over: this one was stopped for longer than a lease."""
        return self._lost.is_set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(self._lease_s / 3):
            try:
                if not self._turns.keep(self._turn, lease_s=self._lease_s):
                    self._lost.set()
                    _log.info("scheduled check taken over", check=self._turn.job)
                    return
            except OmsError:
                # Whether somebody took over while the store was silent, the next try will tell.
                continue
