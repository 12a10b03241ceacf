"""Stripe as a payment provider: PaymentIntents that the shop made, driven by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from oms_adapters.payments.stripe import marks
from oms_adapters.payments.stripe.account import StripeAccount
from oms_adapters.payments.stripe.amounts import from_stripe, to_stripe
from oms_adapters.payments.stripe.references import reference_of
from oms_adapters.payments.stripe.states import (
    number,
    operation_in,
    refund_in,
    refund_result,
    snapshot_of,
    state_of,
    text,
    unreadable,
    without_release,
)
from oms_adapters.payments.stripe.verdict import Verdict
from oms_adapters.payments.stripe.webhooks import WebhookReader
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    ConfigurationError,
    IdempotencyMismatch,
    InvalidRequest,
    InvalidState,
    WebhookRejected,
)
from oms_core.ports.clock import SystemClock
from oms_core.ports.payments import Capabilities, OperationResult, OperationStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from stripe.params import (
        PaymentIntentCaptureParams,
        PaymentIntentConfirmParams,
        PaymentIntentUpdateParams,
    )

    from oms_core.ports.clock import Clock
    from oms_core.ports.payments import (
        Authorize,
        Cancel,
        Capture,
        PaymentRef,
        PaymentSnapshot,
        ProviderEvent,
        Reauthorize,
        Refund,
    )

KEY_TTL_S: Final = 86_400.0
"""How long Stripe remembers a key. Stripe: "Idempotent requests"."""

CAPABILITIES: Final = Capabilities(
    key_ttl_s=KEY_TTL_S, modification_key_ttl_s=KEY_TTL_S, can_reauthorize=False
)

_INTENT: Final = "payment_intent"
_EXPAND: Final = ["latest_charge.refunds"]
_PAGE: Final = 100
_STORED_FAILURES_MAX: Final = 5
"""How many a mark gets past, within the day for which Stripe keeps them."""
_TAKEN: Final = frozenset({PaymentState.CAPTURED, PaymentState.PARTIALLY_CAPTURED})
_HELD: Final = frozenset({PaymentState.AUTHORIZED, PaymentState.PARTIALLY_CAPTURED})
_VOID: Final = frozenset({PaymentState.CANCELLED, PaymentState.EXPIRED})


class StripePayments:
    """Holds, takes and gives back money at one Stripe account.

    Every change looks the PaymentIntent up first and acts only where it can be acted on; the
    command's key is Stripe's idempotency key. What a payment has seen of us stands in its
    metadata, so that it is found again without the key. Safe to share between threads.
    """

    def __init__(
        self,
        api_key: str,
        clock: Clock | None = None,
        *,
        webhook_secret: str | None = None,
        account: str | None = None,
        return_url: str | None = None,
        multicapture: bool = False,
        base_url: str | None = None,
        connect_timeout_s: float = 3.0,
        read_timeout_s: float = 10.0,
    ) -> None:
        """Take the account's secret or restricted key; nothing is asked yet.

        *multicapture* says that Stripe lets the account capture one payment several times, which
        it grants only to some; without it the first capture of a payment is its last.

        Without a *webhook_secret* every notification is rejected. *account* is a connected
        account to act for. *return_url* is where a customer comes back to after acting on a page
        of Stripe's or of a bank's. *base_url* is for a proxy, or for a double in tests.

        Raises:
            ConfigurationError: what cannot be right, all of it at once.
        """
        mistakes: list[str] = []
        self._clock = clock or SystemClock()
        self._return_url = return_url
        self._capabilities = evolve(CAPABILITIES, captures_in_parts=multicapture)
        self._webhooks: WebhookReader | None = None
        try:
            self._account = StripeAccount(
                api_key,
                account=account,
                base_url=base_url,
                connect_timeout_s=connect_timeout_s,
                read_timeout_s=read_timeout_s,
            )
        except ConfigurationError as error:
            mistakes += error.mistakes
        try:
            if webhook_secret is not None:
                self._webhooks = WebhookReader(webhook_secret)
        except ConfigurationError as error:
            mistakes += error.mistakes
        if mistakes:
            raise ConfigurationError(mistakes)

    @property
    def capabilities(self) -> Capabilities:
        """What Stripe can do; constant."""
        return self._capabilities

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Retrieve the PaymentIntent. Has no effect."""
        return self._tell(self._retrieve(ref))

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Confirm a PaymentIntent that awaits it; otherwise only tell its state.

        The confirm itself says for which order. A payment that the customer's browser confirmed
        is found held, and only marked.

        Raises:
            InvalidRequest: it is for another amount or currency than the order's; confirming
                it would hold the wrong sum.
        """
        wanted = to_stripe(command.amount)
        intent = self._retrieve(command.ref)
        if state_of(intent) is not PaymentState.CONFIRMABLE:
            return self._tell(self._claimed(intent, command))
        _refuse_other_amount(intent, wanted, command.amount.currency)
        if marks.may_be_referenced(intent, command.order_id):
            answer = self._confirm(command, marks.owner_reference(command.order_id))
            if not _refuses_references(answer):
                return self._confirmed(answer, command)
        return self._marked_and_confirmed(intent, command)

    def capture(self, command: Capture) -> OperationResult:
        """Take money that is held; a final capture of a part releases the rest.

        A capture of a part that is not final needs a payment for which Stripe grants
        multicapture; any other is refused by Stripe, and nothing is taken.
        """
        wanted = to_stripe(command.amount)
        mark = marks.capture_mark(command.operation_id)
        intent = self._retrieve(command.ref)
        if known := operation_in(intent, command.operation_id):
            return known
        if state_of(intent) not in _HELD:
            raise InvalidState(reason=_standing(intent))
        _refuse_other_currency(intent, command.amount.currency)
        held = number(intent, "amount_capturable")
        if wanted > held:
            raise InvalidState(reason="amount_too_large")
        params: PaymentIntentCaptureParams = {
            "amount_to_capture": wanted,
            "metadata": mark,
            "expand": _EXPAND,
        }
        if not command.final and wanted < held:
            params["final_capture"] = False
        answer = self._account.attempt(
            lambda stripe: stripe.v1.payment_intents.capture(
                command.ref.reference, params, {"idempotency_key": command.key}
            ),
            about=_INTENT,
        )
        if isinstance(answer, Verdict):
            if answer.is_decline:
                return OperationResult(OperationStatus.REJECTED, reason=answer.trouble.reason)
            return self._found_after(answer, command.ref, command.operation_id)
        result = operation_in(answer, command.operation_id)
        if result is None:
            raise unreadable()
        return result

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        """Refuse: Stripe holds money once for each PaymentIntent."""
        del command
        raise InvalidState(reason="cannot_reauthorize")

    def cancel(self, command: Cancel) -> OperationResult:
        """Void the hold, or make the PaymentIntent unusable if there is none yet.

        Stripe takes no metadata with a cancel, so the mark is made just before it; it counts
        only on a payment that is cancelled.
        """
        mark = marks.void_mark(command.operation_id)
        intent = self._retrieve(command.ref)
        if done := _void_already(intent, command):
            return done
        marked = self._account.attempt(
            lambda stripe: stripe.v1.payment_intents.update(
                command.ref.reference,
                {"metadata": mark, "expand": _EXPAND},
                {"idempotency_key": f"{command.key}/mark"},
            ),
            about=_INTENT,
        )
        if isinstance(marked, Verdict):
            return self._void_after(marked, command)
        # Another order may have come in between. What is cancelled by now is told below.
        _refuse_other_owner(marked, command.order_id)
        answer = self._account.attempt(
            lambda stripe: stripe.v1.payment_intents.cancel(
                command.ref.reference,
                {"cancellation_reason": "abandoned", "expand": _EXPAND},
                {"idempotency_key": command.key},
            ),
            about=_INTENT,
        )
        if isinstance(answer, Verdict):
            return self._void_after(answer, command)
        if state_of(answer) not in _VOID:
            raise unreadable()
        return OperationResult(OperationStatus.DONE, text(answer, "id"))

    def refund(self, command: Refund) -> OperationResult:
        """Give captured money back, once for each refund id."""
        wanted = to_stripe(command.amount)
        mark = marks.refund_mark(command.refund_id)
        intent = self._retrieve(command.ref)
        refunds = self._refunds(intent)
        if known := refund_in(refunds, command.refund_id):
            return known
        if state_of(intent) not in _TAKEN:
            raise InvalidState(reason=_standing(intent))
        _refuse_other_currency(intent, command.amount.currency)
        given = sum(number(one, "amount") for one in refunds if _may_succeed(one))
        if wanted > number(intent, "amount_received") - given:
            raise InvalidState(reason="amount_too_large")
        answer = self._account.attempt(
            lambda stripe: stripe.v1.refunds.create(
                {"payment_intent": command.ref.reference, "amount": wanted, "metadata": mark},
                {"idempotency_key": command.key},
            ),
            about="refund",
        )
        if isinstance(answer, Verdict):
            return self._found_after(answer, command.ref, command.refund_id)
        return refund_result(answer)

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        """Find a capture, cancel or refund by the mark it left; ``None``: it has no effect."""
        intent = self._retrieve(ref)
        return operation_in(intent, operation_id) or refund_in(self._refunds(intent), operation_id)

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        """Verify a notification on its raw bytes and return the event, if it is of a payment.

        Raises:
            WebhookRejected: forged, older or newer than 300 seconds, malformed, or no secret
                is configured.
        """
        if self._webhooks is None:
            raise WebhookRejected(reason="no_webhook_secret_is_configured")
        return self._webhooks.read(tenant_id, headers, body, now=self._clock.now())

    def probe(self) -> None:
        """List one PaymentIntent: needs the permission that everything else needs."""
        self._account.ask(lambda stripe: stripe.v1.payment_intents.list({"limit": 1}), about="list")

    # Reading

    def _retrieve(self, ref: PaymentRef) -> Mapping[str, Any]:
        reference = reference_of(ref)
        intent = self._account.ask(
            lambda stripe: stripe.v1.payment_intents.retrieve(reference, {"expand": _EXPAND}),
            about=_INTENT,
        )
        if intent.get("id") != reference:
            raise unreadable()
        return intent

    def _tell(self, intent: Mapping[str, Any]) -> PaymentSnapshot:
        return snapshot_of(intent, self._refunds(intent))

    def _refunds(self, intent: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return all refunds of a payment, newest first. Few have more than came with it."""
        charge = intent.get("latest_charge")
        listed = charge.get("refunds") if isinstance(charge, dict) else None
        if not isinstance(listed, dict):
            return ()
        found = _page(listed)
        while found and listed.get("has_more"):
            last = text(found[-1], "id")
            listed = self._account.ask(
                lambda stripe, last=last: stripe.v1.refunds.list(  # type: ignore[misc]
                    {"payment_intent": text(intent, "id"), "limit": _PAGE, "starting_after": last}
                ),
                about="list",
            )
            more = _page(listed)
            if not more:
                break
            found += more
        return without_release(intent, found)

    # Acting

    def _marked_and_confirmed(
        self, intent: Mapping[str, Any], command: Authorize
    ) -> PaymentSnapshot:
        """Confirm a payment that has no room for a reference of ours, once its metadata says whose.

        Another order that was faster keeps it.
        """
        if marks.owner_of(intent) != command.order_id:
            intent = self._marked(intent, command)
        if (
            state_of(intent) is PaymentState.CONFIRMABLE
            and marks.owner_of(intent) == command.order_id
        ):
            return self._confirmed(self._confirm(command), command)
        return self._tell(self._claimed(intent, command))

    def _claimed(self, intent: Mapping[str, Any], command: Authorize) -> Mapping[str, Any]:
        """Have money that is held for nobody, such as after the browser confirmed, be the order's.

        A payment that is taken, or held, for another order stays that order's.
        """
        is_free = marks.owner_of(intent) is None and state_of(intent) in {*_HELD, *_TAKEN}
        return self._marked(intent, command) if is_free else intent

    def _marked(
        self, intent: Mapping[str, Any], command: Authorize, stored_failures: int = 0
    ) -> Mapping[str, Any]:
        """Have the payment's metadata say for which order it is, if it is as it was seen.

        Several may try. Returns the payment as it is then, whoever it is for.
        """
        params: PaymentIntentUpdateParams = {
            "metadata": marks.owner_mark(command.order_id, intent),
            "expand": _EXPAND,
        }
        seen = "held"
        if state_of(intent) is PaymentState.CONFIRMABLE:
            seen = str(marks.owner_of(intent) or "nobody")
            # As it is. Stripe changes no amount once money is held: the money of an order that
            # confirmed after our look-up is not taken over.
            params["amount"] = number(intent, "amount")
        # The same for all who saw the payment as it is: Stripe lets one of them through, and
        # tells the others that the key was used with other parameters.
        key = f"oms-owner/{command.ref.reference}/{seen}"
        answer = self._update(command, params, f"{key}/{stored_failures}")
        if not isinstance(answer, Verdict):
            return answer
        if not answer.is_replay:
            if not isinstance(answer.trouble, IdempotencyMismatch | InvalidState):
                raise answer.trouble
            now = self._retrieve(command.ref)
            if (marks.owner_of(now), state_of(now)) != (marks.owner_of(intent), state_of(intent)):
                return now
        # A failure that Stripe stored, maybe another order's, and repeats for a day. All go on
        # to the next key, so that again one of them gets through.
        if stored_failures == _STORED_FAILURES_MAX:
            raise answer.trouble
        return self._marked(intent, command, stored_failures + 1)

    def _update(
        self, command: Authorize, params: PaymentIntentUpdateParams, key: str
    ) -> Mapping[str, Any] | Verdict:
        return self._account.attempt(
            lambda stripe: stripe.v1.payment_intents.update(
                command.ref.reference, params, {"idempotency_key": key}
            ),
            about=_INTENT,
        )

    def _confirm(
        self, command: Authorize, order_reference: str | None = None
    ) -> Mapping[str, Any] | Verdict:
        """Have Stripe hold the money, and write in the same call for which order.

        Without a reference the payment's metadata must say it.
        """
        params: PaymentIntentConfirmParams = {"expand": _EXPAND}
        key = command.key
        if order_reference is not None:
            params["payment_details"] = {"order_reference": order_reference}
            # Stripe takes a key with one set of parameters only.
            key = f"{command.key}/reference"
        if self._return_url is not None:
            params["return_url"] = self._return_url
        return self._account.attempt(
            lambda stripe: stripe.v1.payment_intents.confirm(
                command.ref.reference, params, {"idempotency_key": key}
            ),
            about=_INTENT,
        )

    def _confirmed(
        self, answer: Mapping[str, Any] | Verdict, command: Authorize
    ) -> PaymentSnapshot:
        """Tell what became of a payment after Stripe answered its confirm."""
        if not isinstance(answer, Verdict):
            return self._tell(self._claimed(answer, command))
        if not isinstance(answer.trouble, InvalidState):
            raise answer.trouble
        # Somebody else confirmed it, maybe the browser, and then it does not say for whom.
        seen = self._tell(self._claimed(self._retrieve(command.ref), command))
        if answer.is_decline and seen.state in {
            PaymentState.CONFIRMABLE,
            PaymentState.REQUIRES_ACTION,
        }:
            # The answer of a former attempt, under the same key: the customer must decide anew.
            return evolve(
                seen,
                state=PaymentState.DECLINED,
                reason=answer.trouble.reason,
                next_action=None,
            )
        if seen.state is PaymentState.CONFIRMABLE:
            raise answer.trouble
        return seen

    def _found_after(self, verdict: Verdict, ref: PaymentRef, operation_id: str) -> OperationResult:
        """Find an operation that Stripe refused because it was done already."""
        if isinstance(verdict.trouble, InvalidState) and (
            found := self.find_operation(ref, operation_id)
        ):
            return found
        raise verdict.trouble

    def _void_after(self, verdict: Verdict, command: Cancel) -> OperationResult:
        """Find a payment cancelled that Stripe did not let us cancel."""
        if isinstance(verdict.trouble, InvalidState) and (
            done := _void_already(self._retrieve(command.ref), command)
        ):
            return done
        raise verdict.trouble


