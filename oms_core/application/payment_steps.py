"""The steps of an order's sagas that hold money, or let go of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from attrs import frozen

from oms_core.application.effect_keys import key_is_used_up, may_be_repeated
from oms_core.application.saga import Done, NewGeneration, Refused, Stuck, Waiting
from oms_core.domain.failure import FailureReason
from oms_core.domain.payment import Authorization, PaymentState
from oms_core.errors import (
    CredentialsRejected,
    InvalidRequest,
    InvalidState,
    PaymentNotFound,
)
from oms_core.ports.payments import Authorize, Cancel, OperationStatus, PaymentRef, Refund

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.application.payment_directory import PaymentDirectory
    from oms_core.application.saga import StepOutcome, Work
    from oms_core.application.saga_settings import PlaceOrderSettings
    from oms_core.domain.order import Order
    from oms_core.ports.payments import OperationResult, PaymentProvider, PaymentSnapshot

ACTION_DEADLINE: Final = FailureReason(
    "action_deadline", "The customer did not complete the payment in time."
)
PAYMENT_DEADLINE: Final = FailureReason(
    "payment_deadline", "The payment provider did not decide in time."
)
RELEASE_DEADLINE: Final = FailureReason(
    "release_pending",
    "The payment provider has not confirmed for long that the money is released.",
)
PAYMENT_UNAVAILABLE: Final = FailureReason(
    "payment_unavailable", "The payment provider gave no answer for too long."
)

MISMATCHES: Final = frozenset({"amount_mismatch", "currency_mismatch"})
"""With these reasons a provider refuses to hold another sum than the order's; see the port."""


