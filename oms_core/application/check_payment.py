"""Comparing orders with what their providers say, and seeing to holds before they lapse."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from oms_core.application.payment_steps import ref_of
from oms_core.application.saga import Done
from oms_core.application.transfer_steps import next_look, refund_name
from oms_core.domain.appointing import appoint, appoint_renewal, renew_authorization
from oms_core.domain.capturing import capturable
from oms_core.domain.correcting import correct
from oms_core.domain.failure import FailureReason
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.payment import PaymentState, PaymentStatus
from oms_core.domain.refunding import record_refund, reject_refund
from oms_core.domain.saga_position import Attention
from oms_core.errors import InvalidState, PaymentNotFound
from oms_core.ports.payments import OperationStatus, Reauthorize

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.payment_steps import PaymentSteps
    from oms_core.application.saga import StepOutcome, Work
    from oms_core.application.transfer_steps import TransferSteps
    from oms_core.domain.order import Order
    from oms_core.domain.payment import Authorization
    from oms_core.ports.payments import OperationResult, PaymentProvider, PaymentSnapshot

HOLDS_MONEY: Final = frozenset(
    {PaymentState.AUTHORIZED, PaymentState.PARTIALLY_CAPTURED, PaymentState.CAPTURED}
)
PAYMENT_UNKNOWN: Final = FailureReason(
    "payment_unknown",
    "The payment provider no longer knows the order's payment. Ask the provider.",
)
MONEY_OF_A_DEAD_ORDER: Final = FailureReason(
    "money_of_a_dead_order",
    "The order is over, but the payment provider holds money under its reference and does not "
    "say for whom. If no other order uses the payment, void or refund it there.",
)
AUTHORIZATION_EXPIRES: Final = FailureReason(
    "authorization_expires",
    "The hold on the customer's money is about to lapse and this provider cannot make it anew. "
    "Capture the payment or cancel the order.",
)
PROVIDER_SILENT: Final = FailureReason(
    "provider_silent",
    "The payment provider gave no answer for too long. It is asked again later; what else is "
    "asked of the order goes on.",
)


@frozen
class PaymentCheck:
    """Takes over what the provider says; its word counts."""

    payments: PaymentDirectory
    steps: PaymentSteps
    transfers: TransferSteps

    def check(self, work: Work) -> StepOutcome:
        """Look the payment up, settle what was pending, and correct what differs."""
        order = work.order
        if not order.total:
            return Done()
        provider = self.steps.provider_of(order)
        try:
            # In this order: a refund that settles in between is in the sums, and still open here.
            # The other way round its end would be recorded, and then corrected by older sums.
            refunds = self._refund_ends(order, provider)
            snapshot = provider.lookup(ref_of(order))
            if order.status.is_dead:
                return self._late(work, snapshot)
        except PaymentNotFound:
            if order.payment.authorization is None:
                return Done()
            return Done(flag=PAYMENT_UNKNOWN)

        def record(order: Order, at: datetime) -> Order:
            for refund_id, result in refunds.items():
                if result.status is OperationStatus.DONE:
                    order = record_refund(order, refund_id, result.operation_ref, at=at)
                elif result.status is OperationStatus.REJECTED:
                    reason = FailureReason(
                        "refund_rejected",
                        "The payment provider refused to give the money back.",
                        result.reason,
                    )
                    order = reject_refund(order, refund_id, reason, at=at)
            if any(one.state.is_open for one in order.payment.refunds):
                order = self.transfers.look_again(order, at)
            return correct(order, snapshot.state, snapshot.captured, snapshot.refunded, at=at)

        return Done(record)

    def try_later(self, order: Order, at: datetime) -> Order:
        """Ask again later, and let what else is asked of the order go on meanwhile."""
        asked = order.present_operation
        if asked is None:
            return order
        same = [one for one in order.operations if one.kind is asked.kind]
        in_vain_since = asked.requested_at
        for one in reversed(same[:-1]):
            if one.state is not OperationState.REFUSED:
                break
            in_vain_since = one.requested_at
        due_at = next_look(in_vain_since, at, self.steps.settings.recheck_s)
        attention = Attention(PROVIDER_SILENT.code, PROVIDER_SILENT.message, at)
        return appoint(order.call_for_attention(attention), asked.kind, at=at, due_at=due_at)

    @staticmethod
    def _refund_ends(order: Order, provider: PaymentProvider) -> dict[UUID, OperationResult]:
        ends = {}
        for refund in order.payment.refunds:
            if refund.state.is_open:
                found = provider.find_operation(ref_of(order), refund_name(order, refund.id))
                if found is not None:
                    ends[refund.id] = found
        return ends

    def _late(self, work: Work, snapshot: PaymentSnapshot) -> StepOutcome:
        """Let go of money that came to be held after the order had ended."""
        order = work.order
        is_given_back = bool(snapshot.captured) and snapshot.refunded >= snapshot.captured
        if snapshot.state not in HOLDS_MONEY or is_given_back:
            return Done()
        if snapshot.order_id is None:
            return Done(flag=MONEY_OF_A_DEAD_ORDER)
        if snapshot.order_id != order.id:
            return Done()
        return self.steps.let_go(work)

    def renew(self, work: Work) -> StepOutcome:
        """Make a hold anew that is about to lapse, or call a person."""
        order = work.order
        held = order.payment.authorization
        if held is None or not capturable(order):
            return Done()
        if order.payment.status is not PaymentStatus.AUTHORIZED:
            return Done(flag=AUTHORIZATION_EXPIRES)
        provider = self.steps.provider_of(order)
        if not provider.capabilities.can_reauthorize:
            return Done(flag=AUTHORIZATION_EXPIRES)
        name = f"renewal/{order.operation_id}"
        command = Reauthorize(
            ref_of(order), held.amount, order.id, f"{order.id}:{name}", work.key(name)
        )
        try:
            snapshot = provider.reauthorize(command)
        except InvalidState as refused:
            return _renewed_later(held, refused, work.now)
        if snapshot.state is not PaymentState.AUTHORIZED or not _lasts_longer(snapshot, held):
            return Done(flag=AUTHORIZATION_EXPIRES)
        policy = self.payments.policy_of(order.scope.tenant_id, order.payment.provider)

        def record(order: Order, at: datetime) -> Order:
            renewed = renew_authorization(order, snapshot.expires_at, snapshot.provider_id, at=at)
            return appoint_renewal(renewed, before_s=policy.renew_before_s, at=at)

        return Done(record)


def _renewed_later(held: Authorization, refused: InvalidState, now: datetime) -> Done:
    """Appoint the renewal of a hold that is too young, if it can still come in time."""
    if refused.retry_after_s is None:
        return Done(flag=AUTHORIZATION_EXPIRES)
    due_at = now + timedelta(seconds=refused.retry_after_s)
    if held.expires_at is not None and due_at >= held.expires_at:
        return Done(flag=AUTHORIZATION_EXPIRES)
    kind = OperationKind.RENEW_AUTHORIZATION
    return Done(lambda order, at: appoint(order, kind, at=at, due_at=due_at))


def _lasts_longer(snapshot: PaymentSnapshot, held: Authorization) -> bool:
    """Tell whether anything was gained; else it would be tried ever more often until the end."""
    if snapshot.expires_at is None or held.expires_at is None:
        return True
    return snapshot.expires_at > held.expires_at
