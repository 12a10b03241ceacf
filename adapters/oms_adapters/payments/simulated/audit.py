"""What the simulated provider's books say, for whoever checks them from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from attrs import frozen

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState

if TYPE_CHECKING:
    from oms_adapters.payments.simulated.record import Hold, PaymentRecord, Use


@frozen
class OperationAudit:
    """What one order did to a payment under one operation id."""

    operation: str
    """``authorize``, ``capture``, ``cancel`` or ``refund``."""
    operation_id: str | None
    """``None`` for authorize, which has none; of a refund its refund id."""
    keys: int
    """Distinct idempotency keys it was sent with, whether or not they had an effect."""
    effects: int
    """How often anything was done for it at the provider."""


@frozen
class PaymentAudit:
    """What one order holds, took and gave back on one payment.

    At every moment ``0 <= refunded <= captured`` and ``captured + voided <= authorized``;
    what is left of ``authorized`` is still held.
    """

    tenant_id: UUID
    reference: str
    order_id: UUID | None
    """``None``: calls that named no order, on a payment that belongs to none."""
    state: PaymentState
    """Of the payment, whichever order it belongs to."""
    authorized: Money
    captured: Money
    voided: Money
    """Released in any way: voided, lapsed, or left over by a final capture."""
    refunded: Money
    authorizations: int
    """How often money was held."""
    live_authorizations: int
    """How many of them still hold money."""
    operations: tuple[OperationAudit, ...]

    def as_document(self) -> dict[str, object]:
        """Say all of it in JSON's types; amounts are decimal strings in major units."""
        return {
            "tenant_id": str(self.tenant_id),
            "reference": self.reference,
            "order_id": None if self.order_id is None else str(self.order_id),
            "state": self.state.value,
            "currency": self.authorized.currency,
            "authorized": self.authorized.amount,
            "captured": self.captured.amount,
            "voided": self.voided.amount,
            "refunded": self.refunded.amount,
            "authorizations": self.authorizations,
            "live_authorizations": self.live_authorizations,
            "operations": [
                {
                    "operation": one.operation,
                    "operation_id": one.operation_id,
                    "keys": one.keys,
                    "effects": one.effects,
                }
                for one in self.operations
            ],
        }


def audit_payment(payment: PaymentRecord) -> tuple[PaymentAudit, ...]:
    """Sum up a payment, a row for each order that ever touched it."""
    orders = dict.fromkeys(
        [hold.order_id for hold in payment.holds] + [use.order_id for use in payment.uses]
    )
    return tuple(_audit_order(payment, order_id) for order_id in orders)


def _audit_order(payment: PaymentRecord, order_id: UUID | None) -> PaymentAudit:
    holds = [hold for hold in payment.holds if hold.order_id == order_id]
    currency = holds[0].amount.currency if holds else payment.currency
    return PaymentAudit(
        tenant_id=payment.tenant_id,
        reference=payment.reference,
        order_id=order_id,
        state=payment.state,
        authorized=Money(sum(hold.amount.minor for hold in holds), currency),
        captured=Money(sum(hold.captured_minor for hold in holds), currency),
        voided=Money(sum(hold.released_minor for hold in holds), currency),
        refunded=Money(sum(hold.refunded_minor for hold in holds), currency),
        authorizations=len(holds),
        live_authorizations=sum(_is_live(hold) for hold in holds),
        operations=_operations([use for use in payment.uses if use.order_id == order_id]),
    )


def _operations(uses: list[Use]) -> tuple[OperationAudit, ...]:
    by_operation: dict[tuple[str, str], list[Use]] = {}
    for use in uses:
        by_operation.setdefault((use.operation, use.operation_id), []).append(use)
    return tuple(
        OperationAudit(
            operation,
            operation_id or None,
            keys=len({use.key for use in same}),
            effects=sum(use.effects for use in same),
        )
        for (operation, operation_id), same in by_operation.items()
    )


def _is_live(hold: Hold) -> bool:
    return hold.open_minor > 0
