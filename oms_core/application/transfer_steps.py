"""The steps of an order's sagas that take held money, or give captured money back."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from attrs import frozen

from oms_core.application.effect_keys import key_is_used_up, may_be_repeated
from oms_core.application.payment_steps import ref_of
from oms_core.application.saga import Done, NewGeneration, Refused, Waiting
from oms_core.domain.appointing import appoint
from oms_core.domain.capturing import await_capture, record_capture, reject_capture
from oms_core.domain.failure import FailureReason
from oms_core.domain.operation import OperationKind
from oms_core.domain.payment import TransferState
from oms_core.domain.refunding import await_refund, record_refund, reject_refund
from oms_core.errors import InvalidRequest, InvalidState, PaymentNotFound
from oms_core.ports.payments import Capture, OperationResult, OperationStatus, Refund

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.payment_steps import PaymentSteps
    from oms_core.application.saga import StepOutcome, Work
    from oms_core.domain.order import Order
    from oms_core.ports.payments import PaymentProvider

PENDING: Final = OperationResult(OperationStatus.PENDING)
PAUSE_MAX: Final = timedelta(days=1)
"""Between two looks at a payment."""
CAPTURE_PENDING: Final = FailureReason(
    "capture_pending", "The payment provider has not confirmed a capture for long."
)
PAYMENT_LAPSED: Final = FailureReason(
    "payment_lapsed",
    "Nothing is held for the order any more, so it cannot be paid for. Let the customer pay "
    "anew, in a new order.",
)
ORDER_IS_OVER: Final = FailureReason(
    "order_is_over",
    "The order was refunded before its turn had come; no money is taken for it any more.",
)


@frozen
class TransferSteps:
    """Move money once for each capture and refund that the order has written down."""

    payments: PaymentSteps

    def capture(self, work: Work) -> StepOutcome:
        """Take the money that the present operation wrote down, if it wrote any down."""
        order = work.order
        capture = order.payment.capture(order.operation_id)
        if capture is None or not capture.state.is_open:
            return Done()
        if order.status.is_final:
            return Refused(ORDER_IS_OVER)
        if order.payment.authorization is None:
            return Refused(PAYMENT_LAPSED)
        provider, name = self.payments.provider_of(order), capture_name(order, capture.id)
        is_used_up = self._key_is_used_up(work)
        if is_used_up or capture.state is TransferState.PENDING:
            found = provider.find_operation(ref_of(order), name)
            if found is not None and not self._is_to_be_repeated(work, found):
                return self._captured(capture.id, found)
            if found is None and is_used_up and capture.state is TransferState.PENDING:
                # It was accepted: what the provider no longer knows the key of is not sent anew.
                return self._captured(capture.id, PENDING)
            if found is None and is_used_up:
                return NewGeneration()
        command = Capture(ref_of(order), capture.amount, name, work.key(name), final=capture.final)
        try:
            result = provider.capture(command)
        except (InvalidState, InvalidRequest, PaymentNotFound) as refused:
            # It may have been ours: refused is only what left no trace.
            found = _trace_of(provider, order, name)
            if found is None:
                return Refused(
                    FailureReason(
                        "capture_impossible",
                        "The payment provider does not let the money be taken.",
                        refused.reason or None,
                    ),
                    lambda order, at: appoint(order, OperationKind.CHECK_PAYMENT, at=at),
                )
            result = found
        return self._captured(capture.id, result)

    def settle_capture(self, work: Work) -> StepOutcome:
        """After a refusal: see whether the provider took the money all the same."""
        order = work.order
        capture = order.payment.capture(order.operation_id)
        if capture is None or not capture.state.is_open or order.payment.authorization is None:
            return Done()
        provider, name = self.payments.provider_of(order), capture_name(order, capture.id)
        found = _trace_of(provider, order, name)
        if found is None or found.status is OperationStatus.REJECTED:
            return Done()
        return self._captured(capture.id, found)

    def refund(self, work: Work) -> StepOutcome:
        """Give the money back that the present operation wrote down."""
        order = work.order
        refund = order.payment.refund(order.operation_id)
        if refund is None or not refund.state.is_open:
            return Done()
        provider, name = self.payments.provider_of(order), refund_name(order, refund.id)
        if self._key_is_used_up(work):
            found = provider.find_operation(ref_of(order), name)
            if found is None:
                return NewGeneration()
            if not self._is_to_be_repeated(work, found):
                return self._refunded(refund.id, found)
        command = Refund(ref_of(order), refund.amount, name, work.key(name))
        try:
            result = provider.refund(command)
        except (InvalidState, InvalidRequest, PaymentNotFound) as refused:
            found = _trace_of(provider, order, name)
            if found is None:
                return Refused(
                    FailureReason(
                        "refund_impossible",
                        "The payment provider does not let the money be given back.",
                        refused.reason or None,
                    ),
                    lambda order, at: appoint(order, OperationKind.CHECK_PAYMENT, at=at),
                )
            result = found
        return self._refunded(refund.id, result)

    def settle_refund(self, work: Work) -> StepOutcome:
        """After a refusal: see whether the provider gave the money back all the same."""
        order = work.order
        refund = order.payment.refund(order.operation_id)
        if refund is None or not refund.state.is_open:
            return Done()
        name = refund_name(order, refund.id)
        found = _trace_of(self.payments.provider_of(order), order, name)
        if found is None or found.status is OperationStatus.REJECTED:
            return Done()
        return self._refunded(refund.id, found)

    def _captured(self, capture_id: UUID, result: OperationResult) -> StepOutcome:
        match result.status:
            case OperationStatus.DONE:
                return Done(
                    lambda order, at: record_capture(order, capture_id, result.operation_ref, at=at)
                )
            case OperationStatus.PENDING:
                settings = self.payments.settings
                return Waiting(
                    "capture_pending",
                    poll_s=settings.poll_s,
                    deadline_s=settings.pending_deadline_s,
                    too_late=CAPTURE_PENDING,
                    apply=lambda order, _: await_capture(order, capture_id, result.operation_ref),
                    gives_up=False,
                )
            case OperationStatus.REJECTED:
                return Refused(
                    FailureReason(
                        "capture_rejected",
                        "The payment provider refused to take the money.",
                        result.reason,
                    )
                )
            case _:
                assert_never(result.status)

    def _refunded(self, refund_id: UUID, result: OperationResult) -> StepOutcome:
        match result.status:
            case OperationStatus.DONE:
                return Done(
                    lambda order, at: record_refund(order, refund_id, result.operation_ref, at=at)
                )
            case OperationStatus.PENDING:
                # It may take days, and the order is not to stand still meanwhile.
                return Done(
                    lambda order, at: self.look_again(
                        await_refund(order, refund_id, result.operation_ref, at=at), at
                    )
                )
            case OperationStatus.REJECTED:
                return Refused(
                    FailureReason(
                        "refund_rejected",
                        "The payment provider refused to give the money back.",
                        result.reason,
                    )
                )
            case _:
                assert_never(result.status)

    def look_again(self, order: Order, at: datetime) -> Order:
        """Appoint the next look at refunds that the provider has not decided."""
        undecided = [one.requested_at for one in order.payment.refunds if one.state.is_open]
        due_at = next_look(min(undecided, default=at), at, self.payments.settings.recheck_s)
        return appoint(order, OperationKind.CHECK_PAYMENT, at=at, due_at=due_at)

    def _is_to_be_repeated(self, work: Work, found: OperationResult) -> bool:
        capabilities = self.payments.provider_of(work.order).capabilities
        return may_be_repeated(work, found, ttl_s=capabilities.modification_key_ttl_s)

    def _key_is_used_up(self, work: Work) -> bool:
        provider = self.payments.provider_of(work.order)
        return key_is_used_up(
            work,
            ttl_s=provider.capabilities.modification_key_ttl_s,
            proof_after_s=self.payments.settings.proof_after_s,
        )


def next_look(since: datetime, at: datetime, recheck_s: float) -> datetime:
    """Say when to look again at what is open *since* then.

    The longer it takes, the rarer, but at least once a day: every look is remembered, and an
    order must fit its document however long a provider takes.
    """
    pause = max(timedelta(seconds=recheck_s), (at - since) / 2)
    return at + min(pause, PAUSE_MAX)


def capture_name(order: Order, capture_id: UUID) -> str:
    """Name a capture to the provider, the same on every repeat."""
    return f"{order.id}:capture/{capture_id}"


def refund_name(order: Order, refund_id: UUID) -> str:
    """Name a refund to the provider, the same on every repeat."""
    return f"{order.id}:refund/{refund_id}"


def close_capture(order: Order, at: datetime) -> Order:
    """Record that the present operation's capture took nothing, if it did not."""
    if order.refusal is None:
        return order
    return reject_capture(order, order.operation_id, order.refusal, at=at)


def close_refund(order: Order, at: datetime) -> Order:
    """Record that the present operation's refund gave nothing back, if it did not."""
    if order.refusal is None:
        return order
    return reject_refund(order, order.operation_id, order.refusal, at=at)


def _trace_of(provider: PaymentProvider, order: Order, name: str) -> OperationResult | None:
    """Find what a refused call left at the provider, which may not even know the payment."""
    try:
        return provider.find_operation(ref_of(order), name)
    except PaymentNotFound:
        return None
