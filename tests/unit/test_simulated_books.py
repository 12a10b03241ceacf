"""What the simulated provider remembers, for how long, and what it tells an auditor."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from attrs import frozen

from oms_adapters.payments.simulated import (
    Fault,
    Ledger,
    MemoryLedger,
    Operation,
    SimulatedPayments,
    SqliteLedger,
)
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_adapters.sqlite import SqliteDatabase
from oms_core.domain.money import MINOR_UNITS_MAX, Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    IdempotencyMismatch,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
)
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    OperationStatus,
    PaymentRef,
    PaymentSnapshot,
    Refund,
)
from oms_core.testing import SimulatedClock
from oms_core.testing.at_once import at_once
from tests.support import mongo_server

TENANT = UUID("7e4a0000-0000-4000-8000-000000000001")
OTHER_TENANT = UUID("7e4a0000-0000-4000-8000-000000000002")
ORDER = UUID("0de50000-0000-4000-8000-000000000001")
OTHER_ORDER = UUID("0de50000-0000-4000-8000-000000000002")
CARD = PaymentRef(TENANT, "crunchy-card")
TOTAL = Money.of("100.00", "USD")
DAY_S = 86_400


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with SqliteDatabase(tmp_path / "oms.db") as opened:
        yield opened


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    match request.param:
        case "memory":
            yield MemoryLedger()
        case "sqlite":
            yield SqliteLedger(request.getfixturevalue("database"))
        case _:
            with mongo_server.emptied_database() as database:
                yield MongoLedger(database)


@pytest.fixture
def payments(ledger: Ledger, clock: SimulatedClock) -> SimulatedPayments:
    return SimulatedPayments(ledger, clock)


def authorize(
    payments: SimulatedPayments,
    ref: PaymentRef = CARD,
    *,
    key: str = "authorize-1",
    order: UUID = ORDER,
    amount: Money = TOTAL,
) -> PaymentSnapshot:
    return payments.authorize(Authorize(ref, amount, order, key))


def test_the_books_add_up_over_a_whole_life(payments: SimulatedPayments) -> None:
    authorize(payments)
    payments.capture(Capture(CARD, Money.of("40.00", "USD"), "ship-1", "c1", final=False))
    payments.capture(Capture(CARD, Money.of("35.00", "USD"), "ship-2", "c2"))
    payments.refund(Refund(CARD, Money.of("10.00", "USD"), "return-1", "r1"))
    payments.refund(Refund(CARD, Money.of("10.00", "USD"), "return-1", "r2"))
    payments.refund(Refund(CARD, Money.of("10.00", "USD"), "return-2", "r3"))

    (row,) = payments.audit()

    assert row.as_document() == {
        "tenant_id": str(TENANT),
        "reference": "crunchy-card",
        "order_id": str(ORDER),
        "state": "captured",
        "currency": "USD",
        "authorized": "100.00",
        "captured": "75.00",
        "voided": "25.00",
        "refunded": "20.00",
        "authorizations": 1,
        "live_authorizations": 0,
        "operations": [
            {"operation": "authorize", "operation_id": None, "keys": 1, "effects": 1},
            {"operation": "capture", "operation_id": "ship-1", "keys": 1, "effects": 1},
            {"operation": "capture", "operation_id": "ship-2", "keys": 1, "effects": 1},
            {"operation": "refund", "operation_id": "return-1", "keys": 2, "effects": 1},
            {"operation": "refund", "operation_id": "return-2", "keys": 1, "effects": 1},
        ],
    }
    assert json.loads(json.dumps(row.as_document())) == row.as_document()


def test_keys_are_counted_whether_or_not_they_had_an_effect(payments: SimulatedPayments) -> None:
    ref = PaymentRef(TENANT, "sim_rate_limited")
    for key in ("a", "a", "b"):
        with pytest.raises(Exception, match="rate_limited"):
            authorize(payments, ref, key=key)
    authorize(payments, ref, key="c")

    (row,) = payments.audit()

    assert [(one.keys, one.effects) for one in row.operations] == [(3, 1)]


def test_each_order_has_a_row_of_its_own(payments: SimulatedPayments) -> None:
    authorize(payments, order=ORDER)
    told = authorize(payments, order=OTHER_ORDER, key="other")

    first, second = payments.audit()

    assert told.order_id == ORDER
    assert (first.order_id, first.authorized, first.live_authorizations) == (ORDER, TOTAL, 1)
    assert (second.order_id, second.authorized.minor, second.authorizations) == (OTHER_ORDER, 0, 0)
    assert [one.effects for one in second.operations] == [0]


def test_an_order_that_cancelled_anothers_payment_never_gets_it(
    payments: SimulatedPayments,
) -> None:
    ref = PaymentRef(TENANT, "sim_declined_once")
    authorize(payments, ref, order=ORDER)
    result = payments.cancel(Cancel(ref, OTHER_ORDER, "undo-other", "x"))
    payments.give_another_card(ref)

    late = authorize(payments, ref, order=OTHER_ORDER, key="late")

    assert (result.status, result.reason) == (OperationStatus.DONE, "held_for_another_order")
    assert late.state is PaymentState.CANCELLED
    assert authorize(payments, ref, order=ORDER, key="again").state is PaymentState.AUTHORIZED


def test_a_hold_lapses_after_seven_days_without_anybody_looking(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    authorize(payments)

    clock.advance(7 * DAY_S - 1)
    assert payments.audit()[0].live_authorizations == 1
    clock.advance(1)

    (row,) = payments.audit()
    assert (row.state, row.voided, row.live_authorizations) == (PaymentState.EXPIRED, TOTAL, 0)


def test_a_pending_capture_of_a_hold_that_lapses_is_rejected(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    ref = PaymentRef(TENANT, "sim_asynchronous")
    authorize(payments, ref)
    clock.advance(7 * DAY_S - 1)
    payments.capture(Capture(ref, TOTAL, "ship-1", "c1"))

    clock.advance(10)

    found = payments.find_operation(ref, "ship-1")
    assert found is not None
    assert (found.status, found.reason) == (OperationStatus.REJECTED, "hold_expired")
    assert payments.lookup(ref).state is PaymentState.EXPIRED


def test_repeating_a_pending_void_does_not_put_it_off(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    ref = PaymentRef(TENANT, "sim_asynchronous")
    authorize(payments, ref)

    for _ in range(5):
        result = payments.cancel(Cancel(ref, ORDER, "undo-1", "v1"))
        assert result.status is OperationStatus.PENDING
        clock.advance(1)

    assert payments.cancel(Cancel(ref, ORDER, "undo-1", "v1")).status is OperationStatus.DONE
    assert payments.lookup(ref).state is PaymentState.CANCELLED


def test_it_does_not_matter_who_looks_in_between(clock: SimulatedClock) -> None:
    """Time works when it is due, not when somebody asks."""
    watched, unwatched = (SimulatedPayments(MemoryLedger(), clock) for _ in range(2))
    ref = PaymentRef(TENANT, "sim_requires_action_completes")
    for payments in (watched, unwatched):
        authorize(payments, ref)
    for _ in range(20):
        clock.advance(1)
        watched.lookup(ref)
        authorize(watched, ref)

    assert watched.lookup(ref) == unwatched.lookup(ref)


def test_a_key_with_other_parameters_is_refused(payments: SimulatedPayments) -> None:
    authorize(payments)

    with pytest.raises(IdempotencyMismatch):
        authorize(payments, amount=Money.of("100.01", "USD"))
    with pytest.raises(IdempotencyMismatch):
        authorize(payments, order=OTHER_ORDER)
    with pytest.raises(IdempotencyMismatch):
        authorize(payments, PaymentRef(TENANT, "another-card"))
    with pytest.raises(IdempotencyMismatch):
        payments.cancel(Cancel(CARD, ORDER, "undo-1", "authorize-1"))
    assert payments.lookup(CARD).state is PaymentState.AUTHORIZED


def test_an_operation_with_another_amount_is_refused(payments: SimulatedPayments) -> None:
    authorize(payments)
    payments.capture(Capture(CARD, TOTAL, "ship-1", "c1"))
    payments.refund(Refund(CARD, Money(1, "USD"), "return-1", "r1"))

    with pytest.raises(IdempotencyMismatch):
        payments.capture(Capture(CARD, Money(1, "USD"), "ship-1", "c2"))
    with pytest.raises(IdempotencyMismatch):
        payments.refund(Refund(CARD, Money(2, "USD"), "return-1", "r2"))


def test_a_key_is_forgotten_in_time(payments: SimulatedPayments, clock: SimulatedClock) -> None:
    authorize(payments)
    other = PaymentRef(TENANT, "another-card")

    clock.advance(DAY_S - 1)
    with pytest.raises(IdempotencyMismatch):
        authorize(payments, other)
    clock.advance(1)

    assert authorize(payments, other).state is PaymentState.AUTHORIZED
    with pytest.raises(IdempotencyMismatch):
        authorize(payments, PaymentRef(TENANT, "a-third-card"))
    with pytest.raises(IdempotencyMismatch):
        authorize(payments)
    assert authorize(payments, other).state is PaymentState.AUTHORIZED


def test_a_key_of_another_payment_is_refused_before_anything_else_is(
    payments: SimulatedPayments,
) -> None:
    """The mistake is the key, not that nothing is held which could be taken."""
    authorize(payments)
    unheld = PaymentRef(TENANT, "another-card")

    with pytest.raises(IdempotencyMismatch):
        payments.capture(Capture(unheld, TOTAL, "ship-1", "authorize-1"))
    with pytest.raises(InvalidState):
        payments.capture(Capture(unheld, TOTAL, "ship-1", "c1"))

    told = {row.reference: [one.effects for one in row.operations] for row in payments.audit()}
    assert told == {"another-card": [0], "crunchy-card": [1]}


def test_a_key_of_another_payment_may_get_the_error_that_sticks_to_it(
    payments: SimulatedPayments,
) -> None:
    authorize(payments)
    ref = PaymentRef(TENANT, "sim_error_replayed")

    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            authorize(payments, ref)

    with pytest.raises(IdempotencyMismatch):
        authorize(payments)
    assert [(row.reference, row.authorizations) for row in payments.audit()] == [
        ("crunchy-card", 1),
        ("sim_error_replayed", 0),
    ]


def test_threads_that_want_one_payment_hold_it_once(payments: SimulatedPayments) -> None:
    orders = [uuid4() for _ in range(12)]

    told = at_once(
        lambda number: authorize(payments, key=str(number), order=orders[number]).order_id,
        range(12),
    )

    rows = payments.audit()
    assert set(told) < set(orders)
    assert len(set(told)) == 1
    assert {row.order_id for row in rows} == set(orders)
    assert sum(row.authorizations for row in rows) == 1
    assert [one.keys for row in rows for one in row.operations] == [1] * 12
    assert sum(one.effects for row in rows for one in row.operations) == 1


def test_threads_that_send_one_key_for_many_payments_hold_one(payments: SimulatedPayments) -> None:
    def hold(number: int) -> str:
        try:
            return authorize(payments, PaymentRef(TENANT, f"card-{number}"), key="same").state
        except IdempotencyMismatch as error:
            return error.code

    told = at_once(hold, range(12))

    rows = payments.audit()
    assert Counter(told) == {PaymentState.AUTHORIZED: 1, IdempotencyMismatch.code: 11}
    assert len(rows) == 12
    assert sum(row.authorizations for row in rows) == 1


def test_threads_that_send_the_same_call_get_the_same_answer(payments: SimulatedPayments) -> None:
    told = at_once(lambda _: authorize(payments), range(12))

    (row,) = payments.audit()
    assert told == [told[0]] * 12
    assert [(one.keys, one.effects) for one in row.operations] == [(1, 1)]


def test_a_replayed_error_is_forgotten_with_its_key(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    ref = PaymentRef(TENANT, "sim_error_replayed")
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            authorize(payments, ref)

    clock.advance(DAY_S)

    assert authorize(payments, ref).state is PaymentState.AUTHORIZED


def test_a_cached_decline_is_forgotten_with_its_key(
    payments: SimulatedPayments, clock: SimulatedClock
) -> None:
    ref = PaymentRef(TENANT, "sim_declined_once")
    authorize(payments, ref)
    payments.give_another_card(ref)
    assert authorize(payments, ref).state is PaymentState.DECLINED

    clock.advance(DAY_S)

    assert authorize(payments, ref).state is PaymentState.AUTHORIZED


def test_tenants_do_not_meet(payments: SimulatedPayments) -> None:
    theirs = PaymentRef(OTHER_TENANT, CARD.reference)
    authorize(payments, CARD, amount=TOTAL)

    assert payments.lookup(theirs).state is PaymentState.CONFIRMABLE
    assert authorize(payments, theirs, amount=Money(1, "JPY")).authorized == Money(1, "JPY")
    assert [row.authorized for row in payments.audit(TENANT)] == [TOTAL]
    assert [row.tenant_id for row in payments.audit()] == [TENANT, OTHER_TENANT]


def test_accounts_do_not_meet(ledger: Ledger, clock: SimulatedClock) -> None:
    europe = SimulatedPayments(ledger, clock, "europe")
    america = SimulatedPayments(ledger, clock, "america")

    authorize(europe)

    assert america.lookup(CARD).state is PaymentState.CONFIRMABLE
    assert america.audit() == ()
    assert authorize(america, amount=Money(7, "USD")).authorized == Money(7, "USD")


@pytest.mark.parametrize("minor", [0, -1, MINOR_UNITS_MAX + 1, 2**70])
def test_an_amount_out_of_range_is_refused(payments: SimulatedPayments, minor: int) -> None:
    amount = Money(minor, "USD")

    for call in (
        lambda: authorize(payments, amount=amount),
        lambda: payments.capture(Capture(CARD, amount, "ship-1", "c1")),
        lambda: payments.refund(Refund(CARD, amount, "return-1", "r1")),
    ):
        with pytest.raises(InvalidRequest):
            call()
    assert payments.audit() == ()


@pytest.mark.parametrize("text", ["", "x" * 1_021, "\ud800"])
def test_names_that_nobody_can_write_down_are_refused(
    payments: SimulatedPayments, text: str
) -> None:
    unwritable = PaymentRef(TENANT, text)

    with pytest.raises(InvalidRequest):
        authorize(payments, unwritable)
    with pytest.raises(InvalidRequest):
        payments.lookup(unwritable)
    with pytest.raises(InvalidRequest):
        authorize(payments, key=text)


@pytest.mark.parametrize("text", ["x" * 255, "ключ", "a\0b", "'; DROP TABLE orders; --", " "])
def test_names_that_can_be_written_down_are_kept_as_they_are(
    payments: SimulatedPayments, text: str
) -> None:
    authorize(payments, PaymentRef(TENANT, text), key=text)

    assert [row.reference for row in payments.audit()] == [text]


def test_another_currency_is_refused(payments: SimulatedPayments) -> None:
    authorize(payments)

    with pytest.raises(InvalidRequest):
        payments.capture(Capture(CARD, Money(1, "EUR"), "ship-1", "c1"))
    payments.capture(Capture(CARD, TOTAL, "ship-1", "c1"))
    with pytest.raises(InvalidRequest):
        payments.refund(Refund(CARD, Money(1, "EUR"), "return-1", "r1"))


def test_a_customer_can_act_only_when_asked(payments: SimulatedPayments) -> None:
    for act in (payments.complete_action, payments.fail_action, payments.give_another_card):
        with pytest.raises(InvalidState):
            act(CARD)
    ref = PaymentRef(TENANT, "sim_requires_action")
    authorize(payments, ref)

    declined = payments.fail_action(ref)

    assert (declined.state, declined.reason) == (PaymentState.DECLINED, "authentication_failed")


def test_planned_faults_come_one_after_the_other(payments: SimulatedPayments) -> None:
    for reason in ("first", "second"):
        fault = Fault((Operation.AUTHORIZE,), OutcomeUnknown.code, reason)
        payments.plan(CARD, fault)

    for reason in ("first", "second"):
        with pytest.raises(OutcomeUnknown, match=reason):
            authorize(payments)
    assert authorize(payments).state is PaymentState.AUTHORIZED


def test_books_in_sqlite_outlive_the_process(tmp_path: Path, clock: SimulatedClock) -> None:
    path = tmp_path / "oms.db"
    waiting = PaymentRef(TENANT, "sim_refund_pending")
    with SqliteDatabase(path) as database:
        payments = SimulatedPayments(SqliteLedger(database), clock)
        payments.plan(CARD, Fault((Operation.CANCEL,), OutcomeUnknown.code, "planned"))
        authorize(payments)
        authorize(payments, waiting, key="w")
        payments.capture(Capture(waiting, TOTAL, "ship-1", "c1"))
        payments.refund(Refund(waiting, TOTAL, "return-1", "r1"))
        seen = (payments.lookup(CARD), payments.lookup(waiting), payments.audit())

    with SqliteDatabase(path) as database:
        payments = SimulatedPayments(SqliteLedger(database), clock)

        assert (payments.lookup(CARD), payments.lookup(waiting), payments.audit()) == seen
        with pytest.raises(OutcomeUnknown, match="planned"):
            payments.cancel(Cancel(CARD, ORDER, "undo-1", "v1"))
        with pytest.raises(IdempotencyMismatch):
            authorize(payments, amount=Money(1, "USD"))
        clock.advance(10)
        assert payments.lookup(waiting).refunded == TOTAL


def test_an_effect_is_never_without_its_key(
    database: SqliteDatabase, clock: SimulatedClock
) -> None:
    """Otherwise a repeat of the key would not be known for one."""
    payments = SimulatedPayments(SqliteLedger(database), clock)
    database.write(
        lambda connection: connection.execute(
            "CREATE TRIGGER no_keys BEFORE INSERT ON simulated_payment_keys "
            "BEGIN SELECT RAISE(ABORT, 'no more keys'); END"
        ).close()
    )

    with pytest.raises(OutcomeUnknown):
        authorize(payments)

    assert payments.lookup(CARD).state is PaymentState.CONFIRMABLE
    assert payments.audit() == ()


def test_a_ledger_that_is_gone_leaves_the_outcome_unknown(
    tmp_path: Path, clock: SimulatedClock
) -> None:
    database = SqliteDatabase(tmp_path / "oms.db")
    payments = SimulatedPayments(SqliteLedger(database), clock)
    database.close()

    with pytest.raises(OutcomeUnknown, match="ledger_StoreUnavailable"):
        authorize(payments)
    with pytest.raises(OutcomeUnknown, match="ledger_StoreUnavailable"):
        payments.lookup(CARD)


def test_a_probe_reads_the_books(database: SqliteDatabase, clock: SimulatedClock) -> None:
    payments = SimulatedPayments(SqliteLedger(database), clock)
    payments.probe()
    database.write(lambda connection: connection.execute("DROP TABLE simulated_payments").close())

    with pytest.raises(OutcomeUnknown, match="ledger_"):
        payments.probe()


OPENED_SQLITE = """
import sys
from oms_adapters.payments.simulated import SqliteLedger
from oms_adapters.sqlite import SqliteDatabase

