"""A provider that refuses our credentials: who is held back, who tries, and who hears of it."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from oms_core import Money, OrderStatus, PaymentDirectory
from oms_core.application.provider_gate import Account, ProviderGate, ProviderGates
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
    WebhookRejected,
)
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    PaymentRef,
    Reauthorize,
    Refund,
)
from oms_core.testing import SimulatedClock, refusal
from tests.support.scripted_payments import DONE, ScriptedPayments, a_snapshot
from tests.support.shop import Shop

TENANT, OTHER = UUID(int=1), UUID(int=2)
ONE, TWO, THREE = (PaymentRef(TENANT, name) for name in ("card-1", "card-2", "card-3"))
REFUSED = CredentialsRejected("http_401")
HELD = a_snapshot(PaymentState.AUTHORIZED, authorized=100)
AMOUNT = Money(100, "USD")
REFUSES, ACCEPTS = (
    ("oms_core.payments", logging.ERROR, "payment provider refuses our credentials"),
    ("oms_core.payments", logging.INFO, "payment provider accepts our credentials again"),
)


class Stage:
    """A gate before a provider that answers look-ups as the test says."""

    def __init__(self, *answers: object) -> None:
        self.clock = SimulatedClock()
        self.provider = ScriptedPayments(lookup=answers, authorize=[HELD])
        self.gate = ProviderGate(self.provider, Account("card"), self.clock)

    @property
    def calls(self) -> int:
        return len(self.provider.calls)

    def refused(self, ref: PaymentRef) -> CredentialsRejected:
        return refusal(CredentialsRejected, lambda: self.gate.lookup(ref))

    def close(self) -> None:
        """Have two payments refused in a row."""
        self.refused(ONE)
        self.refused(TWO)


def test_two_payments_refused_in_a_row_hold_all_others_back_for_a_while() -> None:
    stage = Stage(REFUSED)
    stage.close()

    held = stage.refused(THREE)

    assert stage.calls == 2
    assert (held.reason, held.retry_after_s) == ("http_401", 5.0)
    stage.clock.advance(4.0)
    assert stage.refused(ONE).retry_after_s == 1.0
    assert stage.calls == 2


def test_after_the_while_one_call_tries_and_its_acceptance_lets_all_go_on() -> None:
    stage = Stage(REFUSED, REFUSED, HELD)
    stage.close()
    stage.clock.advance(5.0)

    assert stage.gate.lookup(THREE) == HELD

    assert stage.gate.refusing is None
    assert [stage.gate.lookup(ref) for ref in (ONE, TWO)] == [HELD, HELD]
    assert stage.calls == 5


def test_each_try_in_vain_doubles_the_while_up_to_a_minute() -> None:
    stage = Stage(REFUSED)
    stage.close()
    waits = []

    for _ in range(6):
        waits.append(stage.refused(ONE).retry_after_s)
        stage.clock.advance(waits[-1] or 0.0)
        stage.refused(ONE)

    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert stage.calls == 2 + len(waits)


@pytest.mark.parametrize("silence", [OutcomeUnknown("http_500"), RetryableNotExecuted("429")])
def test_a_try_that_proves_nothing_leaves_all_held_back(silence: PaymentTrouble) -> None:
    stage = Stage(REFUSED, REFUSED, silence, HELD)
    stage.close()
    stage.clock.advance(5.0)

    refusal(type(silence), lambda: stage.gate.lookup(THREE))

    assert stage.refused(ONE).retry_after_s == 5.0
    stage.clock.advance(5.0)
    assert stage.gate.lookup(ONE) == HELD


@pytest.mark.parametrize(
    "answer", [PaymentNotFound(), InvalidState(), InvalidRequest(), IdempotencyMismatch()]
)
def test_what_is_only_said_to_somebody_known_opens_the_gate(answer: PaymentTrouble) -> None:
    stage = Stage(REFUSED, REFUSED, answer)
    stage.close()
    stage.clock.advance(5.0)

    refusal(type(answer), lambda: stage.gate.lookup(THREE))

    assert stage.gate.refusing is None


def test_one_payment_that_is_refused_alone_holds_nobody_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its payee may be restricted; the others are accepted, and it raises no second alarm."""
    caplog.set_level(logging.INFO)
    stage = Stage(REFUSED, HELD, REFUSED, HELD, REFUSED)

    for _ in range(2):
        stage.refused(ONE)
        assert stage.gate.lookup(TWO) == HELD
    stage.refused(ONE)

    assert stage.calls == 5
    assert stage.gate.refusing is None
    assert caplog.record_tuples == [REFUSES, ACCEPTS]


def test_the_same_payment_again_and_again_is_still_only_one() -> None:
    stage = Stage(REFUSED)

    for _ in range(5):
        stage.refused(ONE)

    assert stage.calls == 5
    assert stage.gate.refusing is not None


