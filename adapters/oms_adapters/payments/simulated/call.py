"""One call that changes something at the simulated provider, and the trouble it meets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from oms_adapters.payments.simulated.behaviours import Operation
from oms_adapters.payments.simulated.record import KeyRecord, Use, changed
from oms_core.domain.money import MINOR_UNITS_MAX
from oms_core.errors import InvalidRequest
from oms_core.ports.payments import Authorize, Cancel, Capture, PaymentRef, Reauthorize, Refund

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_adapters.payments.simulated.behaviours import Fault
    from oms_adapters.payments.simulated.record import PaymentRecord
    from oms_core.domain.money import Money

AnyCommand = Authorize | Capture | Cancel | Refund | Reauthorize
NAME_BYTES_MAX: Final = 1_020
"""255 characters of whatever alphabet."""


@frozen
class Call:
    """One call that changes something."""

    operation: Operation
    operation_id: str
    command: AnyCommand
    order_id: UUID | None
    amount: Money | None

    def check(self) -> None:
        """Refuse what no provider would take, before anything is looked at."""
        if self.amount is not None and not 0 < self.amount.minor <= MINOR_UNITS_MAX:
            raise InvalidRequest(reason="amount_out_of_range")
        if not 0 < _bytes(self.command.key) <= NAME_BYTES_MAX:
            raise InvalidRequest(reason="idempotency_key_out_of_range")
        if not 0 <= _bytes(self.operation_id) <= NAME_BYTES_MAX:
            raise InvalidRequest(reason="operation_id_out_of_range")
        check_reference(self.command.ref)

    @property
    def fingerprint(self) -> str:
        """The command without its key: equal for equal commands, whatever the release."""
        amount = self.amount and (self.amount.minor, self.amount.currency)
        final = getattr(self.command, "final", None)
        fields = (self.command.ref.reference, str(self.order_id), self.operation_id, amount, final)
        return f"{self.operation} {fields!r}"

    def noted_on(self, payment: PaymentRecord, effects: int = 0) -> PaymentRecord:
        """Note the key, for the order that sent it or else the one that has the payment."""
        order_id = self.order_id or payment.order_id
        use = Use(order_id, self.operation.value, self.operation_id, self.command.key, effects)
        return payment.with_use(use)

    def key_record(
        self, account: str, now: datetime, *, declined: bool = False, fault: Fault | None = None
    ) -> KeyRecord:
        """Remember what the key was used for."""
        command = self.command
        return KeyRecord(
            account, command.ref.tenant_id, command.key, self.fingerprint, now, declined, fault
        )


def check_reference(ref: PaymentRef) -> None:
    """Refuse a reference that no provider can have given out.

    Raises:
        InvalidRequest: empty, too long, or no text that can be written down.
    """
    if not 0 < _bytes(ref.reference) <= NAME_BYTES_MAX:
        raise InvalidRequest(reason="reference_out_of_range")


def next_fault(payment: PaymentRecord, operation: Operation, now: datetime) -> Fault | None:
    """Find the trouble that a call of *operation* meets now."""
    began = payment.first_changed_at
    for fault in payment.faults:
        if operation not in fault.on:
            continue
        if fault.spares_first_call and began is None:
            continue
        if fault.times is not None and operation in {Operation.LOOKUP, Operation.FIND}:
            continue
        passed_s = 0.0 if began is None else (now - began).total_seconds()
        if fault.lasts_s is None or passed_s < fault.lasts_s:
            return fault
    return None


def met(payment: PaymentRecord, fault: Fault) -> PaymentRecord:
    """Count a fault down, and forget it once it was met often enough."""
    if fault.times is None:
        return payment
    left = (evolve(fault, times=fault.times - 1),) if fault.times > 1 else ()
    i = payment.faults.index(fault)
    return changed(payment, faults=(*payment.faults[:i], *left, *payment.faults[i + 1 :]))


def _bytes(text: str) -> int:
    """Count the bytes of a text in UTF-8; -1 if it holds what no text can (a lone surrogate)."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return -1