order, path = sys.argv[1:]
database = SqliteDatabase(path, busy_timeout_s=60)
ledger = SqliteLedger(database)
"""

OPENED_MONGODB = """
import sys
from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger

order, uri, name = sys.argv[1:]
database = MongoDatabase(uri, name)
ledger = MongoLedger(database)
"""

RIVAL = """
from uuid import UUID, uuid4
from oms_adapters.payments.simulated import SimulatedPayments
from oms_core.domain.money import Money
from oms_core.errors import IdempotencyMismatch
from oms_core.ports.payments import Authorize, PaymentRef

payments, order = SimulatedPayments(ledger), UUID(order)
tenant = UUID("7e4a0000-0000-4000-8000-000000000001")
print("ready", flush=True)
sys.stdin.readline()
for number in range(40):
    ref = PaymentRef(tenant, f"card-{number}")
    payments.authorize(Authorize(ref, Money(100, "USD"), order, str(uuid4())))
for number in range(40):
    own = PaymentRef(tenant, f"card-{number}-of-{order}")
    try:
        payments.authorize(Authorize(own, Money(100, "USD"), order, f"same-{number}"))
    except IdempotencyMismatch:
        pass
database.close()
"""


@frozen
class Shared:
    """Books that processes may share, as this one sees them, and how others open them."""

    ledger: Ledger
    opened: str
    where: tuple[str, ...]


@pytest.fixture(params=["sqlite", "mongodb"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    if request.param == "sqlite":
        with SqliteDatabase(tmp_path / "oms.db") as file:
            yield Shared(SqliteLedger(file), OPENED_SQLITE, (str(file.path),))
    else:
        with mongo_server.emptied_database() as database:
            where = (mongo_server.uri(), database.name)
            yield Shared(MongoLedger(database), OPENED_MONGODB, where)


def test_two_processes_hold_each_payment_once_and_each_key_is_of_one(shared: Shared) -> None:
    rivals = [
        subprocess.Popen(
            [sys.executable, "-c", shared.opened + RIVAL, str(uuid4()), *shared.where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for rival in rivals:
        assert rival.stdout is not None
        assert rival.stdout.readline() == "ready\n"

    for rival in rivals:
        assert rival.stdin is not None
        rival.stdin.write("go\n")
        rival.stdin.flush()
    for rival in rivals:
        rival.communicate(timeout=120)

    assert [rival.returncode for rival in rivals] == [0, 0]
    audited = SimulatedPayments(shared.ledger).audit()
    for keyed in (False, True):
        rows = [row for row in audited if keyed == ("-of-" in row.reference)]
        assert len(rows) == 80
        assert sum(row.authorizations for row in rows) == 40
        assert sum(one.effects for row in rows for one in row.operations) == 40
