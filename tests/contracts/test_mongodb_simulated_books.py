"""A payment is one document: what happens to keys that move, and at whatever moment we die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from attrs import frozen

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import SimulatedPayments
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger, name_of
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    IdempotencyMismatch,
    OutcomeUnknown,
    PaymentTrouble,
    RetryableNotExecuted,
    StoreUnavailable,
    StoreUnusable,
)
from oms_core.ports.payments import Authorize, Cancel, Capture, PaymentRef
from oms_core.testing import SimulatedClock
from oms_core.testing.refusal import refusal
from tests.support import mongo_server
from tests.support.lossy_wire import Loses, LossyWire, side_by_side, with_patience

TENANT = UUID("7e4a0000-0000-4000-8000-000000000001")
ORDER = UUID("0de50000-0000-4000-8000-000000000001")
CARD, OTHER_CARD = PaymentRef(TENANT, "crunchy-card"), PaymentRef(TENANT, "wobbly-card")
TOTAL = Money.of("19.99", "USD")
DAY_S = 86_400
HOLD = Authorize(CARD, TOTAL, ORDER, "one key")
SAME_KEY = Authorize(OTHER_CARD, TOTAL, ORDER, HOLD.key)
DYING = (OutcomeUnknown, StoreUnavailable, StoreUnusable)
"""What the dying process is told: on the way, or while it opens the database."""


@pytest.fixture
def database() -> Iterator[MongoDatabase]:
    with mongo_server.emptied_database() as database:
        MongoLedger(database)
        yield database


def effects_in(payments: SimulatedPayments) -> Counter[str]:
    """Count what was done to each payment."""
    effects: Counter[str] = Counter()
    for row in payments.audit():
        effects[row.reference] += sum(one.effects for one in row.operations)
    return effects


def a_key_to_be_taken_over(database: MongoDatabase, clock: SimulatedClock) -> None:
    """Let one payment have a key that the provider has forgotten by now."""
    SimulatedPayments(MongoLedger(database), clock).authorize(HOLD)
    clock.advance(DAY_S)


def test_a_refusal_whose_answer_was_lost_is_not_taken_for_another_call() -> None:
    """It is entered without a key, so nothing but the mark of the write tells."""
    ref = PaymentRef(TENANT, "sim_rate_limited")
    command = Authorize(ref, TOTAL, ORDER, "key")

    def over_a_wire(patience_ms: int) -> tuple[PaymentState, Counter[str], Counter[str]]:
        wire = LossyWire(mongo_server.uri(), Loses.ANSWERS, times=2, patience_ms=patience_ms)
        with (
            mongo_server.new_database() as whole,
            wire,
            MongoDatabase(wire.uri, whole.name) as mine,
        ):
            payments = SimulatedPayments(MongoLedger(mine), SimulatedClock())
            for _ in range(3):
                refusal(RetryableNotExecuted, lambda: payments.authorize(command))
            return payments.authorize(command).state, effects_in(payments), wire.lost

    state, effects, lost = with_patience(over_a_wire)

    assert state is PaymentState.AUTHORIZED
    assert effects == Counter({ref.reference: 1})
    # Twice each: the insert of the first refusal, the updates of two more and of the hold.
    assert (lost["insert"], lost["update"] >= 2 * 3) == (2, True)


def test_a_payment_of_the_earlier_layout_is_known_and_its_holds_are_not_made_again(
    database: MongoDatabase,
) -> None:
    """There the keys stood elsewhere, and a payment had no version."""
    payments = SimulatedPayments(MongoLedger(database), SimulatedClock())
    payments.authorize(HOLD)
    stored = mongo_server.client()[database.name].simulated_payments
    stored.update_one({}, {"$unset": {"keys": 1, "version": 1, "saved_by": 1}})
    before = payments.audit()

    told = payments.authorize(HOLD)
    payments.capture(Capture(CARD, TOTAL, "shipment", "c1"))

    assert told.state is PaymentState.AUTHORIZED
    assert [row.authorizations for row in before] == [1]
    assert effects_in(payments) == {CARD.reference: 2}
    assert [each["version"] for each in stored.find()] == [2]
    refusal(IdempotencyMismatch, lambda: payments.authorize(SAME_KEY))


def test_an_audit_is_as_of_one_moment_however_many_payments_there_are(
    database: MongoDatabase,
) -> None:
    payments = SimulatedPayments(MongoLedger(database), SimulatedClock())
    cards = [PaymentRef(TENANT, f"card-{number:03}") for number in range(110)]
    for number, card in enumerate(cards):
        payments.authorize(Authorize(card, TOTAL, ORDER, f"key-{number}"))
    before = payments.audit()

    def come_between(command: dict[str, Any]) -> None:
        if "getMore" in command:
            payments.capture(Capture(cards[-1], TOTAL, "shipment", "late"))
            payments.authorize(Authorize(PaymentRef(TENANT, "zz-top"), TOTAL, ORDER, "later"))

    wire = LossyWire(mongo_server.uri(), before=come_between)
    with wire, MongoDatabase(wire.uri, database.name) as mine:
        audited = SimulatedPayments(MongoLedger(mine), SimulatedClock()).audit()

    assert audited == before
    assert len(payments.audit()) == len(before) + 1


def take_over_and_die(
    database: MongoDatabase, clock: SimulatedClock, cut_after: int | None
) -> tuple[bool, int]:
    """Take a key over on a wire that ends after so many answers; tell whether, and of how many."""
    a_key_to_be_taken_over(database, clock)
    with LossyWire(mongo_server.uri(), cut_after=cut_after) as wire:
        uri = wire.uri + "&serverSelectionTimeoutMS=2000"
        with suppress(*DYING), MongoDatabase(uri, database.name) as mine:
            SimulatedPayments(MongoLedger(mine), clock).authorize(SAME_KEY)
        return wire.is_cut, wire.answered


def test_whoever_dies_while_a_key_goes_to_another_payment_leaves_it_to_the_next() -> None:
    with mongo_server.new_database() as whole:
        _, answers = take_over_and_die(whole, SimulatedClock(), None)

    def die_after(command: int) -> tuple[bool, object]:
        clock = SimulatedClock()
        with mongo_server.new_database() as whole:
            died, _ = take_over_and_die(whole, clock, command)
            heir = SimulatedPayments(MongoLedger(whole), clock)
            told = heir.authorize(SAME_KEY).state
            mismatch = refusal(IdempotencyMismatch, lambda: heir.authorize(HOLD))
            return died, (told, mismatch.code, effects_in(heir))

    # The first answers belong to opening the database; those of the call come last.
    deaths = side_by_side(die_after, range(answers - 7, answers + 1))

    effects = Counter({CARD.reference: 1, OTHER_CARD.reference: 1})
    assert [left for _, left in deaths] == [
        (PaymentState.AUTHORIZED, IdempotencyMismatch.code, effects)
    ] * 8
    # How many answers it takes to open a database varies with the load, by one or two.
    assert sum(died for died, _ in deaths) >= 5


@frozen
class Rival:
    """Somebody who comes between, and what the slower one is told then."""

    does: Callable[[SimulatedPayments], object]
    told: str
    effects: Counter[str]


THIRD_CARD = PaymentRef(TENANT, "third-card")
RIVALS = {
    "the payment that had the key uses it again": Rival(
        lambda payments: payments.authorize(HOLD),
        IdempotencyMismatch.code,
        Counter({CARD.reference: 1}),
    ),
    "the payment that had the key is changed under another": Rival(
        lambda payments: payments.cancel(Cancel(CARD, ORDER, "void", "another key")),
        PaymentState.AUTHORIZED,
        Counter({CARD.reference: 2, OTHER_CARD.reference: 1}),
    ),
    "the same call is made": Rival(
        lambda payments: payments.authorize(SAME_KEY),
        PaymentState.AUTHORIZED,
        Counter({CARD.reference: 1, OTHER_CARD.reference: 1}),
    ),
    "a third payment gets the key": Rival(
        lambda payments: payments.authorize(Authorize(THIRD_CARD, TOTAL, ORDER, HOLD.key)),
        IdempotencyMismatch.code,
        Counter({CARD.reference: 1, THIRD_CARD.reference: 1}),
    ),
}
STEPS = ["believed new", "looked up", "let go", "entered"]


def step_of(commands: list[dict[str, Any]]) -> str | None:
    """Tell what the last of *commands* does with the key that is taken over."""
    is_let_go = ["update" in each and "$pull" in each["updates"][0]["u"] for each in commands]
    last = commands[-1]
    if is_let_go[-1]:
        return "let go"
    if "insert" in last:
        return "entered" if any(is_let_go) else "believed new"
    return "looked up" if "find" in last and "keys.name" in last["filter"] else None


def told_when_a_rival_comes(
    database: MongoDatabase,
    clock: SimulatedClock,
    command: Authorize,
    *,
    step: str,
    rival: Callable[[SimulatedPayments], object],
) -> str:
    """Let *rival* act before the given step of *command*; tell the state, or the trouble's code."""
    came: list[str] = []

    def come_between(_: dict[str, Any]) -> None:
        if not came and step_of(wire.sent) == step:
            came.append(step)
            rival(SimulatedPayments(MongoLedger(database), clock))

    wire = LossyWire(mongo_server.uri(), before=come_between)
    with wire, MongoDatabase(wire.uri, database.name) as mine:
        told = answer_of(SimulatedPayments(MongoLedger(mine), clock), command)
    assert came == [step]
    return told


