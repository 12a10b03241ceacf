"""What a process checks every so often, in turn with others, and what monitoring sees of it."""

import re
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import AdjustStock, NewLineItem, Order, OrderManagement, PlaceOrder
from oms_core.application.doctor import Kind
from oms_core.domain.payment import PaymentStatus
from oms_core.errors import StoreUnavailable
from oms_core.ports.job_turns import JobTurns, LastRun, Turn
from oms_core.ports.payments import Capture, PaymentRef, PaymentSnapshot
from oms_core.ports.storage import Walked
from oms_core.testing import SimulatedClock, a_scope
from oms_core.testing.faults import SimulatedCrash
from oms_entrypoints.config.sections import Config, DoctorSection, ReconcileSection
from oms_entrypoints.http.metrics import Metrics
from oms_entrypoints.scheduled_checks import CheckReports, Job, ScheduledChecks

CHAIR = "CRUNCHY-ARMCHAIR"
SCOPE = a_scope()
EVERY_S = 3600.0
LEASE_S = 60.0
SOON_S = 20.0


class WatchedPayments(SimulatedPayments):
    """Tells when it is asked."""

    looks = 0

    def when_asked(self) -> None:
        """Do nothing else."""

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Count, tell and answer."""
        self.looks += 1
        self.when_asked()
        return super().lookup(ref)


class TroubledStorage(MemoryStorage):
    """Answers as long as it is not ``down``."""

    down = False

    def walk(self, **where: Any) -> Sequence[Walked]:
        """Answer, or not."""
        if self.down:
            raise StoreUnavailable("down")
        return super().walk(**where)

    def job_turns(self) -> Any:
        """Answer, or not."""
        if self.down:
            raise StoreUnavailable("down")
        return super().job_turns()


class Shop:
    """Confirmed orders, whose payments somebody captured by hand."""

    def __init__(self, orders: int = 1, **reconcile: Any) -> None:
        self.clock = SimulatedClock()
        self.bank = WatchedPayments(MemoryLedger(), self.clock)
        self.storage = TroubledStorage(self.clock)
        self.inventory = MemoryInventory(self.clock)
        section = evolve(ReconcileSection(every_s=EVERY_S, calls_per_second=10_000), **reconcile)
        self.config = Config(reconcile=section, doctor=DoctorSection(every_s=EVERY_S))
        self.oms = self.a_system()
        stock = AdjustStock(CHAIR, 10, "delivery")
        self.oms.adjust_stock(SCOPE, stock, idempotency_key=CHAIR, actor="clerk")
        for number in range(orders):
            request = PlaceOrder(
                idempotency_key=f"key-{number}",
                payment_provider="simulated",
                payment_reference=f"card-{number}",
                channel="web",
                line_items=[NewLineItem(CHAIR, 1, "20.00")],
            )
            self.order_id = self.oms.place_order(SCOPE, request).order_id
            self.oms.run_until_idle()
            ref = PaymentRef(SCOPE.tenant_id, f"card-{number}")
            self.bank.capture(Capture(ref, self.order.total, "by-hand", f"by-hand-{number}"))
        self.bank.looks = 0
        self.checks = self.a_process()

    def a_system(self) -> OrderManagement:
        return OrderManagement(
            storage=self.storage,
            inventory=self.inventory,
            payments={"simulated": self.bank},
            clock=self.clock,
        )

    def a_process(self, *, lease_s: float = LEASE_S) -> ScheduledChecks:
        """Start one more process on the store."""
        return ScheduledChecks(
            self.a_system(), self.config, clock=self.clock, first_within_s=0.01, lease_s=lease_s
        )

    @property
    def order(self) -> Order:
        return self.oms.get_order(SCOPE, self.order_id)

    @property
    def turns(self) -> JobTurns:
        turns: JobTurns = self.storage.job_turns()
        return turns

    def last_run(self, job: Job) -> LastRun | None:
        return CheckReports(self.storage, self.config).last_run(job)

    def metrics(self) -> Metrics:
        """Open the metrics of a server that runs no check itself."""
        metrics = Metrics()
        metrics.watch_checks(CheckReports(self.storage, self.config))
        return metrics

    def figures(self, metrics: Metrics | None = None) -> dict[str, float]:
        page = (metrics or self.metrics()).page()[0].decode()
        found = re.findall(r"^(oms_(?:doctor|reconcile)\S+) (\S+)$", page, re.MULTILINE)
        return {name: float(figure) for name, figure in found}


def stop(checks: ScheduledChecks) -> None:
    checks.__exit__(None, None, None)


# -- what a run does -------------------------------------------------------------------------


def test_a_scheduled_reconciliation_heals_and_reports() -> None:
    shop = Shop()

    shop.checks.look(Job.RECONCILE)

    assert shop.order.payment.status is PaymentStatus.CAPTURED
    figures = shop.figures()
    assert figures['oms_reconcile_orders{verdict="healed"}'] == 1
    assert figures['oms_reconcile_orders{verdict="differs"}'] == 0
    ended = figures["oms_reconcile_last_end_timestamp_seconds"]
    assert ended == shop.clock.now().timestamp()


def test_it_only_tells_if_that_is_configured() -> None:
    shop = Shop(fix=False)
    before = shop.order

    shop.checks.look(Job.RECONCILE)

    assert shop.order == before
    assert shop.figures()['oms_reconcile_orders{verdict="differs"}'] == 1


def test_orders_that_have_not_changed_for_long_are_left_out() -> None:
    shop = Shop(within_days=1)
    shop.clock.advance(86_401)

    shop.checks.look(Job.RECONCILE)

    last = shop.last_run(Job.RECONCILE)
    assert last is not None
    assert sum(last.counts.values()) == 0


def test_a_scheduled_examination_reports_every_kind() -> None:
    shop = Shop()
    shop.oms.inventory.release(SCOPE, str(shop.order_id))

    shop.checks.look(Job.DOCTOR)

    figures = shop.figures()
    kinds = {name: figure for name, figure in figures.items() if name.startswith("oms_doctor_f")}
    assert set(kinds) == {f'oms_doctor_findings{{kind="{kind}"}}' for kind in Kind}
    assert {name for name, figure in kinds.items() if figure} == {
        f'oms_doctor_findings{{kind="{Kind.STOCK_NOT_PROMISED}"}}'
    }


def test_before_a_first_run_there_are_no_figures() -> None:
    assert Shop().figures() == {}


def test_while_the_store_is_silent_there_are_no_figures() -> None:
    """Neither zeros nor those of an earlier answer: an alarm must not end because of that."""
    shop = Shop()
    shop.checks.look(Job.DOCTOR)

    class SilentTurns:
        def last_run(self, job: str) -> LastRun | None:
            raise StoreUnavailable(job)

    shop.storage.job_turns = SilentTurns  # type: ignore[method-assign]

    assert shop.figures() == {}


def test_what_is_not_configured_is_neither_run_nor_shown() -> None:
    """Also if it once was: an alarm about a check that nobody wants any more would never end."""
    shop = Shop()
    shop.checks.look(Job.RECONCILE)
    shop.checks.look(Job.DOCTOR)
    looks = shop.bank.looks
    shop.config = Config()
    shop.clock.advance(EVERY_S)

    with shop.a_process():
        pass

    assert shop.bank.looks == looks
    assert shop.figures() == {}
    shop.config = Config(doctor=DoctorSection(every_s=EVERY_S))
    assert {name.split("_")[1] for name in shop.figures()} == {"doctor"}


# -- taking turns ----------------------------------------------------------------------------


def test_of_all_processes_one_does_a_run_and_once_a_period() -> None:
    """The providers are asked once, however many processes are told to."""
    shop = Shop(fix=False)
    processes = [shop.checks, shop.a_process(), shop.a_process()]

    shop.checks.look(Job.RECONCILE)
    looks = shop.bank.looks
    for period in (1, 2):
        for each in (*processes, *processes):
            each.look(Job.RECONCILE)
        assert shop.bank.looks == period * looks
        shop.clock.advance(EVERY_S - 1)
        assert [each.look(Job.RECONCILE) for each in processes] == [1.0] * 3
        shop.clock.advance(1)


def test_a_process_that_is_started_anew_does_not_begin_a_period_anew() -> None:
    """Else a server that is restarted every hour would ask the providers every hour."""
    shop = Shop(fix=False)
    shop.checks.look(Job.RECONCILE)
    looks = shop.bank.looks
    shop.clock.advance(60)

    assert shop.a_process().look(Job.RECONCILE) == EVERY_S - 60

    assert shop.bank.looks == looks


def test_a_process_that_dies_in_a_run_is_succeeded_when_its_lease_runs_out() -> None:
    shop = Shop()

    def die() -> None:
        raise SimulatedCrash

    shop.bank.when_asked = die  # type: ignore[method-assign]
    with pytest.raises(SimulatedCrash):
        shop.checks.look(Job.RECONCILE)
    del shop.bank.when_asked
    heir = shop.a_process()

    assert heir.look(Job.RECONCILE) == LEASE_S
    assert shop.last_run(Job.RECONCILE) is None
    shop.clock.advance(LEASE_S)
    heir.look(Job.RECONCILE)
    assert shop.last_run(Job.RECONCILE) is not None
    assert shop.order.payment.status is PaymentStatus.CAPTURED


def test_a_run_that_failed_counts_as_one_and_leaves_the_last_report() -> None:
    shop = Shop()
    shop.checks.look(Job.RECONCILE)
    before = shop.last_run(Job.RECONCILE)
    shop.clock.advance(EVERY_S)
    shop.storage.down = True

    with pytest.raises(StoreUnavailable):
        shop.checks.look(Job.RECONCILE)

    shop.storage.down = False
    assert shop.a_process().look(Job.RECONCILE) == EVERY_S
    assert shop.last_run(Job.RECONCILE) == before


def test_a_run_that_a_stopping_process_leaves_is_taken_over_at_once() -> None:
    shop = Shop(orders=3, fix=False)
    shop.bank.when_asked = lambda: stop(shop.checks)  # type: ignore[method-assign]
    shop.checks.look(Job.RECONCILE)
    assert shop.last_run(Job.RECONCILE) is None

    shop.a_process().look(Job.RECONCILE)

    last = shop.last_run(Job.RECONCILE)
    assert last is not None
    assert last.counts["differs"] == 3


class WatchedTurns:
    """Tells what came of keeping a turn."""

    def __init__(self, turns: JobTurns) -> None:
        self._turns = turns
        self.kept = 0
        self.kept_twice, self.lost = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._turns, name)

    def keep(self, turn: Turn, *, lease_s: float) -> bool:
        """Keep, and tell."""
        is_kept = self._turns.keep(turn, lease_s=lease_s)
        self.kept += is_kept
        if self.kept == 2:
            self.kept_twice.set()
        if not is_kept:
            self.lost.set()
        return is_kept


def watched(shop: Shop, when_asked: Callable[[WatchedTurns], object]) -> ScheduledChecks:
    """Start a process with a short lease, whose first look at a payment takes long."""
    turns = WatchedTurns(shop.turns)
    shop.storage.job_turns = lambda: turns  # type: ignore[method-assign]
    shop.bank.when_asked = lambda: when_asked(turns)  # type: ignore[assignment, method-assign]
    return shop.a_process(lease_s=0.03)


def test_a_look_that_takes_longer_than_the_lease_loses_no_turn() -> None:
    shop = Shop()
    slow = watched(shop, lambda turns: turns.kept_twice.wait(SOON_S))

    slow.look(Job.RECONCILE)

    assert shop.turns.kept >= 2  # type: ignore[attr-defined]
    assert shop.last_run(Job.RECONCILE) is not None


def test_a_process_that_was_taken_over_stops_and_reports_nothing() -> None:
    """It was stopped for longer than its lease, as a laptop that slept."""
    shop = Shop(orders=3)

    def sleep(turns: WatchedTurns) -> None:
        if not turns.lost.is_set():
            shop.clock.advance(LEASE_S)
            assert isinstance(turns.take(Job.RECONCILE, every_s=EVERY_S, lease_s=LEASE_S), Turn)
            assert turns.lost.wait(SOON_S)

    zombie = watched(shop, sleep)
    zombie.look(Job.RECONCILE)

    compared = [one.payment.status for one in shop.oms.list_orders(SCOPE).orders]
    assert compared.count(PaymentStatus.CAPTURED) == 1
    assert shop.last_run(Job.RECONCILE) is None
    assert shop.a_process().look(Job.RECONCILE) == LEASE_S


# -- in a process ----------------------------------------------------------------------------


def test_checks_run_again_and_again_until_the_process_stops() -> None:
    shop = Shop(every_s=0.01)
    shop.config = evolve(shop.config, doctor=DoctorSection(every_s=0.01))
    ends: set[datetime] = set()

    with shop.a_process(), shop.a_process():
        while len(ends) < 3 or shop.last_run(Job.DOCTOR) is None:
            shop.clock.advance(0.01)
            if (last := shop.last_run(Job.RECONCILE)) is not None:
                ends.add(last.ended_at)

    ended = (shop.last_run(Job.RECONCILE), shop.last_run(Job.DOCTOR))
    assert shop.order.payment.status is PaymentStatus.CAPTURED
    shop.clock.advance(60)
    assert (shop.last_run(Job.RECONCILE), shop.last_run(Job.DOCTOR)) == ended


def test_a_store_that_is_silent_is_asked_again() -> None:
    shop = Shop()

    class Recovering(WatchedTurns):
        asked = 0

        def take(self, job: str, *, every_s: float, lease_s: float) -> object:
            """Fail at first."""
            self.asked += 1
            if self.asked < 3:
                raise StoreUnavailable("down")
            return self._turns.take(job, every_s=every_s, lease_s=lease_s)

    turns = Recovering(shop.turns)
    shop.storage.job_turns = lambda: turns  # type: ignore[method-assign]
    shop.config = Config(reconcile=shop.config.reconcile)

    with shop.a_process(lease_s=0.01):
        while shop.last_run(Job.RECONCILE) is None:
            pass

    assert turns.asked >= 3