def _void_already(intent: Mapping[str, Any], command: Cancel) -> OperationResult | None:
    """Tell whether there is nothing left to cancel; refuse what must not be cancelled."""
    _refuse_other_owner(intent, command.order_id)
    state = state_of(intent)
    if state in _TAKEN:
        raise InvalidState(reason=_standing(intent))
    return OperationResult(OperationStatus.DONE, text(intent, "id")) if state in _VOID else None


def _refuse_other_owner(intent: Mapping[str, Any], order_id: UUID) -> None:
    if marks.owner_of(intent) not in {None, order_id}:
        raise InvalidState(reason="payment_of_another_order")


def _refuse_other_amount(intent: Mapping[str, Any], wanted: int, currency: str) -> None:
    _refuse_other_currency(intent, currency)
    if number(intent, "amount") != wanted:
        raise InvalidRequest(reason="amount_mismatch")


def _refuse_other_currency(intent: Mapping[str, Any], currency: str) -> None:
    if from_stripe(0, text(intent, "currency")).currency != currency:
        raise InvalidRequest(reason="currency_mismatch")


def _standing(intent: Mapping[str, Any]) -> str:
    return f"payment_is_{state_of(intent)}"


def _refuses_references(answer: Mapping[str, Any] | Verdict) -> bool:
    return isinstance(answer, Verdict) and answer.refused_parameter == "payment_details"


def _may_succeed(refund: Mapping[str, Any]) -> bool:
    return refund_result(refund).status is not OperationStatus.REJECTED


def _page(listed: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    data = listed.get("data")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise unreadable()
    return data
