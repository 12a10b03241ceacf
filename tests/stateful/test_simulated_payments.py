"""The simulated provider in memory, in SQLite, in MongoDB and on paper comes to the same sums."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oms_adapters.mongodb import MongoDatabase
from oms_adapters.payments.simulated import (
    Fault,
    MemoryLedger,
    Operation,
    SimulatedPayments,
    SqliteLedger,
)
from oms_adapters.payments.simulated.mongo_ledger import MongoLedger
from oms_adapters.sqlite import SqliteDatabase
from oms_core.domain.money import Money
from oms_core.errors import OutcomeUnknown, PaymentTrouble, RetryableNotExecuted
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    OperationResult,
    PaymentRef,
    PaymentSnapshot,
    Refund,
)
from oms_core.testing import SimulatedClock
from tests.support import mongo_server

TENANT = UUID("7e4a0000-0000-4000-8000-000000000001")
ORDERS = [UUID(f"0de50000-0000-4000-8000-00000000000{n}") for n in (1, 2)]
VOIDABLE = ["good_card_1", "sim_wrong_amount"]
"""The others are never cancelled, or most lives would be short."""
REFERENCES = [*VOIDABLE, "good_card_2", "good_card_3", "sim_captured"]
DAY_S = 86_400

references = st.sampled_from(REFERENCES)
orders = st.sampled_from(ORDERS)
amounts = st.integers(1, 12)
totals = st.integers(15, 40)
operation_ids = st.sampled_from(["one", "two", "three", "four"])
keys = st.integers(0, 40).map(str)


@define
class Paper:
    """One payment, as simply as it can be written down."""

    owner: UUID | None = None
    state: str = "confirmable"
    held_at_s: float = 0
    authorized: int = 0
    captured: int = 0
    voided: int = 0
    refunded: int = 0
    done: dict[tuple[str, str], object] = field(factory=dict)
    barred: set[UUID] = field(factory=set)
    faults: list[tuple[str, bool]] = field(factory=list)
    effects: int = 0

    @property
    def open(self) -> int:
        return self.authorized - self.captured - self.voided

    def authorize(self, reference: str, order: UUID, amount: int, now_s: float) -> str:
        if self.state != "confirmable":
            return self.state
        if order in self.barred:
            return "cancelled"
        self.owner, self.held_at_s, self.state = order, now_s, "authorized"
        self.authorized = amount + (reference == "sim_wrong_amount")
        self.effects += 1
        if reference == "sim_captured":
            self.captured, self.state = amount, "captured"
        return self.state

    def capture(self, operation_id: str, amount: int, *, final: bool) -> str:
        known = self.done.get(("capture", operation_id))
        if known:
            return "done" if known == (amount, final) else "IdempotencyMismatch"
        if amount > self.open:
            return "InvalidState"
        self.done["capture", operation_id] = (amount, final)
        self.captured += amount
        if final:
            self.voided += self.open
        self.state = "partially_captured" if self.open else "captured"
        self.effects += 1
        return "done"

    def cancel(self, operation_id: str, order: UUID) -> str:
        if ("cancel", operation_id) in self.done:
            return "done"
        if self.owner not in {None, order}:
            self.barred.add(order)
        elif self.captured:
            return "InvalidState"
        elif self.state not in {"cancelled", "expired"}:
            self.voided += self.open
            self.state = "cancelled"
            self.effects += 1
        self.done["cancel", operation_id] = True
        return "done"

    def refund(self, refund_id: str, amount: int) -> str:
        known = self.done.get(("refund", refund_id))
        if known:
            return "done" if known == amount else "IdempotencyMismatch"
        if amount > self.captured - self.refunded:
            return "InvalidState"
        self.done["refund", refund_id] = amount
        self.refunded += amount
        self.effects += 1
        return "done"

    def lapse(self, now_s: float) -> None:
        if self.open and now_s >= self.held_at_s + 7 * DAY_S:
            self.voided += self.open
            self.state = "captured" if self.captured else "expired"


class SimulatedPaymentsAgree(RuleBasedStateMachine):
    """Sends the same calls to books in memory and in SQLite, and expects what stands on paper."""

    database: SqliteDatabase | MongoDatabase

    @initialize()
    def open_the_books(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = SimulatedClock()
        self.now_s = 0.0
        self.papers = {reference: Paper() for reference in REFERENCES}
        self.used: dict[str, tuple[object, float]] = {}
        self.in_memory = SimulatedPayments(MemoryLedger(), self.clock)
        self.open_database()

    def open_database(self) -> None:
        self.database = SqliteDatabase(Path(self.folder.name) / "oms.db")
        self.kept = SimulatedPayments(SqliteLedger(self.database), self.clock)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            self.folder.cleanup()

    @rule(reference=references, order=orders, amount=totals, key=keys)
    def authorize(self, reference: str, order: UUID, amount: int, key: str) -> None:
        command = Authorize(ref(reference), Money(amount, "USD"), order, key)
        self.send(
            "authorize",
            key,
            (reference, order, amount),
            lambda provider: provider.authorize(command),
            lambda paper: paper.authorize(reference, order, amount, self.now_s),
        )

    @rule(
        reference=references, amount=amounts, operation=operation_ids, key=keys, final=st.booleans()
    )
    def capture(
        self,
        reference: str,
        amount: int,
        operation: str,
        key: str,
        final: bool,  # noqa: FBT001
    ) -> None:
        command = Capture(ref(reference), Money(amount, "USD"), operation, key, final)
        self.send(
            "capture",
            key,
            (reference, amount, operation, final),
            lambda provider: provider.capture(command),
            lambda paper: paper.capture(operation, amount, final=final),
        )

    @rule(reference=st.sampled_from(VOIDABLE), order=orders, operation=operation_ids, key=keys)
    def cancel(self, reference: str, order: UUID, operation: str, key: str) -> None:
        command = Cancel(ref(reference), order, operation, key)
        self.send(
            "cancel",
            key,
            (reference, order, operation),
            lambda provider: provider.cancel(command),
            lambda paper: paper.cancel(operation, order),
        )

    @rule(reference=references, amount=amounts, refund_id=operation_ids, key=keys)
    def refund(self, reference: str, amount: int, refund_id: str, key: str) -> None:
        command = Refund(ref(reference), Money(amount, "USD"), refund_id, key)
        self.send(
            "refund",
            key,
            (reference, amount, refund_id),
            lambda provider: provider.refund(command),
            lambda paper: paper.refund(refund_id, amount),
        )

    @rule(
        reference=references,
        operation=st.sampled_from(["authorize", "capture", "cancel", "refund"]),
        executed=st.booleans(),
    )
    def plan_trouble(self, reference: str, operation: str, executed: bool) -> None:  # noqa: FBT001
        kind = OutcomeUnknown if executed else RetryableNotExecuted
        fault = Fault((Operation(operation),), kind.code, "planned", executed=executed)
        for provider in (self.in_memory, self.kept):
            provider.plan(ref(reference), fault)
        self.papers[reference].faults.append((operation, executed))

    @rule(hours=st.sampled_from([1, 23, 25, 100]))
    def wait(self, hours: int) -> None:
        self.clock.advance(hours * 3_600)
        self.now_s += hours * 3_600
        for paper in self.papers.values():
            paper.lapse(self.now_s)

    @rule()
    def restart(self) -> None:
        self.database.close()
        self.open_database()

    def send(
        self,
        operation: str,
        key: str,
        parameters: tuple[object, ...],
        call: Callable[[SimulatedPayments], PaymentSnapshot | OperationResult],
        on_paper: Callable[[Paper], str],
    ) -> None:
        paper = self.papers[str(parameters[0])]
        expected = self.expect(paper, operation, key, parameters, on_paper)

        assert [heard(lambda: call(self.in_memory)), heard(lambda: call(self.kept))] == [
            expected
        ] * 2

    def expect(
        self,
        paper: Paper,
        operation: str,
        key: str,
        parameters: tuple[object, ...],
        on_paper: Callable[[Paper], str],
    ) -> str:
        executed: bool | None = None
        for fault in paper.faults:
            if fault[0] == operation:
                paper.faults.remove(fault)
                executed = fault[1]
                break
        if executed is False:
            return "RetryableNotExecuted"
        used, at_s = self.used.get(key, (None, 0.0))
        if used is not None and self.now_s - at_s < DAY_S:
            if used != (operation, parameters):
                return "IdempotencyMismatch"
            answer = on_paper(paper)
        else:
            answer = on_paper(paper)
            if answer not in {"InvalidState", "IdempotencyMismatch"}:
                self.used[key] = ((operation, parameters), self.now_s)
        return "OutcomeUnknown" if executed else answer

    @invariant()
    def all_books_agree(self) -> None:
        if not hasattr(self, "papers"):
            return
        rows = self.in_memory.audit()
        assert rows == self.kept.audit()
        for reference, paper in self.papers.items():
            mine = [row for row in rows if row.reference == reference]
            told = self.in_memory.lookup(ref(reference))
            assert told == self.kept.lookup(ref(reference))
            assert (told.state, told.order_id) == (paper.state, paper.owner)
            sums = [paper.authorized, paper.captured, paper.refunded]
            assert [told.authorized.minor, told.captured.minor, told.refunded.minor] == sums
            assert [
                sum(row.authorized.minor for row in mine),
                sum(row.captured.minor for row in mine),
                sum(row.refunded.minor for row in mine),
                sum(row.voided.minor for row in mine),
            ] == [*sums, paper.voided]
            assert sum(one.effects for row in mine for one in row.operations) == paper.effects

    @invariant()
    def money_is_never_taken_twice_nor_given_back_twice(self) -> None:
        if not hasattr(self, "papers"):
            return
        for row in self.kept.audit():
            assert 0 <= row.refunded.minor <= row.captured.minor
            assert row.captured.minor + row.voided.minor <= row.authorized.minor
            assert row.authorizations <= 1
            held = row.authorized.minor - row.captured.minor - row.voided.minor
            assert row.live_authorizations == (held > 0)


class SimulatedPaymentsInMongodbAgree(SimulatedPaymentsAgree):
    """Likewise, in MongoDB."""

    name: str

    def open_database(self) -> None:
        if hasattr(self, "name"):
            mongo = MongoDatabase(mongo_server.uri(), self.name)
        else:
            mongo = mongo_server.emptied_database()
        self.database, self.name = mongo, mongo.name
        self.kept = SimulatedPayments(MongoLedger(mongo), self.clock)


def ref(reference: str) -> PaymentRef:
    return PaymentRef(TENANT, reference)


def heard(call: Callable[[], PaymentSnapshot | OperationResult]) -> str:
    """Tell the state, the status, or the kind of trouble."""
    try:
        answer = call()
    except PaymentTrouble as trouble:
        return type(trouble).__name__
    return str(answer.state if isinstance(answer, PaymentSnapshot) else answer.status)


TestSimulatedPaymentsAgree = SimulatedPaymentsAgree.TestCase
TestSimulatedPaymentsInMongodbAgree = SimulatedPaymentsInMongodbAgree.TestCase
TestSimulatedPaymentsInMongodbAgree.settings = settings(
    max_examples=max(1, settings().max_examples // 6)
)
