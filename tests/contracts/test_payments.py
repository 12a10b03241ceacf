"""Every payment provider's adapter keeps the promises of the port."""

import base64
import hashlib
import hmac
import tempfile
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

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
from oms_core.errors import (
    CredentialsRejected,
    InvalidState,
    OutcomeUnknown,
    RetryableNotExecuted,
)
from oms_core.ports.payments import Capabilities, PaymentRef
from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentContract, PaymentStage, SignedNotification
from tests.support import mongo_server

CAPABILITIES = Capabilities(can_reauthorize=True)
SECRET = "whsec_" + base64.b64encode(b"a secret of the simulated bank").decode()


class SimulatedStage(PaymentStage):
    """Plays every scene by the payment reference, or by planning a fault."""

    def __init__(
        self,
        ledger: Ledger,
        clock: SimulatedClock,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        self.payments = SimulatedPayments(
            ledger, clock, webhook_secret=SECRET, capabilities=capabilities
        )
        super().__init__(self.payments, clock)
        self.numbers = count(1)

    def a_confirmable_payment(self, amount: Money) -> PaymentRef:
        return self._ref("good_card")

    def a_payment_to_be_declined(self, amount: Money) -> PaymentRef:
        return self._ref("sim_declined")

    def an_unknown_payment(self) -> PaymentRef:
        return self._ref("sim_not_found")

    def effects(self, ref: PaymentRef, operation: str) -> int:
        return sum(
            one.effects
            for row in self.payments.audit(ref.tenant_id)
            if row.reference == ref.reference
            for one in row.operations
            if one.operation == operation
        )

    def settle(self, ref: PaymentRef) -> None:
        self.clock.advance(60)

    def time_to_reauthorize(self, ref: PaymentRef) -> None:
        self.clock.advance(3 * 86_400)

    def a_payment_requiring_action(self, amount: Money) -> PaymentRef:
        return self._ref("sim_requires_action")

    def the_customer_acts(self, ref: PaymentRef) -> None:
        with suppress(InvalidState):
            self.payments.complete_action(ref)

    def a_pending_payment(self, amount: Money) -> PaymentRef:
        return self._ref("sim_pending")

    def a_payment_with_an_unknown_status(self, amount: Money) -> PaymentRef:
        return self._ref("sim_unknown_status")

    def an_expired_payment(self, amount: Money) -> PaymentRef:
        return self._ref("sim_expired")

    def a_payment_that_holds_another_amount(self, amount: Money) -> PaymentRef:
        return self._ref("sim_wrong_amount")

    def a_payment_that_is_captured_at_once(self, amount: Money) -> PaymentRef:
        return self._ref("sim_captured")

    def a_payment_whose_refunds_take_time(self, amount: Money) -> PaymentRef:
        return self._ref("sim_refund_pending")

    def a_payment_whose_refunds_are_rejected(self, amount: Money) -> PaymentRef:
        return self._ref("sim_refund_rejected")

    def an_amount_that_cannot_be_represented(self) -> Money:
        return Money(MINOR_UNITS_MAX + 1, self.currency)

    def lose_next_answer(self, ref: PaymentRef, operation: str) -> None:
        self._plan(ref, operation, OutcomeUnknown.code, executed=True)

    def refuse_next_call(self, ref: PaymentRef, operation: str) -> None:
        self._plan(ref, operation, RetryableNotExecuted.code)

    def break_next_call(self, ref: PaymentRef, operation: str) -> None:
        self._plan(ref, operation, OutcomeUnknown.code)

    def reject_credentials(self, ref: PaymentRef) -> None:
        code = CredentialsRejected.code
        self.payments.plan(ref, Fault(tuple(Operation), code, "http_401", times=None))

    def a_notification(self, ref: PaymentRef) -> SignedNotification:
        sent = self.payments.notifications(ref)[-1]
        return SignedNotification(sent.headers, sent.body)

    def a_signed_body(self, body: bytes) -> SignedNotification:
        timestamp = str(int(self.clock.now().timestamp()))
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        signature = hmac.digest(key, b".".join((b"id", timestamp.encode(), body)), hashlib.sha256)
        headers = {
            "webhook-id": "id",
            "webhook-timestamp": timestamp,
            "webhook-signature": "v1," + base64.b64encode(signature).decode(),
        }
        return SignedNotification(headers, body)

    def _plan(self, ref: PaymentRef, operation: str, code: str, *, executed: bool = False) -> None:
        self.payments.plan(ref, Fault((Operation(operation),), code, "planned", executed=executed))

    def _ref(self, name: str) -> PaymentRef:
        return PaymentRef(self.tenant_id, f"{name}_{next(self.numbers)}")


class TestSimulatedPaymentsInMemory(PaymentContract):
    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return SimulatedStage(MemoryLedger(), clock)


class TestLesserSimulatedPayments(PaymentContract):
    """Holds cannot be made anew."""

    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return SimulatedStage(MemoryLedger(), clock, Capabilities(can_reauthorize=False))


class TestAsynchronousSimulatedPayments(PaymentContract):
    """Captures, cancels and refunds answer pending first."""

    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        asynchronous = Capabilities(asynchronous_modifications=True, can_reauthorize=True)
        return SimulatedStage(MemoryLedger(), clock, asynchronous)


class TestSimulatedPaymentsInSqlite(PaymentContract):
    def setup_method(self) -> None:
        self.resources = ExitStack()
        super().setup_method()

    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        folder = self.resources.enter_context(tempfile.TemporaryDirectory())
        database = self.resources.enter_context(SqliteDatabase(Path(folder) / "oms.db"))
        return SimulatedStage(SqliteLedger(database), clock)

    def teardown_method(self) -> None:
        super().teardown_method()
        self.resources.close()


class TestSimulatedPaymentsInMongodb(PaymentContract):
    def setup_method(self) -> None:
        self.database = mongo_server.emptied_database()
        super().setup_method()

    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return SimulatedStage(MongoLedger(self.database), clock)

    def teardown_method(self) -> None:
        super().teardown_method()
        self.database.close()
