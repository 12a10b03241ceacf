"""What the simulated provider remembers of one payment and of one idempotency key."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from attrs import evolve, frozen

from oms_adapters.payments.simulated.behaviours import Fault, behaviour_of
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.ports.payments import OperationStatus, PaymentSnapshot

if TYPE_CHECKING:
    from oms_adapters.payments.simulated.behaviours import Behaviour, Operation

if TYPE_CHECKING:
    changed = evolve
else:

    def changed(payment: PaymentRecord, **fields: object) -> PaymentRecord:
        """Copy a payment record with other *fields*, as ``attrs.evolve`` does.

        Which looks at every field again: with it, this provider would take the better part
        of the time that an order takes.
        """
        copy = object.__new__(PaymentRecord)
        copy.__dict__.update(payment.__dict__)
        copy.__dict__.update(fields)
        return copy


_NAMESPACE: Final = UUID("0b6b2f54-4b0c-5c8e-8d0f-6a3c1e9d7f21")
_UNKNOWN_CURRENCY: Final = "USD"
"""In which nothing is held while no order has asked for anything."""


@frozen
class Hold:
    """One authorization. What of it is neither captured nor released is still held."""

    id: str
    order_id: UUID
    amount: Money
    made_at: datetime
    expires_at: datetime
    captured_minor: int = 0
    released_minor: int = 0
    """Voided, lapsed, or left over by a final capture."""
    refunded_minor: int = 0

    @property
    def open_minor(self) -> int:
        """What may still be captured or voided, in minor units."""
        return self.amount.minor - self.captured_minor - self.released_minor


@frozen
class Modification:
    """A capture, cancel or refund that was accepted, or a refund that was rejected."""

    operation: str
    operation_id: str
    provider_ref: str
    status: OperationStatus
    minor: int = 0
    final: bool = True
    reason: str | None = None
    settles_at: datetime | None = None
    """When PENDING ends."""
    settles_as: OperationStatus = OperationStatus.DONE


@frozen
class Use:
    """A key that was sent for an operation, and how often it had an effect."""

    order_id: UUID | None
    operation: str
    operation_id: str
    key: str
    effects: int = 0

    def is_same_as(self, other: Use) -> bool:
        """Say whether both are the same key for the same operation, effects aside."""
        return (self.key, self.operation, self.operation_id, self.order_id) == (
            other.key,
            other.operation,
            other.operation_id,
            other.order_id,
        )


@frozen
class Occurrence:
    """Something the provider notifies about, numbered from 1 within its payment."""

    kind: str
    at: datetime


@frozen(slots=False)
class PaymentRecord:
    """Everything the provider knows of one payment."""

    account: str
    tenant_id: UUID
    reference: str
    state: PaymentState
    faults: tuple[Fault, ...] = ()
    """Trouble still ahead."""
    order_id: UUID | None = None
    """The order that asked for the money."""
    asked: Money | None = None
    reason: str | None = None
    raw_status: str | None = None
    attempts: int = 0
    """How often authorize was executed."""
    settles_at: datetime | None = None
    """When REQUIRES_ACTION or PENDING ends by itself."""
    barred: tuple[UUID, ...] = ()
    """Orders that cancelled while the payment was another order's."""
    first_changed_at: datetime | None = None
    """When the first changing call came; faults that last count from here."""
    holds: tuple[Hold, ...] = ()
    modifications: tuple[Modification, ...] = ()
    uses: tuple[Use, ...] = ()
    occurrences: tuple[Occurrence, ...] = ()

    @property
    def behaviour(self) -> Behaviour:
        """How the provider treats this payment."""
        return behaviour_of(self.reference)

    @property
    def hold(self) -> Hold | None:
        """The latest authorization, live or not."""
        return self.holds[-1] if self.holds else None

    @property
    def next_action(self) -> str | None:
        """Where the customer acts, while they must."""
        if self.state is not PaymentState.REQUIRES_ACTION:
            return None
        return f"https://payments.example/authenticate/{self.name_for('action')}"

    def name_for(self, thing: str) -> str:
        """Make the provider's own id of a *thing* of this payment: the same on every repeat."""
        name = f"{self.account}/{self.tenant_id}/{self.reference}/{thing}"
        return str(uuid5(_NAMESPACE, name))

    def modification(self, operation_id: str, operation: str | None = None) -> Modification | None:
        """Find what was accepted under *operation_id*."""
        for known in self.modifications:
            if known.operation_id == operation_id and operation in {None, known.operation}:
                return known
        return None

    def pending_minor(self, operation: Operation) -> int:
        """Add up what *operation* has accepted but not yet done, in minor units."""
        return sum(
            one.minor
            for one in self.modifications
            if one.operation == operation and one.status is OperationStatus.PENDING
        )

    def with_hold(self, hold: Hold) -> PaymentRecord:
        """Replace the latest authorization."""
        return changed(self, holds=(*self.holds[:-1], hold))

    def with_modification(self, newer: Modification) -> PaymentRecord:
        """Add *newer*, or put it in the place of the one with its operation and id."""
        for i, known in enumerate(self.modifications):
            if (known.operation, known.operation_id) == (newer.operation, newer.operation_id):
                rest = self.modifications[i + 1 :]
                return changed(self, modifications=(*self.modifications[:i], newer, *rest))
        return changed(self, modifications=(*self.modifications, newer))

    def with_use(self, use: Use) -> PaymentRecord:
        """Note that a key was sent; its effects add up over repeats."""
        for i, known in enumerate(self.uses):
            if known.is_same_as(use):
                if not use.effects:
                    return self
                counted = evolve(known, effects=known.effects + use.effects)
                return changed(self, uses=(*self.uses[:i], counted, *self.uses[i + 1 :]))
        return changed(self, uses=(*self.uses, use))

    def saying(self, kind: str, at: datetime) -> PaymentRecord:
        """Note something to notify about."""
        return changed(self, occurrences=(*self.occurrences, Occurrence(kind, at)))

    def snapshot(self) -> PaymentSnapshot:
        """Tell the payment's state in the port's words."""
        hold = self.hold
        currency = hold.amount.currency if hold else self.currency
        return PaymentSnapshot(
            state=self.state,
            authorized=hold.amount if hold else Money.zero(currency),
            captured=Money(hold.captured_minor if hold else 0, currency),
            refunded=Money(hold.refunded_minor if hold else 0, currency),
            order_id=self.order_id,
            expires_at=hold.expires_at if hold else None,
            provider_id=hold.id if hold else None,
            reason=self.reason if self.state is PaymentState.DECLINED else None,
            next_action=self.next_action,
            raw_status=self.raw_status or self.state.value,
        )

    @property
    def currency(self) -> str:
        """The currency asked for."""
        return self.asked.currency if self.asked else _UNKNOWN_CURRENCY


@frozen
class KeyRecord:
    """What an idempotency key was used for, and the answer it is bound to."""

    account: str
    tenant_id: UUID
    key: str
    fingerprint: str
    """The command in canonical form; the key with any other is a mismatch."""
    used_at: datetime
    declined: bool = False
    """An authorize with this key was declined, and is whenever it is repeated."""
    fault: Fault | None = None
    """An authorize with this key failed, and does whenever it is repeated."""


def new_payment(account: str, tenant_id: UUID, reference: str) -> PaymentRecord:
    """Begin a payment the provider has not been asked about yet."""
    behaviour = behaviour_of(reference)
    return PaymentRecord(
        account, tenant_id, reference, state=behaviour.begins_as, faults=behaviour.faults
    )