@frozen
class PaymentSteps:
    """Hold exactly an order's total, or see to it that nothing is held or kept."""

    payments: PaymentDirectory
    settings: PlaceOrderSettings

    def hold(self, work: Work) -> StepOutcome:
        """Have the provider hold exactly the total."""
        order = work.order
        if not order.total:
            return Done(lambda order, at: order.need_no_payment(at=at))
        provider, ref = self.provider_of(order), ref_of(order)
        try:
            if self._key_is_used_up(work, provider.capabilities.key_ttl_s):
                return self._prove_no_effect(work, provider.lookup(ref))
            snapshot = self._authorize(provider, ref, work)
        except PaymentNotFound:
            return _payment_refused(
                FailureReason(
                    "payment_not_found", "The payment provider does not know the reference."
                )
            )
        except InvalidRequest as error:
            return _payment_refused(_invalid(order, error))
        return self._judge(work, snapshot)

    def let_go(self, work: Work) -> StepOutcome:
        """Look the payment up, then void it, refund it, or leave it alone."""
        order = work.order
        if not order.total:
            return Done()
        provider, ref = self.provider_of(order), ref_of(order)
        try:
            return self._let_go(work, provider, ref, provider.lookup(ref))
        except PaymentNotFound:
            return Done()
        except InvalidState:
            # It moved between look-up and action, e.g. from held to captured: look again.
            return self._wait_for_release(poll_s=1.0)

    def _let_go(
        self, work: Work, provider: PaymentProvider, ref: PaymentRef, snapshot: PaymentSnapshot
    ) -> StepOutcome:
        order = work.order
        if snapshot.order_id is not None and snapshot.order_id != order.id:
            return Done()
        match snapshot.state:
            case PaymentState.CAPTURED | PaymentState.PARTIALLY_CAPTURED:
                return self._give_back(work, provider, snapshot)
            case PaymentState.DECLINED | PaymentState.CANCELLED | PaymentState.EXPIRED:
                if order.payment.authorization is None:
                    return Done()
                return Done(lambda order, at: order.record_payment_released(at=at))
            case _:
                # Also what is not held yet: a late authorize must find it forbidden.
                if self._key_is_used_up(work, provider.capabilities.modification_key_ttl_s):
                    return NewGeneration()
                command = Cancel(ref, order.id, f"{order.id}:void", work.key("void"))
                return self._released(provider.cancel(command))

    def _give_back(
        self, work: Work, provider: PaymentProvider, snapshot: PaymentSnapshot
    ) -> StepOutcome:
        order = work.order
        outstanding = snapshot.captured - snapshot.refunded
        captured = snapshot.captured
        given_back: StepOutcome = Done(
            lambda order, at: order.record_payment_released(captured, at=at)
        )
        if snapshot.state is PaymentState.PARTIALLY_CAPTURED:
            # No provider voids what is left of it for us; the order must not end before.
            given_back = Stuck(
                "rest_still_held",
                "Somebody captured a part of the payment. That part is given back, but the "
                "provider still holds the rest. Void it there, then retry the order.",
            )
        if not outstanding:
            return given_back
        # Another sum is another refund: somebody may have given a part back by hand.
        name = f"refund/{snapshot.refunded.minor}"
        refund_id = f"{order.id}:{name}/{order.saga.generation}"
        ttl_s = provider.capabilities.modification_key_ttl_s
        if self._key_is_used_up(work, ttl_s):
            found = provider.find_operation(ref_of(order), refund_id)
            if found is None:
                return NewGeneration()
            if not may_be_repeated(work, found, ttl_s=ttl_s):
                return self._released(found, given_back)
        result = provider.refund(Refund(ref_of(order), outstanding, refund_id, work.key(name)))
        return self._released(result, given_back)

    def _released(
        self,
        result: OperationResult,
        done: StepOutcome = Done(lambda order, at: order.record_payment_released(at=at)),  # noqa: B008 - frozen
    ) -> StepOutcome:
        match result.status:
            case OperationStatus.DONE:
                return done
            case OperationStatus.PENDING:
                return self._wait_for_release()
            case OperationStatus.REJECTED:
                return Stuck(
                    "release_rejected",
                    "The payment provider refuses to release the money"
                    f" ({result.reason or 'no reason given'}). Settle it with the provider, "
                    "then retry the order.",
                    had_no_effect=True,
                )
            case _:
                assert_never(result.status)

    def _wait_for_release(self, poll_s: float | None = None) -> Waiting:
        return Waiting(
            "payment_release",
            poll_s=poll_s or self.settings.poll_s,
            deadline_s=self.settings.pending_deadline_s,
            too_late=RELEASE_DEADLINE,
            gives_up=False,
        )

    @staticmethod
    def _authorize(provider: PaymentProvider, ref: PaymentRef, work: Work) -> PaymentSnapshot:
        order = work.order
        try:
            return provider.authorize(Authorize(ref, order.total, order.id, work.key("authorize")))
        except InvalidState:
            # It moved between the provider's look-up and action; what it says now decides.
            return provider.lookup(ref)

    def _judge(self, work: Work, snapshot: PaymentSnapshot) -> StepOutcome:
        order = work.order
        if snapshot.order_id is not None and snapshot.order_id != order.id:
            return _payment_refused(
                FailureReason(
                    "payment_reference_in_use",
                    "The payment backs another order at the payment provider.",
                )
            )
        match snapshot.state:
            case PaymentState.AUTHORIZED | PaymentState.CAPTURED:
                return _held(order, snapshot)
            case PaymentState.PARTIALLY_CAPTURED:
                return _payment_refused(_mismatch(order, snapshot))
            case PaymentState.DECLINED:
                return _payment_refused(
                    FailureReason("payment_declined", "The payment was declined.", snapshot.reason)
                )
            case PaymentState.CANCELLED | PaymentState.EXPIRED:
                return _payment_refused(
                    FailureReason(
                        f"payment_{snapshot.state}",
                        f"The payment is {snapshot.state} at the payment provider.",
                    )
                )
            case PaymentState.REQUIRES_ACTION:
                return Waiting(
                    "customer_action",
                    poll_s=self.settings.poll_s,
                    deadline_s=self.settings.action_deadline_s,
                    too_late=ACTION_DEADLINE,
                    apply=lambda order, at: order.await_customer(
                        next_action=snapshot.next_action, at=at
                    ),
                )
            case PaymentState.PENDING | PaymentState.CONFIRMABLE:
                return Waiting(
                    "payment_pending",
                    poll_s=self.settings.poll_s,
                    deadline_s=self.settings.pending_deadline_s,
                    too_late=PAYMENT_DEADLINE,
                    apply=lambda order, at: order.await_provider(at=at),
                )
            case _:
                assert_never(snapshot.state)

    def _key_is_used_up(self, work: Work, ttl_s: float) -> bool:
        return key_is_used_up(work, ttl_s=ttl_s, proof_after_s=self.settings.proof_after_s)

    def _prove_no_effect(self, work: Work, snapshot: PaymentSnapshot) -> StepOutcome:
        if snapshot.state is PaymentState.CONFIRMABLE:
            return NewGeneration()
        return self._judge(work, snapshot)

    def provider_of(self, order: Order) -> PaymentProvider:
        """Return the provider that the order began with.

        Raises:
            CredentialsRejected: it is not configured any more.
        """
        provider = self.payments.reach(order.scope.tenant_id, order.payment.provider)
        if provider is None:
            raise CredentialsRejected(
                f"provider {order.payment.provider} is not configured any more"
            )
        return provider


def ref_of(order: Order) -> PaymentRef:
    """Name the order's payment to its provider."""
    return PaymentRef(order.scope.tenant_id, order.payment.reference)


def _held(order: Order, snapshot: PaymentSnapshot) -> StepOutcome:
    captured = snapshot.captured if snapshot.state is PaymentState.CAPTURED else None
    if snapshot.authorized != order.total or captured not in {None, order.total}:
        return _payment_refused(_mismatch(order, snapshot))
    held = Authorization(snapshot.authorized, snapshot.expires_at, snapshot.provider_id)

    def authorize(order: Order, at: datetime) -> Order:
        return order.authorize_payment(held, captured=captured, at=at)

    return Done(authorize)


def _mismatch(order: Order, snapshot: PaymentSnapshot) -> FailureReason:
    return FailureReason(
        "amount_mismatch",
        f"The order costs {order.total} but the payment holds {snapshot.authorized}.",
    )


def _invalid(order: Order, error: InvalidRequest) -> FailureReason:
    if error.reason in MISMATCHES:
        # Nothing is held yet: a provider that holds what its payment says was stopped in time.
        return FailureReason(
            "amount_mismatch",
            f"The order costs {order.total} but the payment is for another amount or currency.",
            error.reason,
        )
    return FailureReason(
        "payment_invalid_request",
        "The payment provider refuses the request as invalid.",
        error.reason or None,
    )


def _payment_refused(reason: FailureReason) -> Refused:
    return Refused(reason, lambda order, at: order.record_refusal(reason, at=at))
