"""What clients see of how an order is paid."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentStatus
from oms_entrypoints.http.views.shown import AmountText, Shown

if TYPE_CHECKING:
    from oms_core.domain.payment import Payment


class PaymentView(TypedDict):
    """How an order is paid; the amounts equal the provider's own sums."""

    provider: str
    reference: str
    status: PaymentStatus
    authorized: AmountText
    captured: AmountText
    refunded: AmountText
    authorization_id: Annotated[str | None, Shown("The provider's own id of the authorization.")]
    authorization_expires_at: datetime | None


def payment_view(payment: Payment, currency: str) -> PaymentView:
    """Show how an order is paid."""
    held = payment.authorization
    return {
        "provider": payment.provider,
        "reference": payment.reference,
        "status": payment.status,
        "authorized": (Money.zero(currency) if held is None else held.amount).amount,
        "captured": payment.captured.amount,
        "refunded": payment.refunded.amount,
        "authorization_id": None if held is None else held.provider_id,
        "authorization_expires_at": None if held is None else held.expires_at,
    }
