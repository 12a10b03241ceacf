"""The simulated payment provider: remembers everything, and misbehaves when told to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, cast
from uuid import UUID

from oms_adapters.payments.simulated import rules
from oms_adapters.payments.simulated.audit import audit_payment
from oms_adapters.payments.simulated.behaviours import Operation
from oms_adapters.payments.simulated.call import Call, check_reference, met, next_fault
from oms_adapters.payments.simulated.notifications import NotificationSigner
from oms_adapters.payments.simulated.record import KeyRecord, changed, new_payment
from oms_core.errors import (
    ConfigurationError,
    IdempotencyMismatch,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    WebhookRejected,
)
from oms_core.ports.clock import SystemClock
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capabilities,
    Capture,
    OperationResult,
    PaymentRef,
    PaymentSnapshot,
    ProviderEvent,
    Reauthorize,
    Refund,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from random import Random

    from oms_adapters.payments.simulated.audit import PaymentAudit
    from oms_adapters.payments.simulated.behaviours import Fault
    from oms_adapters.payments.simulated.ledger import Books, Ledger
    from oms_adapters.payments.simulated.notifications import Notification
    from oms_adapters.payments.simulated.record import PaymentRecord
    from oms_core.ports.clock import Clock

T = TypeVar("T")

CAPABILITIES: Final = Capabilities(can_reauthorize=True)
ASYNCHRONOUS_S: Final = 5.0
"""How long a modification takes where all are asynchronous, in seconds."""


class SimulatedPayments:
    """A payment provider to try everything with, without anybody's money.

    Its behaviour is chosen by the beginning of the payment reference; the table is in
    ``behaviours.py`` and in ``docs/simulated-provider.md``. Any other reference is a plain
    good card. All it knows stands in the *ledger*, each effect entered together with its
    idempotency key, so that ``audit`` tells what happened whatever crashed.

    Nothing here waits: what happens later happens when the *clock* says so.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock | None = None,
        name: str = "simulated",
        *,
        webhook_secret: str | None = None,
        capabilities: Capabilities = CAPABILITIES,
    ) -> None:
        """Open the account *name* in the *ledger*; two names are two accounts.

        Without a *webhook_secret* every notification is rejected. *capabilities* may be
        narrowed, to try how the core treats a lesser provider.

        Raises:
            ConfigurationError: the webhook secret is too short.
        """
        self.name = name
        self._ledger = ledger
        self._clock = clock or SystemClock()
        self._signer = None if webhook_secret is None else NotificationSigner(webhook_secret)
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do; constant."""
        return self._capabilities

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask for the payment's state. Has no effect."""
        return self._read(Operation.LOOKUP, ref, lambda payment: payment.snapshot())

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        """Tell how an operation ended after its answer was lost; ``None``: it has no effect."""
        return self._read(
            Operation.FIND, ref, lambda payment: rules.find_operation(payment, operation_id)
        )

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Hold the amount if the payment is CONFIRMABLE; otherwise only tell its state."""
        call = Call(Operation.AUTHORIZE, "", command, command.order_id, command.amount)
        return cast("PaymentSnapshot", self._change(call))

    def capture(self, command: Capture) -> OperationResult:
        """Take money that is held, once for each operation id."""
        call = Call(Operation.CAPTURE, command.operation_id, command, None, command.amount)
        return cast("OperationResult", self._change(call))

    def cancel(self, command: Cancel) -> OperationResult:
        """Void the hold, or forbid it for ever if there is none yet."""
        call = Call(Operation.CANCEL, command.operation_id, command, command.order_id, None)
        return cast("OperationResult", self._change(call))

    def refund(self, command: Refund) -> OperationResult:
        """Give captured money back, once for each refund id."""
        call = Call(Operation.REFUND, command.refund_id, command, None, command.amount)
        return cast("OperationResult", self._change(call))

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        """Let the hold last as long again from now, once for each operation id."""
        if not self._capabilities.can_reauthorize:
            raise InvalidState(reason="cannot_reauthorize")
        call = Call(
            Operation.REAUTHORIZE,
            command.operation_id,
            command,
            command.order_id,
            command.amount,
        )
        return cast("PaymentSnapshot", self._change(call))

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        """Verify a notification on its raw bytes and return its items.

        Raises:
            WebhookRejected: forged, older or newer than 300 seconds, malformed, another
                tenant's, or no secret is configured.
        """
        if self._signer is None:
            raise WebhookRejected(reason="no_webhook_secret_is_configured")
        events = self._signer.verify(headers, body, now=self._clock.now())
        if any(event.ref.tenant_id != tenant_id for event in events):
            raise WebhookRejected(reason="of_another_tenant")
        return events

    def probe(self) -> None:
        """Read the ledger."""
        self._reach(lambda: self._ledger.payment(self.name, UUID(int=0), "probe"))

    # The customer, and the people who run the provider

    def complete_action(self, ref: PaymentRef) -> PaymentSnapshot:
        """Be the customer who proves who they are: the money is held.

        Raises:
            InvalidState: the payment waits for no action (any more).
        """
        return self._by_hand(
            ref, lambda payment, now: rules.conclude_action(payment, now, succeeded=True)
        )

    def fail_action(self, ref: PaymentRef) -> PaymentSnapshot:
        """Be the customer who cannot prove who they are: declined.

        Raises:
            InvalidState: the payment waits for no action (any more).
        """
        return self._by_hand(
            ref, lambda payment, now: rules.conclude_action(payment, now, succeeded=False)
        )

    def give_another_card(self, ref: PaymentRef) -> PaymentSnapshot:
        """Be the customer who tries another card after a decline: CONFIRMABLE again.

        Raises:
            InvalidState: the payment is not declined.
        """
        return self._by_hand(ref, lambda payment, _: rules.give_another_card(payment))

    def heal(self, ref: PaymentRef) -> PaymentSnapshot:
        """End all technical trouble of a payment, for ever."""
        return self._by_hand(ref, lambda payment, _: _told(changed(payment, faults=())))

    def plan(self, ref: PaymentRef, fault: Fault) -> PaymentSnapshot:
        """Let the payment meet *fault*, after those it is to meet already."""
        return self._by_hand(
            ref, lambda payment, _: _told(changed(payment, faults=(*payment.faults, fault)))
        )

    # From outside

    def audit(self, tenant_id: UUID | None = None) -> tuple[PaymentAudit, ...]:
        """Tell what the books say now: a row for each payment and order.

        For *tenant_id* alone, or for all tenants of the account.
        """
        now = self._clock.now()

        def add_up(payments: Iterator[PaymentRecord]) -> tuple[PaymentAudit, ...]:
            return tuple(
                row
                for payment in payments
                if tenant_id in {None, payment.tenant_id}
                for row in audit_payment(rules.settle(payment, now))
            )

        return self._ledger.go_through(self.name, add_up)

    def notifications(
        self, ref: PaymentRef, *, copies: int = 1, shuffled_by: Random | None = None
    ) -> tuple[Notification, ...]:
        """Make the signed notifications of all that happened to a payment, sent now.

        In the order in which it happened, or *shuffled_by* chance as on a bad day; each is
        sent *copies* times, with the same ids.

        Raises:
            ConfigurationError: the provider was made without a webhook secret.
        """
        if self._signer is None:
            raise ConfigurationError(["Give the simulated provider a webhook_secret to sign with."])
        now = self._clock.now()
        payment = self._settled(self._look_at(ref), ref, now)
        sent = []
        for number, occurrence in enumerate(payment.occurrences, start=1):
            event = ProviderEvent(
                event_id=payment.name_for(f"event/{number}"),
                ref=ref,
                kind=occurrence.kind,
                occurred_at=occurrence.at,
                facts={"number": str(number)},
            )
            notification = self._signer.sign([event], message_id=event.event_id, at=now)
            sent += [notification] * copies
        if shuffled_by is not None:
            shuffled_by.shuffle(sent)
        return tuple(sent)

    def _look_at(self, ref: PaymentRef) -> PaymentRecord | None:
        return self._ledger.payment(self.name, ref.tenant_id, ref.reference)

    def _settled(
        self, payment: PaymentRecord | None, ref: PaymentRef, now: datetime
    ) -> PaymentRecord:
        """Bring what the books say up to *now*; a payment they do not know begins."""
        if payment is None:
            payment = new_payment(self.name, ref.tenant_id, ref.reference)
            if not payment.behaviour.exists:
                raise PaymentNotFound(reason="no_such_payment")
        return rules.settle(payment, now)

    def _read(
        self, operation: Operation, ref: PaymentRef, question: Callable[[PaymentRecord], T]
    ) -> T:
        check_reference(ref)
        now = self._clock.now()
        payment = self._reach(lambda: self._settled(self._look_at(ref), ref, now))
        if fault := next_fault(payment, operation, now):
            raise fault.error()
        return question(payment)

    def _by_hand(
        self, ref: PaymentRef, deed: Callable[[PaymentRecord, datetime], rules.Outcome]
    ) -> PaymentSnapshot:
        def change(books: Books) -> rules.Answer:
            now = self._clock.now()
            outcome = deed(self._settled(books.payment(), ref, now), now)
            books.enter(outcome.payment, None)
            return outcome.answer

        answer = self._ledger.write(self.name, ref.tenant_id, ref.reference, change)
        return cast("PaymentSnapshot", _raised(answer))

    def _change(self, call: Call) -> PaymentSnapshot | OperationResult:
        call.check()
        ref = call.command.ref
        return _raised(
            self._reach(
                lambda: self._ledger.write(
                    self.name, ref.tenant_id, ref.reference, lambda books: self._run(call, books)
                )
            )
        )

    def _run(self, call: Call, books: Books) -> rules.Answer:
        """Do one call. Trouble is an answer here: raised, it would undo the entry."""
        now = self._clock.now()
        found = self._settled(books.payment(), call.command.ref, now)
        remembered = books.key(call.command.key)
        if remembered and not self._is_fresh(call, remembered, now):
            remembered = None
        fault = next_fault(found, call.operation, now)
        payment = met(found, fault) if fault else found
        payment = changed(payment, first_changed_at=payment.first_changed_at or now)
        if fault and not fault.executed:
            key = call.key_record(self.name, now, fault=fault) if fault.sticks_to_key else None
            books.enter(call.noted_on(payment), key)
            return fault.error()
        if remembered and remembered.fingerprint != call.fingerprint:
            books.enter(call.noted_on(payment), None)
            return IdempotencyMismatch(reason="key_used_with_other_parameters")
        outcome = self._execute(call, payment, remembered, now)
        key = None
        if remembered is None and not isinstance(outcome.answer, PaymentTrouble):
            key = call.key_record(self.name, now, declined=outcome.declined)
        after = call.noted_on(outcome.payment, effects=outcome.effects)
        if key or after != found:
            books.enter(after, key)
        return fault.error() if fault else outcome.answer

    def _execute(
        self, call: Call, payment: PaymentRecord, remembered: KeyRecord | None, now: datetime
    ) -> rules.Outcome:
        takes_s = payment.behaviour.modifications_take_s
        if takes_s is None and self._capabilities.asynchronous_modifications:
            takes_s = ASYNCHRONOUS_S
        match call.command:
            case Authorize() as command:
                return rules.authorize(payment, command, remembered, now)
            case Capture() as command:
                return rules.capture(payment, command, takes_s, now)
            case Cancel() as command:
                return rules.cancel(payment, command, takes_s, now)
            case Refund() as command:
                return rules.refund(payment, command, takes_s, now)
            case Reauthorize() as command:
                return rules.reauthorize(payment, command, now)

    def _is_fresh(self, call: Call, key: KeyRecord, now: datetime) -> bool:
        can = self._capabilities
        is_first = call.operation is Operation.AUTHORIZE
        ttl_s = can.key_ttl_s if is_first else can.modification_key_ttl_s
        return (now - key.used_at).total_seconds() < ttl_s

    def _reach(self, ask: Callable[[], T]) -> T:
        """Let only payment trouble out: of anything else the outcome is not known."""
        try:
            return ask()
        except PaymentTrouble:
            raise
        except Exception as error:
            raise OutcomeUnknown(reason=f"ledger_{type(error).__name__}") from error


def _told(payment: PaymentRecord) -> rules.Outcome:
    return rules.Outcome(payment, payment.snapshot())


def _raised(answer: rules.Answer) -> PaymentSnapshot | OperationResult:
    if isinstance(answer, PaymentTrouble):
        raise answer
    return answer
