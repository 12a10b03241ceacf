"""What a process checks every so often, and what monitoring sees of it."""

import re
from typing import Any

from attrs import evolve

from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.storage.memory import MemoryStorage
from oms_core import AdjustStock, NewLineItem, Order, OrderManagement, PlaceOrder
from oms_core.application.doctor import Kind
from oms_core.application.reconciliation import Verdict
from oms_core.domain.payment import PaymentStatus
from oms_core.ports.payments import Capture, PaymentRef
from oms_core.testing import SimulatedClock, a_scope
from oms_entrypoints.config.sections import Config, DoctorSection, ReconcileSection
from oms_entrypoints.http.metrics import Metrics
from oms_entrypoints.scheduled_checks import CheckReports, ScheduledChecks

CHAIR = "CRUNCHY-ARMCHAIR"
SCOPE = a_scope()


class Shop:
    """A confirmed order, whose payment somebody captured by hand."""

    def __init__(self, **reconcile: Any) -> None:
        self.clock = SimulatedClock()
        self.bank = SimulatedPayments(MemoryLedger(), self.clock)
        self.oms = OrderManagement(
            storage=MemoryStorage(self.clock),
            inventory=MemoryInventory(self.clock),
            payments={"simulated": self.bank},
            clock=self.clock,
        )
        stock = AdjustStock(CHAIR, 10, "delivery")
        self.oms.adjust_stock(SCOPE, stock, idempotency_key=CHAIR, actor="clerk")
        request = PlaceOrder(
            idempotency_key="key",
            payment_provider="simulated",
            payment_reference="card",
            channel="web",
            line_items=[NewLineItem(CHAIR, 1, "20.00")],
        )
        self.order_id = self.oms.place_order(SCOPE, request).order_id
        self.oms.run_until_idle()
        ref = PaymentRef(SCOPE.tenant_id, "card")
        self.bank.capture(Capture(ref, self.order.total, "by-hand", "by-hand"))
        section = evolve(ReconcileSection(calls_per_second=10_000), **reconcile)
        self.reports = CheckReports()
        self.checks = ScheduledChecks(
            self.oms,
            Config(reconcile=section, doctor=DoctorSection(every_s=0.01)),
            self.reports,
            clock=self.clock,
            first_within_s=0.01,
        )

    @property
    def order(self) -> Order:
        return self.oms.get_order(SCOPE, self.order_id)

    def figures(self) -> dict[str, float]:
        metrics = Metrics()
        metrics.watch_checks(self.reports)
        page = metrics.page()[0].decode()
        found = re.findall(r"^(oms_(?:doctor|reconcile)\S+) (\S+)$", page, re.MULTILINE)
        return {name: float(figure) for name, figure in found}


def test_a_scheduled_reconciliation_heals_and_reports() -> None:
    shop = Shop()

    shop.checks.reconcile()

    assert shop.order.payment.status is PaymentStatus.CAPTURED
    assert shop.reports.reconciled is not None
    assert shop.reports.reconciled.orders[Verdict.HEALED] == 1
    figures = shop.figures()
    assert figures['oms_reconcile_orders{verdict="healed"}'] == 1
    assert figures['oms_reconcile_orders{verdict="differs"}'] == 0
    ended = figures["oms_reconcile_last_end_timestamp_seconds"]
    assert ended == shop.clock.now().timestamp()


def test_it_only_tells_if_that_is_configured() -> None:
    shop = Shop(fix=False)
    before = shop.order

    shop.checks.reconcile()

    assert shop.order == before
    assert shop.figures()['oms_reconcile_orders{verdict="differs"}'] == 1


def test_orders_that_have_not_changed_for_long_are_left_out() -> None:
    shop = Shop(within_days=1)
    shop.clock.advance(86_401)

    shop.checks.reconcile()

    assert shop.reports.reconciled is not None
    assert sum(shop.reports.reconciled.orders.values()) == 0


def test_a_scheduled_examination_reports_every_kind() -> None:
    shop = Shop()
    shop.oms.inventory.release(SCOPE, str(shop.order_id))

    shop.checks.examine()

    figures = shop.figures()
    kinds = {name: figure for name, figure in figures.items() if name.startswith("oms_doctor_f")}
    assert set(kinds) == {f'oms_doctor_findings{{kind="{kind}"}}' for kind in Kind}
    assert {name for name, figure in kinds.items() if figure} == {
        f'oms_doctor_findings{{kind="{Kind.STOCK_NOT_PROMISED}"}}'
    }


def test_before_a_first_run_there_are_no_figures() -> None:
    assert Shop().figures() == {}


def test_checks_run_again_and_again_until_the_process_stops() -> None:
    shop = Shop(every_s=0.01)

    with shop.checks:
        seen: set[int] = set()
        while len(seen) < 3:
            if shop.reports.examined is not None and shop.reports.reconciled is not None:
                seen.add(id(shop.reports.examined))

    ended = (shop.reports.examined, shop.reports.reconciled)
    assert shop.order.payment.status is PaymentStatus.CAPTURED
    assert (shop.reports.examined, shop.reports.reconciled) == ended


def test_nothing_is_checked_unless_it_is_configured() -> None:
    shop = Shop()
    checks = ScheduledChecks(shop.oms, Config(), shop.reports)

    with checks:
        pass

    assert shop.reports.reconciled is None
    assert shop.reports.examined is None