def test_a_change_is_logged_once_and_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage = Stage(*[REFUSED] * 4, HELD)
    stage.close()
    for _ in range(2):
        stage.clock.advance(10.0)
        stage.refused(ONE)
        stage.refused(TWO)
    stage.clock.advance(60.0)

    stage.gate.lookup(ONE)
    stage.gate.lookup(TWO)

    assert caplog.record_tuples == [REFUSES, ACCEPTS]
    told = [vars(record) for record in caplog.records]
    assert [one["provider"] for one in told] == ["card", "card"]
    assert told[0]["reason"] == "http_401"


def test_a_thousand_calls_at_once_let_only_one_try() -> None:
    stage = Stage(REFUSED)
    stage.close()
    stage.clock.advance(5.0)
    barrier = threading.Barrier(16)

    def ask(number: int) -> None:
        barrier.wait()
        for turn in range(60):
            stage.refused(PaymentRef(TENANT, f"card-{number}-{turn}"))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))

    assert stage.calls == 3


def test_notifications_and_a_persons_probe_are_never_held_back() -> None:
    stage = Stage(REFUSED)
    stage.provider.answers |= {"probe": [None], "parse_webhook": [WebhookRejected("stale")]}
    stage.close()

    stage.gate.probe()
    refusal(WebhookRejected, lambda: stage.gate.parse_webhook(TENANT, {}, b""))

    assert [name for name, _ in stage.provider.calls[2:]] == ["probe", "parse_webhook"]


COMMANDS: dict[str, tuple[Any, ...]] = {
    "lookup": (ONE,),
    "authorize": (Authorize(ONE, AMOUNT, OTHER, "key"),),
    "capture": (Capture(ONE, AMOUNT, "operation", "key"),),
    "reauthorize": (Reauthorize(ONE, AMOUNT, OTHER, "operation", "key"),),
    "cancel": (Cancel(ONE, OTHER, "operation", "key"),),
    "refund": (Refund(ONE, AMOUNT, "refund", "key"),),
    "find_operation": (ONE, "operation"),
}


@pytest.mark.parametrize("method", COMMANDS)
def test_every_call_that_an_order_makes_goes_through_the_gate(method: str) -> None:
    stage = Stage(REFUSED)
    stage.provider.answers |= {name: [DONE] for name in COMMANDS if name != "lookup"}
    call: Callable[[], object] = lambda: getattr(stage.gate, method)(*COMMANDS[method])  # noqa: E731 - said twice

    if method != "lookup":
        assert call() == DONE
        assert stage.provider.calls[0][0] == method
    stage.close()
    before = stage.calls
    refusal(CredentialsRejected, call)
    assert stage.calls == before
    assert stage.gate.capabilities is stage.provider.capabilities


def test_a_tenants_own_account_has_a_gate_of_its_own() -> None:
    clock = SimulatedClock()
    common, own = ScriptedPayments(lookup=[HELD]), ScriptedPayments(lookup=[REFUSED])
    directory = PaymentDirectory(
        {"card": common}, {OTHER: {"card": own}}, gates=ProviderGates(clock)
    )

    for reference in ("card-1", "card-2", "card-3"):
        gate = directory.reach(OTHER, "card")
        assert gate is not None
        refusal(CredentialsRejected, partial(gate.lookup, PaymentRef(OTHER, reference)))
    gate = directory.reach(TENANT, "card")
    assert gate is not None

    assert gate.lookup(ONE) == HELD
    assert len(own.calls) == 2
    assert [one.account for one in directory.gates.refusing()] == [Account("card", OTHER)]
    assert directory.reach(TENANT, "unknown") is None
    assert directory.all_names == {"card"}


def test_hundreds_of_orders_wait_without_hammering_and_all_go_on_when_the_key_is_right() -> None:
    """F17, whole: revoked, hours pass, replaced; nobody touches an order."""
    key_is_good = False

    class Bank(ScriptedPayments):
        def _answer(self, method: str, command: object) -> Any:
            self.calls.append((method, command))
            if not key_is_good:
                raise CredentialsRejected("http_401")
            return a_snapshot(PaymentState.AUTHORIZED, authorized=2_000)

    bank = Bank()
    shop = Shop(providers={"simulated": bank}, stock={"CRUNCHY-ARMCHAIR": 1_000})
    ids = [
        shop.oms.place_order(
            shop.scope,
            shop.request(f"card-{n}", key=f"k-{n}", price="20", lines={"CRUNCHY-ARMCHAIR": 1}),
        ).order_id
        for n in range(200)
    ]

    for _ in range(180):
        shop.work_once()
        shop.clock.advance(20.0)
    asked = len(bank.calls)

    assert asked < 100, "one try a minute, whatever the number of orders"
    orders = [shop.order(order_id) for order_id in ids]
    assert {order.status for order in orders} == {OrderStatus.PENDING_PAYMENT}
    assert {len(order.history) for order in orders} == {3}
    key_is_good = True
    for _ in range(24):
        shop.clock.advance(20.0)
        shop.work_once()
    orders = [shop.order(order_id) for order_id in ids]
    assert {order.status for order in orders} == {OrderStatus.CONFIRMED}
    assert {order.saga.attention for order in orders} == {None}
