"""The faults themselves: what is told, what had its effect, and that the dead stay dead."""

from collections.abc import Sequence

import pytest

from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_core import OrderEvent
from oms_core.errors import (
    InventoryUnavailable,
    OutcomeUnknown,
    PaymentNotFound,
    RetryableNotExecuted,
    StoreUnavailable,
)
from oms_core.ports.payments import PaymentRef
from oms_core.testing import SimulatedClock, an_order
from oms_core.testing.faults import (
    FAULTS_ALONE,
    Fault,
    FaultPlan,
    SimulatedCrash,
    faulty_inventory,
    faulty_payments,
    faulty_publisher,
    faulty_storage,
)


class Counter:
    """Stands for any port: counts what arrives."""

    size = 7

    def __init__(self) -> None:
        self.arrived: list[str] = []

    def publish(self, events: Sequence[OrderEvent]) -> None:
        del events
        self.arrived.append("publish")

    def ping(self) -> None:
        self.arrived.append("ping")

    def close(self) -> None:
        self.arrived.append("close")


@pytest.mark.parametrize(
    ("fault", "arrives", "raised"),
    [
        (Fault.CRASH_BEFORE, 0, SimulatedCrash),
        (Fault.CRASH_AFTER, 1, SimulatedCrash),
        (Fault.ERROR_ONCE, 0, ConnectionError),
        (Fault.ERROR_FROM_NOW_ON, 0, ConnectionError),
        (Fault.TIMEOUT, 0, ConnectionError),
        (Fault.ANSWER_LOST, 1, ConnectionError),
        (Fault.DUPLICATE, 2, None),
        (Fault.PAUSE_BEFORE, 1, None),
        (Fault.PAUSE_AFTER, 1, None),
    ],
)
def test_a_fault_has_its_effect_or_not_and_says_so_or_not(
    fault: Fault, arrives: int, raised: type[BaseException] | None
) -> None:
    counter = Counter()
    plan = FaultPlan({2: fault})
    port = faulty_publisher(counter, plan)
    port.publish([])

    if raised is None:
        port.publish([])
    else:
        with pytest.raises(raised):
            port.publish([])

    assert len(counter.arrived) == 1 + arrives
    (struck,) = plan.faults_met
    assert (struck.number, struck.method, struck.fault) == (2, "publish", fault)
    assert struck.had_effect == (arrives > 0)
    assert set(FAULTS_ALONE) == set(Fault) - {Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER}


def test_an_outage_lasts_until_it_is_mended_and_concerns_one_port_alone() -> None:
    broken, whole = Counter(), Counter()
    plan = FaultPlan({1: Fault.ERROR_FROM_NOW_ON, 4: Fault.ERROR_ONCE})
    port, other = faulty_publisher(broken, plan, "one"), faulty_publisher(whole, plan, "other")
    for _ in range(2):
        with pytest.raises(ConnectionError):
            port.publish([])
    other.publish([])

    plan.mend()

    with pytest.raises(ConnectionError):
        port.publish([])
    port.publish([])
    assert broken.arrived == ["publish"]
    assert whole.arrived == ["publish"]


def test_healing_forgets_the_script_too() -> None:
    counter = Counter()
    plan = FaultPlan({1: Fault.ERROR_FROM_NOW_ON, 2: Fault.ERROR_ONCE})
    port = faulty_publisher(counter, plan)
    with pytest.raises(ConnectionError):
        port.publish([])

    plan.heal()
    port.publish([])

    assert counter.arrived == ["publish"]


def test_a_dead_process_makes_no_further_call_until_it_is_started_again() -> None:
    counter = Counter()
    plan = FaultPlan({1: Fault.CRASH_AFTER})
    port = faulty_publisher(counter, plan)
    with pytest.raises(SimulatedCrash):
        port.publish([])

    with pytest.raises(SimulatedCrash):
        port.publish([])
    assert counter.arrived == ["publish"]
    plan.restart()
    port.publish([])
    assert [call.number for call in plan.calls] == [1, 2]


@pytest.mark.parametrize("pause", [Fault.PAUSE_BEFORE, Fault.PAUSE_AFTER])
def test_everybody_else_goes_on_during_a_pause(pause: Fault) -> None:
    counter = Counter()
    seen: list[int] = []
    plan = FaultPlan({1: pause}, meanwhile=lambda: seen.append(len(counter.arrived)))

    faulty_publisher(counter, plan).publish([])

    assert seen == [0 if pause is Fault.PAUSE_BEFORE else 1]


def test_a_fault_may_strike_later() -> None:
    counter = Counter()
    plan = FaultPlan()
    port = faulty_publisher(counter, plan)
    plan.strike(Fault.ERROR_ONCE, after_calls=1)
    port.publish([])

    with pytest.raises(ConnectionError):
        port.publish([])


def test_what_is_no_call_and_closing_pass_untouched() -> None:
    counter = Counter()
    plan = FaultPlan({1: Fault.CRASH_BEFORE})
    port = faulty_publisher(counter, plan)

    assert port.size == 7  # type: ignore[attr-defined]
    port.close()  # type: ignore[attr-defined]
    assert plan.calls == ()


def test_each_port_reports_trouble_in_its_own_words() -> None:
    clock = SimulatedClock()
    provider = SimulatedPayments(MemoryLedger(), clock)
    ref = PaymentRef(an_order().scope.tenant_id, "sim_not_found")
    plan = FaultPlan({1: Fault.ERROR_ONCE, 2: Fault.TIMEOUT, 4: Fault.TIMEOUT, 5: Fault.TIMEOUT})
    payments = faulty_payments(provider, plan)

    for expected in (RetryableNotExecuted, OutcomeUnknown, PaymentNotFound):
        with pytest.raises(expected):
            payments.lookup(ref)
    with pytest.raises(StoreUnavailable):
        faulty_storage(Counter(), plan).ping()  # type: ignore[arg-type]
    with pytest.raises(InventoryUnavailable):
        faulty_inventory(Counter(), plan).ping()  # type: ignore[arg-type]
    assert [(call.port, call.key) for call in plan.calls] == [
        *[("payments", "sim_not_found")] * 3,
        ("storage", ""),
        ("inventory", ""),
    ]
    assert not plan.calls[2].had_effect
