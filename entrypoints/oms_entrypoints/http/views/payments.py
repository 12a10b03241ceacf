"""What clients see of how an order is paid."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict
from uuid import UUID

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentStatus, TransferState
from oms_entrypoints.http.views.failures import FailureView, failure_view
from oms_entrypoints.http.views.goods import PiecesView, pieces_view
from oms_entrypoints.http.views.shown import AmountText, Shown

if TYPE_CHECKING:
    from oms_core.domain.payment import Capture, Payment, Refund


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


class CaptureView(TypedDict):
    """Held money that was taken, or is to be."""

    capture_id: UUID
    state: TransferState
    amount: AmountText
    final: Annotated[bool, Shown("What is left of the hold is released with it.")]
    requested_at: datetime
    operation_ref: Annotated[str | None, Shown("The provider's own id of it.")]
    refusal: FailureView | None


class RefundView(TypedDict):
    """Captured money that was given back, or is to be."""

    refund_id: UUID
    state: TransferState
    amount: AmountText
    lines: Annotated[list[PiecesView], Shown("For which pieces; empty: an amount by itself.")]
    reason: str | None
    requested_at: datetime
    operation_ref: Annotated[str | None, Shown("The provider's own id of it.")]
    refusal: FailureView | None


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


def capture_view(capture: Capture) -> CaptureView:
    """Show a capture."""
    return {
        "capture_id": capture.id,
        "state": capture.state,
        "amount": capture.amount.amount,
        "final": capture.final,
        "requested_at": capture.requested_at,
        "operation_ref": capture.operation_ref,
        "refusal": failure_view(capture.refusal),
    }


def refund_view(refund: Refund) -> RefundView:
    """Show a refund."""
    return {
        "refund_id": refund.id,
        "state": refund.state,
        "amount": refund.amount.amount,
        "lines": pieces_view(refund.lines),
        "reason": refund.reason,
        "requested_at": refund.requested_at,
        "operation_ref": refund.operation_ref,
        "refusal": failure_view(refund.refusal),
    }
