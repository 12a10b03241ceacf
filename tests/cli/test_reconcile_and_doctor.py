"""``oms reconcile`` and ``oms doctor``, beside a system that uses the same store."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from oms_core import Order, OrderManagement
from oms_core.domain.order import ReservationState
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentStatus
from oms_core.ports.payments import Capture, PaymentRef
from tests.support.command_line import (
    SCOPE,
    RunCommand,
    ended,
    free_port,
    place,
    started,
    wait_for_line,
)


@pytest.fixture
def confirmed(system: OrderManagement) -> Order:
    """Let an order live until it is confirmed."""
    order = place(system, "ARMCHAIR-1")
    system.run_until_idle()
    return system.get_order(SCOPE, order.id)


@pytest.fixture
def captured_by_hand(system: OrderManagement, confirmed: Order) -> Order:
    """Somebody captured the order's payment in the provider's own console."""
    provider = system.payments.find(SCOPE.tenant_id, "simulated")
    assert provider is not None
    ref = PaymentRef(SCOPE.tenant_id, confirmed.payment.reference)
    provider.capture(Capture(ref, confirmed.total, "by-hand", "by-hand"))
    return confirmed


def test_orders_that_agree_are_counted_and_the_exit_code_is_0(
    oms: RunCommand, confirmed: Order
) -> None:
    done = oms("reconcile")

    assert (done.code, done.out) == (0, "1 order compared: 1 agrees.\n")


def test_a_dry_look_prints_each_difference_and_changes_nothing(
    oms: RunCommand, system: OrderManagement, captured_by_hand: Order
) -> None:
    done = oms("reconcile", "--calls-per-second", "0")

    assert done.code == 1
    assert done.out == (
        f"{captured_by_hand.id}  differs\n"
        "  captured: the order says 0.00 USD, the provider 129.90 USD\n"
        "1 order compared: 1 differs. Nothing was changed; --fix has orders take over what their "
        "provider says.\n"
    )
    assert system.get_order(SCOPE, captured_by_hand.id) == captured_by_hand


def test_fix_heals_what_differs(
    oms: RunCommand, system: OrderManagement, captured_by_hand: Order
) -> None:
    healed = oms("reconcile", "--fix", "--json")
    again = oms("reconcile")

    row, summary = (json.loads(line) for line in healed.out.splitlines())
    assert (healed.code, row["verdict"]) == (0, "healed")
    assert row["differences"] == [
        {"what": "captured", "order_says": "0.00 USD", "provider_says": "129.90 USD"}
    ]
    assert (summary["orders"], summary["healed"], summary["differs"]) == (1, 1, 0)
    order = system.get_order(SCOPE, captured_by_hand.id)
    assert order.payment.status is PaymentStatus.CAPTURED
    assert again.code == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--provider", "nobody"), "there is no payment account nobody; configured: simulated"),
        (("--since", "yesterday"), "must be a length of time such as 90s, 15m, 12h or 30d"),
    ],
)
def test_a_mistake_is_one_sentence(
    oms: RunCommand, confirmed: Order, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = oms("reconcile", *arguments)

    assert refused.code == 2
    assert sentence in refused.err


def test_a_healthy_store_is_told_to_be_healthy(oms: RunCommand, confirmed: Order) -> None:
    done = oms("doctor", "--payments", "--calls-per-second", "0")

    assert (done.code, done.out) == (0, "Everything fits together.\n")


@pytest.fixture
def damaged(system: OrderManagement, confirmed: Order) -> Order:
    """An order that was declared dead, although stock and money are still held for it."""
    last = evolve(
        confirmed.history[-1],
        sequence=len(confirmed.history) + 1,
        status_before=OrderStatus.CONFIRMED,
        status_after=OrderStatus.CANCELLED,
    )
    return system.storage.save(
        evolve(confirmed, status=OrderStatus.CANCELLED, history=(*confirmed.history, last))
    )


def test_findings_are_explained_and_the_exit_code_is_1(
    oms: RunCommand, system: OrderManagement, damaged: Order
) -> None:
    done = oms("doctor")

    assert done.code == 1
    assert done.out == (
        f"error  dead_order_holds_money  {damaged.id}\n"
        "  The order is cancelled, but 129.90 USD are held for it. Give the money back.\n"
        "  --fix would ask the provider, and let go what it holds.\n"
        f"error  dead_order_holds_stock  {damaged.id}\n"
        "  The order is cancelled, but stock is still promised to it.\n"
        "  --fix would release the stock.\n"
        "2 things are wrong; 0 mended, 2 left.\n"
    )
    assert system.get_order(SCOPE, damaged.id) == damaged


def test_fix_mends_and_a_second_look_finds_nothing(
    oms: RunCommand, system: OrderManagement, damaged: Order
) -> None:
    mended = oms("doctor", "--fix", "--yes", "--json")
    system.run_until_idle()
    again = oms("doctor", "--payments")

    rows = [json.loads(line) for line in mended.out.splitlines()]
    assert mended.code == 0
    assert [(row["kind"], row["mended"]) for row in rows[:-1]] == [
        ("dead_order_holds_money", True),
        ("dead_order_holds_stock", True),
    ]
    assert rows[-1]["left"] == 0
    assert (again.code, again.out) == (0, "Everything fits together.\n")
    order = system.get_order(SCOPE, damaged.id)
    assert order.reservation is ReservationState.RELEASED
    assert order.payment.status is PaymentStatus.VOIDED


def test_fix_without_anybody_to_ask_needs_yes(oms: RunCommand, damaged: Order) -> None:
    refused = oms("doctor", "--fix")

    assert refused.code == 2
    assert "add --yes where nobody can answer" in refused.err


def test_payments_are_compared_on_demand_and_mended(
    oms: RunCommand, captured_by_hand: Order
) -> None:
    without, looked = oms("doctor"), oms("doctor", "--payments")
    mended = oms("doctor", "--payments", "--fix", "--yes")

    assert without.code == 0
    assert looked.code == 1
    assert f"error  payment_differs  {captured_by_hand.id}" in looked.out
    assert (mended.code, "1 mended, 0 left" in mended.out) == (0, True)


def test_a_server_heals_by_itself_if_it_is_told_to(folder: Path, captured_by_hand: Order) -> None:
    port = free_port()
    every = {"OMS__RECONCILE__EVERY_S": "0.1", "OMS__DOCTOR__EVERY_S": "0.1"}

    with started(folder, "serve", "--port", str(port), **every) as server:
        line = wait_for_line(server, '"healed":1')
        server.terminate()
        end = ended(server)

    assert json.loads(line)["event"] == "reconciled"
    assert end.code == 0
