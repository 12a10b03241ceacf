"""A process that is killed in the middle of a payment leaves it so that the next one ends it."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import SimulatedPayments
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_core.domain.money import Money
from tests.support import mongo_server

if TYPE_CHECKING:
    from collections.abc import Iterator

TOTAL: Final = Money.of("19.99", "USD")
KILLS: Final = 5

PAYING = """
import sys
from uuid import UUID
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import SimulatedPayments
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_core.domain.money import Money
from oms_core.ports.payments import Authorize, Capture, PaymentRef

uri, name, first, end = sys.argv[1:]
order, total = UUID(int=1), Money.of("19.99", "USD")
with MongoDatabase(uri, name) as database:
    payments = SimulatedPayments(MongoLedger(database))
    for number in range(int(first), int(end)):
        card = PaymentRef(UUID(int=2), f"card-{number}")
        payments.authorize(Authorize(card, total, order, f"hold-{number}"))
        payments.capture(Capture(card, total, "shipment", f"take-{number}"))
        print(number, flush=True)
"""
"""Holds and takes the money of some cards, always under the same keys."""


@pytest.fixture
def database() -> Iterator[MongoDatabase]:
    with mongo_server.new_database() as database:
        yield database


def paying(database: MongoDatabase, first: int, end: int) -> subprocess.Popen[str]:
    """Start a process that pays with the cards from *first* up to *end*, and tells of each."""
    arguments = [mongo_server.uri(), database.name, str(first), str(end)]
    return subprocess.Popen(
        [sys.executable, "-c", PAYING, *arguments], stdout=subprocess.PIPE, text=True
    )


def killed_after(count: int, victim: subprocess.Popen[str]) -> list[int]:
    """Kill a process that has told of so many cards; return all that it told of."""
    with victim:
        assert victim.stdout is not None
        try:
            lines = [victim.stdout.readline() for _ in range(count)]
        finally:
            victim.kill()
        return [int(line) for line in lines + victim.stdout.readlines()]


def test_a_payment_whose_process_was_killed_is_ended_by_the_next_with_one_effect_each(
    database: MongoDatabase,
) -> None:
    chance = random.Random(KILLS)
    payments = SimulatedPayments(MongoLedger(database))
    first = 0

    for _ in range(KILLS):
        told = killed_after(chance.randint(1, 20), paying(database, first, 10_000))
        taken = {row.reference for row in payments.audit() if row.captured == TOTAL}
        assert {f"card-{number}" for number in told} <= taken
        first = told[-1] + 1
    heir = paying(database, 0, first + 1)
    heir.communicate(timeout=60)

    rows = payments.audit()
    assert heir.returncode == 0
    assert len(rows) == first + 1 > KILLS
    for row in rows:
        assert (row.authorizations, row.captured) == (1, TOTAL)
        assert [(one.keys, one.effects) for one in row.operations] == [(1, 1), (1, 1)]