def answer_of(payments: SimulatedPayments, command: Authorize) -> str:
    try:
        return payments.authorize(command).state
    except PaymentTrouble as trouble:
        return trouble.code


@pytest.mark.parametrize(("name", "step"), list(product(RIVALS, STEPS)))
def test_a_key_is_never_of_two_payments_whoever_comes_between(
    database: MongoDatabase, name: str, step: str
) -> None:
    clock, rival = SimulatedClock(), RIVALS[name]
    a_key_to_be_taken_over(database, clock)

    told = told_when_a_rival_comes(database, clock, SAME_KEY, step=step, rival=rival.does)

    there = mongo_server.client()[database.name].simulated_payments.find()
    names = [key["name"] for each in there for key in each["keys"]]
    assert told == rival.told
    assert effects_in(SimulatedPayments(MongoLedger(database), clock)) == rival.effects
    assert names.count(bytes(name_of("simulated", TENANT, HOLD.key))) == 1


@pytest.mark.parametrize("step", STEPS)
def test_an_error_that_sticks_to_a_key_sticks_to_it_whoever_else_gets_it(
    database: MongoDatabase, step: str
) -> None:
    """The key that a payment has by now is not let go of as if it were another's."""
    clock = SimulatedClock()
    a_key_to_be_taken_over(database, clock)
    failing = Authorize(PaymentRef(TENANT, "sim_error_replayed"), TOTAL, ORDER, HOLD.key)

    told = told_when_a_rival_comes(
        database, clock, failing, step=step, rival=lambda payments: answer_of(payments, failing)
    )

    again = answer_of(SimulatedPayments(MongoLedger(database), clock), failing)
    assert [told, again] == [OutcomeUnknown.code] * 2
