"""The stage an adapter's author sets for the payments exam."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn
from unittest import SkipTest
from uuid import uuid4

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_core.domain.money import Money
    from oms_core.ports.payments import PaymentProvider, PaymentRef
    from oms_core.testing.clock import SimulatedClock


@frozen
class SignedNotification:
    """A notification as the provider sends it."""

    headers: Mapping[str, str]
    body: bytes


class PaymentStage(ABC):
    """A provider's double with the adapter in front of it, and payments in every state.

    Each method that prepares a payment returns a reference no other test uses. What a
    double cannot do is left out: the promises that need it are then skipped, saying so.
    """

    currency: str = "USD"
    """In which all amounts of the exam are; the provider must support it."""
    holds_when_asked: bool = True
    """``authorize`` has the money held. Otherwise the customer's own device did before, the
    provider merely tells it, and a "confirmable" payment is one that is held already."""
    proves_absence: bool = True
    """The provider can be asked whether a call had an effect. Otherwise one that failed in an
    unknown way is PENDING for ``find_operation``."""
    signs_every_byte: bool = True
    """A notification's signature is in its headers and covers its body and its time. Otherwise
    only named fields are covered, and a replay is made harmless by the event's id alone."""
    tells_owner: bool = True
    """The provider says for which order it holds the money."""
    detects_key_reuse: bool = True
    """The provider notices a key that is sent with other parameters."""
    finds_cancels: bool = True
    """``find_operation`` knows a cancel by its name; otherwise only a look-up tells of it."""
    holds_when_the_customer_acts: bool = True
    """The customer's act makes the hold; otherwise it lets ``authorize`` make it."""

    def __init__(self, provider: PaymentProvider, clock: SimulatedClock) -> None:
        self.provider = provider
        self.clock = clock
        self.tenant_id = uuid4()
        """Whose payments all of the exam's are."""

    @abstractmethod
    def a_confirmable_payment(self, amount: Money) -> PaymentRef:
        """Prepare a good payment of *amount* that awaits ``authorize``."""

    @abstractmethod
    def a_payment_to_be_declined(self, amount: Money) -> PaymentRef:
        """Prepare a payment that ``authorize`` finds or gets declined."""

    @abstractmethod
    def an_unknown_payment(self) -> PaymentRef:
        """Make up a reference the provider does not know."""

    @abstractmethod
    def effects(self, ref: PaymentRef, operation: str) -> int:
        """Count at the double how often *operation* did anything to the payment.

        The operations are ``authorize``, ``capture``, ``cancel``, ``refund`` and, where a hold
        can be made anew, ``reauthorize``.
        """

    @abstractmethod
    def settle(self, ref: PaymentRef) -> None:
        """Let all that is under way at the double end, and the adapter hear of it.

        Moves the clock or delivers notifications; nothing, if nothing is asynchronous.
        """

    def time_to_reauthorize(self, ref: PaymentRef) -> None:  # noqa: B027 - most need no wait
        """Let so much time pass that the hold may be made anew, but does not lapse."""

    def close(self) -> None:  # noqa: B027 - most stages hold nothing
        """Let go of what the stage holds: sockets, threads, files."""

    def a_payment_requiring_action(self, amount: Money) -> PaymentRef:
        """Prepare a payment whose customer must act before it is authorized."""
        self._cannot("ask the customer to act", amount)

    def the_customer_acts(self, ref: PaymentRef) -> None:
        """Let the customer act successfully; too late is no error, it has no effect."""
        self._cannot("let the customer act", ref)

    def a_pending_payment(self, amount: Money) -> PaymentRef:
        """Prepare a payment that is authorized later, by ``settle``."""
        self._cannot("decide later", amount)

    def a_payment_with_an_unknown_status(self, amount: Money) -> PaymentRef:
        """Prepare a payment whose status is a word from the provider's future."""
        self._cannot("make up a status", amount)

    def an_expired_payment(self, amount: Money) -> PaymentRef:
        """Prepare a payment that expired before it was authorized."""
        self._cannot("let a payment expire", amount)

    def a_payment_that_holds_another_amount(self, amount: Money) -> PaymentRef:
        """Prepare a payment that holds something else than *amount* once authorized."""
        self._cannot("hold another amount", amount)

    def a_payment_that_is_captured_at_once(self, amount: Money) -> PaymentRef:
        """Prepare a payment whose account captures automatically."""
        self._cannot("capture automatically", amount)

    def a_payment_whose_refunds_take_time(self, amount: Money) -> PaymentRef:
        """Prepare a good payment whose refunds are done later, by ``settle``."""
        self._cannot("take time over a refund", amount)

    def a_payment_whose_refunds_are_rejected(self, amount: Money) -> PaymentRef:
        """Prepare a good payment whose refunds are rejected, at once or by ``settle``."""
        self._cannot("reject a refund", amount)

    def an_amount_that_cannot_be_represented(self) -> Money:
        """Return an amount for which the provider has no exact number."""
        self._cannot("fail to represent an amount")

    def lose_next_answer(self, ref: PaymentRef, operation: str) -> None:
        """Let the next *operation* on the payment happen, and its answer be lost."""
        self._cannot("lose an answer", ref, operation)

    def refuse_next_call(self, ref: PaymentRef, operation: str) -> None:
        """Let the next *operation* not reach the provider, or be refused as too many."""
        self._cannot("refuse a call", ref, operation)

    def break_next_call(self, ref: PaymentRef, operation: str) -> None:
        """Let the next *operation* fail without effect, with an error nobody knows."""
        self._cannot("fail in an unknown way", ref, operation)

    def reject_credentials(self, ref: PaymentRef) -> None:
        """Let the provider refuse our credentials from now on."""
        self._cannot("reject credentials", ref)

    def forget_keys(self) -> None:
        """Let so much time pass that the provider no longer remembers any key."""
        can = self.provider.capabilities
        self.clock.advance(max(can.key_ttl_s, can.modification_key_ttl_s) + 1)

    def a_notification(self, ref: PaymentRef) -> SignedNotification:
        """Sign, now, the notification of something that happened to the payment."""
        self._cannot("send notifications", ref)

    def a_signed_body(self, body: bytes) -> SignedNotification:
        """Sign, now, any *body* as the provider would sign it."""
        self._cannot("sign any body", body)

    def _cannot(self, what: str, *_: object) -> NoReturn:
        raise SkipTest(f"{type(self).__name__} cannot {what}")
