"""A process that is killed between Adyen's effect and our record of it: one effect all the same."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.payments.adyen import AdyenPayments
from oms_adapters.sqlite import SqliteDatabase
from oms_core.domain.money import Money
from oms_core.errors import InvalidState
from oms_core.ports.clock import SystemClock
from oms_core.ports.payments import (
    Cancel,
    Capture,
    OperationResult,
    OperationStatus,
    PaymentRef,
    Refund,
)
from oms_core.testing import refusal
from tests.support.adyen_double import AdyenDouble
from tests.support.adyen_stage import HEADERS, NAME, an_account

TENANT = UUID(int=7)
ORDER = UUID(int=8)
AMOUNT = Money(10_000, "USD")
PART = Money(4_000, "USD")
CENT = Money(1, "USD")

CHILD = """
import sys
from pathlib import Path
from oms_adapters.inbox.sqlite import SqliteInbox
from oms_adapters.payments.adyen import AdyenAccount, AdyenPayments
from oms_adapters.sqlite import SqliteDatabase
from oms_core.domain.money import Money
from oms_core.errors import InvalidState
from oms_core.ports.clock import SystemClock
from oms_core.ports.payments import Cancel, Capture, PaymentRef, Refund
from uuid import UUID

operation, minor, file, url, key, shop, hmac, name, psp = sys.argv[1:]
clock = SystemClock()
account = AdyenAccount(key, shop, (hmac,), base_url=url)
inbox = SqliteInbox(SqliteDatabase(Path(file)), clock)
in_parts = int(minor) < 10_000
payments = AdyenPayments(account, inbox, clock, name, captures_in_parts=in_parts)
ref, amount = PaymentRef(UUID(int=7), psp), Money(int(minor), "USD")
if operation == "capture":
    payments.capture(Capture(ref, amount, "op-1", "key-1", final=not in_parts))
elif operation == "cancel":
    payments.cancel(Cancel(ref, UUID(int=8), "op-1", "key-1"))
else:
    payments.refund(Refund(ref, amount, "op-1", "key-1"))
"""


@pytest.mark.parametrize("operation", ["capture", "cancel", "refund"])
def test_a_process_killed_after_the_effect_leaves_one_effect(
    operation: str, tmp_path: Path
) -> None:
    double = AdyenDouble()
    file = tmp_path / "oms.db"
    psp = double.customer_pays(10_000)
    if operation == "refund":
        double.happens(psp, "CAPTURE")
    _hear(file, double, psp)
    child = _killed_after_the_effect(file, double, psp, operation)
    try:
        assert child.wait(60) == -signal.SIGKILL
        assert double.effects(psp, operation) == 1

        again = _again(file, double, psp, operation)

        assert again.status is OperationStatus.PENDING
        assert _hear(file, double, psp).status is OperationStatus.DONE
        assert double.effects(psp, operation) == 1
        keys = [request.headers["idempotency-key"] for request in double.server.requests]
        assert keys == ["key-1", "key-1"]
    finally:
        double.close()


def test_a_process_killed_after_the_effect_of_a_second_capture_leaves_two(tmp_path: Path) -> None:
    """Of the same amount as the first: nothing but its name tells them apart."""
    double = AdyenDouble(captures_in_parts=True)
    file = tmp_path / "oms.db"
    psp = double.customer_pays(AMOUNT.minor)
    _hear(file, double, psp)
    with SqliteDatabase(file) as database:
        first = Capture(PaymentRef(TENANT, psp), PART, "op-0", "key-0", final=False)
        _payments(database, double, in_parts=True).capture(first)
    _hear(file, double, psp)
    child = _killed_after_the_effect(file, double, psp, "capture", PART)
    try:
        assert child.wait(60) == -signal.SIGKILL
        assert double.effects(psp, "capture") == 2

        with SqliteDatabase(file) as database:
            payments = _payments(database, double, in_parts=True)
            ref = PaymentRef(TENANT, psp)
            more = Capture(ref, AMOUNT - PART - PART + CENT, "op-2", "key-2", final=False)
            refusal(InvalidState, lambda: payments.capture(more))
            again = payments.capture(Capture(ref, PART, "op-1", "key-2", final=False))

        assert again.status is OperationStatus.PENDING
        assert _hear(file, double, psp).status is OperationStatus.DONE
        assert double.effects(psp, "capture") == 2
        assert double.books(psp)[0] == PART.minor * 2
        keys = [request.headers["idempotency-key"] for request in double.server.requests]
        assert keys == ["key-0", "key-1", "key-1"]
    finally:
        double.close()


def _killed_after_the_effect(
    file: Path, double: AdyenDouble, psp: str, operation: str, amount: Money = AMOUNT
) -> subprocess.Popen[bytes]:
    """Start a process that is killed between the effect and its record of it."""
    killed: list[int] = []

    def kill() -> None:
        if not killed:
            killed.append(child.pid)
            os.kill(child.pid, signal.SIGKILL)

    double.after_effect = kill
    account = an_account(double)
    where = [str(file), double.base_url, account.api_key, account.merchant_account]
    child = subprocess.Popen(
        [
            *(sys.executable, "-c", CHILD, operation, str(amount.minor)),
            *(*where, account.hmac_keys[0], NAME, psp),
        ]
    )
    return child


def _again(file: Path, double: AdyenDouble, psp: str, operation: str) -> OperationResult:
    """Be the process that takes over; it remembers the key only of what may be made twice."""
    with SqliteDatabase(file) as database:
        payments = _payments(database, double)
        ref = PaymentRef(TENANT, psp)
        match operation:
            case "capture":
                return payments.capture(Capture(ref, AMOUNT, "op-1", "key-2"))
            case "cancel":
                return payments.cancel(Cancel(ref, ORDER, "op-1", "key-1"))
            case _:
                return payments.refund(Refund(ref, AMOUNT, "op-1", "key-2"))


def _hear(file: Path, double: AdyenDouble, psp: str) -> OperationResult:
    """Receive everything that there is to notify; tell how the operation stands then."""
    with SqliteDatabase(file) as database:
        payments = _payments(database, double)
        events = payments.parse_webhook(TENANT, HEADERS, double.notification(psp))
        SqliteInbox(database, SystemClock()).store(NAME, events, at=SystemClock().now())
        found = payments.find_operation(PaymentRef(TENANT, psp), "op-1")
        return found or OperationResult(OperationStatus.REJECTED, reason="never_sent")


def _payments(
    database: SqliteDatabase, double: AdyenDouble, *, in_parts: bool = False
) -> AdyenPayments:
    clock = SystemClock()
    inbox = SqliteInbox(database, clock)
    return AdyenPayments(an_account(double), inbox, clock, NAME, captures_in_parts=in_parts)
