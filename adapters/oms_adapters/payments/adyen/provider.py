"""Adyen as a payment provider: it cannot be asked, so what it notified is what is true."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from attrs import evolve

from oms_adapters.payments.adyen.amounts import value_of
from oms_adapters.payments.adyen.book import HELD, read_book
from oms_adapters.payments.adyen.checkout import PSP_REFERENCE, Checkout
from oms_adapters.payments.adyen.journal import Modification, Request, Step
from oms_adapters.payments.adyen.webhooks import NotificationReader
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    IdempotencyMismatch,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    RetryableNotExecuted,
    StorageTrouble,
)
from oms_core.ports.clock import SystemClock
from oms_core.ports.inbox import InboxState, ReceivedEvent
from oms_core.ports.payments import Capabilities, OperationResult, OperationStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from oms_adapters.payments.adyen.account import AdyenAccount
    from oms_adapters.payments.adyen.book import Book
    from oms_core.domain.money import Money
    from oms_core.ports.clock import Clock
    from oms_core.ports.inbox import WebhookInbox
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

KEY_TTL_S: Final = 7 * 86_400.0
"""Adyen, "API idempotency": keys are valid for at least 7 days."""
_FRESH_PART_OF_TTL: Final = 0.8
"""A key this near to being forgotten is not relied on any more."""
_KEY_CHARACTERS_MAX: Final = 64
_OPERATION_ID_CHARACTERS_MAX: Final = 255
_LOCKS: Final = 64

CAPABILITIES: Final = Capabilities(
    can_lookup=False,
    asynchronous_modifications=True,
    captures_in_parts=False,
    can_reauthorize=False,
    key_ttl_s=KEY_TTL_S,
    modification_key_ttl_s=KEY_TTL_S,
)
_TAKEN: Final = frozenset({PaymentState.CAPTURED, PaymentState.PARTIALLY_CAPTURED})
_OVER: Final = frozenset({PaymentState.DECLINED, PaymentState.CANCELLED, PaymentState.EXPIRED})


class AdyenPayments:
    """Payments that a customer made at Adyen, by their ``pspReference``.

    The money is held by the customer's own device before the order comes; what is asked here
    is to take it, to let go of it, or to give it back. No payment is believed before Adyen
    notified it: until then it is PENDING, whatever its reference claims.

    Every state is folded from the *inbox*. The adapter keeps its own journal there too, so one
    inbox must serve all processes that use the account.
    """

    def __init__(
        self,
        account: AdyenAccount,
        inbox: WebhookInbox,
        clock: Clock | None = None,
        name: str = "adyen",
        *,
        captures_in_parts: bool = False,
    ) -> None:
        """Speak for *account* under the configured *name*, under which the inbox knows it.

        *captures_in_parts* says that Adyen's support has enabled multiple partial captures for
        the account; without it the first capture of a payment is its last.
        """
        self.name = name
        self._capabilities = evolve(CAPABILITIES, captures_in_parts=captures_in_parts)
        self._inbox = inbox
        self._clock = clock or SystemClock()
        self._checkout = Checkout(account)
        self._reader = NotificationReader(account)
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do; constant."""
        return self._capabilities

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Tell the payment's state from what was notified. Has no effect.

        Raises:
            PaymentNotFound: the reference cannot be a pspReference.
        """
        return self._book(ref).snapshot()

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Tell the payment's state: the customer's own device has it authorized."""
        value_of(command.amount)
        return self._book(command.ref).snapshot(command.amount.currency)

    def capture(self, command: Capture) -> OperationResult:
        """Ask for the money that is held, once for each operation id.

        After a final capture nothing more is captured, also where Adyen goes on to hold the
        rest: nothing that is documented releases it, so it lapses by itself.
        """

        def check(book: Book) -> None:
            _check_state(book, HELD)
            _check_currency(book, command.amount)
            others = book.under_way(Modification.CAPTURE)
            if any(one.final for one in others) or book.under_way(Modification.CANCEL):
                raise InvalidState(reason="another_operation_is_under_way")
            if book.has_failed_capture:
                raise InvalidState(reason="a_capture_failed")
            value, held = value_of(command.amount), book.capturable_value
            if value > held:
                raise InvalidState(reason="amount_too_large")
            if value < held and not (command.final or self._capabilities.captures_in_parts):
                raise InvalidRequest(reason="a_payment_is_captured_once")

        request = _request(Modification.CAPTURE, command.operation_id, command.key, command.amount)
        return self._modify(command.ref, evolve(request, final=command.final), check)

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        """Refuse: a hold at Adyen cannot be made anew without the customer's card.

        Raises:
            InvalidState: always.
        """
        del command
        raise InvalidState(reason="cannot_reauthorize")

    def cancel(self, command: Cancel) -> OperationResult:
        """Ask to void the payment, whether or not anything of it was heard yet."""

        def check(book: Book) -> None:
            if book.captured_value or book.under_way(Modification.CAPTURE):
                raise InvalidState(reason="already_captured")

        request = _request(Modification.CANCEL, command.operation_id, command.key)
        return self._modify(command.ref, request, check)

    def refund(self, command: Refund) -> OperationResult:
        """Ask to give captured money back, once for each refund id."""

        def check(book: Book) -> None:
            _check_state(book, _TAKEN)
            _check_currency(book, command.amount)
            if value_of(command.amount) > book.refundable_value:
                raise InvalidState(reason="amount_too_large")

        request = _request(Modification.REFUND, command.refund_id, command.key, command.amount)
        return self._modify(command.ref, request, check)

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        """Tell how an operation ended after its answer was lost; ``None``: it has no effect.

        What was sent and not heard of is PENDING: repeat it, which goes under the same key.
        """
        book = self._book(ref)
        sent = book.requests_for(operation_id)
        if not sent:
            return book.heard_of(operation_id)
        results = [
            book.result_of(one)
            or OperationResult(OperationStatus.PENDING, reason="sent_and_not_heard_of")
            for one in sent
        ]
        # One request that succeeded, or still may, outweighs those that were rejected.
        return min(results, key=lambda one: _WEIGHT[one.status])

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        """Verify every item of a notification and return those that tell of a payment.

        Raises:
            WebhookRejected: any item is forged, malformed, or of another merchant account.
        """
        return self._reader.read(tenant_id, headers, body)

    def probe(self) -> None:
        """Ask which payment methods the account has."""
        self._checkout.payment_methods()

    # -- one modification --------------------------------------------------------------------

    def _modify(
        self, ref: PaymentRef, request: Request, check: Callable[[Book], None]
    ) -> OperationResult:
        """Send a modification that was not sent yet, or again if nothing was heard of it.

        Under the lock two threads cannot both find the same money free; two processes do not
        act on one order at once.
        """
        with self._locks[hash(ref) % _LOCKS]:
            book = self._book(ref)
            known = self._known(book, request)
            if isinstance(known, OperationResult):
                return known
            if known is None:
                over = book.snapshot().state in _OVER
                if over and request.modification is Modification.CANCEL:
                    return OperationResult(OperationStatus.DONE)
                check(book)
                known = evolve(request, number=book.next_number(request))
                self._note(known.event(ref, Step.SENT), RetryableNotExecuted)
        try:
            received = self._send(ref, known)
        except (InvalidRequest, InvalidState, PaymentNotFound):
            self._note(known.event(ref, Step.REFUSED), OutcomeUnknown)
            raise
        self._note(known.event(ref, Step.ACCEPTED, received), OutcomeUnknown)
        return OperationResult(OperationStatus.PENDING, received)

    def _known(self, book: Book, request: Request) -> OperationResult | Request | None:
        """Find the operation's end, or the request that has to be sent again."""
        sent = [
            one
            for one in book.requests_for(request.operation_id)
            if one.modification is request.modification
        ]
        for one in sent:
            if (one.value, one.currency) != (request.value, request.currency):
                raise IdempotencyMismatch(reason="operation_id_with_other_amount")
            result = book.result_of(one)
            if result is None:
                if one.key == request.key or request.modification is not Modification.CANCEL:
                    # The old key, whatever the new one: under it there is one effect at most.
                    self._check_fresh(one)
                    return one
            elif result.status is not OperationStatus.REJECTED or one.key == request.key:
                return result
        return None if sent else book.heard_of(request.operation_id)

    def _check_fresh(self, request: Request) -> None:
        """Refuse to repeat what Adyen may have done and no longer knows the key of."""
        if request.sent_at is None or request.modification is Modification.CANCEL:
            return
        age = self._clock.now() - request.sent_at
        if age >= timedelta(seconds=_FRESH_PART_OF_TTL * KEY_TTL_S):
            raise OutcomeUnknown(reason="sent_long_ago_and_never_heard_of")

    def _send(self, ref: PaymentRef, request: Request) -> str:
        psp, reference, key = ref.reference, request.reference, request.key
        amount = {"currency": request.currency, "value": request.value}
        match request.modification:
            case Modification.CAPTURE:
                return self._checkout.capture(psp, amount, reference, key)
            case Modification.CANCEL:
                return self._checkout.cancel(psp, reference, key)
            case Modification.REFUND:
                return self._checkout.refund(psp, amount, reference, key)

    # -- the inbox ---------------------------------------------------------------------------

    def _book(self, ref: PaymentRef) -> Book:
        if not PSP_REFERENCE.fullmatch(ref.reference):
            raise PaymentNotFound(reason="not_a_psp_reference")
        try:
            events = self._inbox.of_payment(self.name, ref)
        except StorageTrouble as trouble:
            raise RetryableNotExecuted(reason="inbox_unavailable") from trouble
        in_parts = self._capabilities.captures_in_parts
        return read_book(ref.reference, events, in_parts=in_parts)

    def _note(
        self, event: ProviderEvent, otherwise: type[RetryableNotExecuted | OutcomeUnknown]
    ) -> None:
        """Write into the journal; nobody needs to act on it.

        Raises:
            PaymentTrouble: it could not be written, which means *otherwise* for the operation.
        """
        now = self._clock.now()
        try:
            if self._inbox.store(self.name, [event], at=now):
                received = ReceivedEvent(self.name, event, now)
                self._inbox.mark([received], InboxState.APPLIED)
        except StorageTrouble as trouble:
            raise otherwise(reason="inbox_unavailable") from trouble


_WEIGHT: Final = {
    OperationStatus.DONE: 0,
    OperationStatus.PENDING: 1,
    OperationStatus.REJECTED: 2,
}


def _request(
    modification: Modification, operation_id: str, key: str, amount: Money | None = None
) -> Request:
    """Make the request, or refuse what Adyen would not take, before anything is looked at."""
    if not 0 < len(key) <= _KEY_CHARACTERS_MAX or not _is_plain(key):
        raise InvalidRequest(reason="idempotency_key_out_of_range")
    if not 0 < len(operation_id) <= _OPERATION_ID_CHARACTERS_MAX or not _is_plain(operation_id):
        raise InvalidRequest(reason="operation_id_out_of_range")
    if amount is None:
        return Request(modification, operation_id, key, 0, "")
    return Request(modification, operation_id, key, value_of(amount), amount.currency)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _check_state(book: Book, states: AbstractSet[PaymentState]) -> None:
    state = book.snapshot().state
    if state not in states:
        raise InvalidState(reason=f"payment_is_{state}")


def _check_currency(book: Book, amount: Money) -> None:
    if amount.currency != book.currency:
        raise InvalidRequest(reason="currency_mismatch")
