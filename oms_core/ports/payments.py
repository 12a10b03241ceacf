"""The payments port: what the core asks of every payment provider."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.money import Money
    from oms_core.domain.payment import PaymentState


@frozen
class Capabilities:
    """What a provider can do, so that the core need not know which one it is."""

    can_lookup: bool = True
    """``False``: only verified notifications tell the state (Adyen)."""
    asynchronous_modifications: bool = False
    """Capture, cancel and refund answer PENDING first."""
    partial_capture: bool = True
    """Less than what is held can be captured; the rest is released."""
    captures_in_parts: bool = True
    """A hold can be captured several times; otherwise the first capture is the last."""
    can_reauthorize: bool = False
    """A hold that is about to lapse can be made anew."""
    key_ttl_s: float = 86_400.0
    """How long the provider remembers the key of an authorize, in seconds."""
    modification_key_ttl_s: float = 86_400.0
    """How long it remembers the key of a capture, cancel, refund or reauthorize, in seconds."""


@frozen
class PaymentRef:
    """Which payment: the tenant and the reference the client gave."""

    tenant_id: UUID
    reference: str


@frozen
class Authorize:
    """Hold exactly *amount* for *order_id*."""

    ref: PaymentRef
    amount: Money
    order_id: UUID
    key: str


@frozen
class Capture:
    """Take *amount* of what is held; ``final``: nothing more, and the rest is let go of.

    A provider that has no call for that lets the rest lapse by itself, and takes none of it.
    """

    ref: PaymentRef
    amount: Money
    operation_id: str
    key: str
    final: bool = True


@frozen
class Reauthorize:
    """Hold *amount* anew for *order_id*, because the present hold is about to lapse."""

    ref: PaymentRef
    amount: Money
    order_id: UUID
    operation_id: str
    key: str


@frozen
class Cancel:
    """Void what is held for *order_id*, or make a later authorize impossible."""

    ref: PaymentRef
    order_id: UUID
    operation_id: str
    key: str


@frozen
class Refund:
    """Give *amount* of what was captured back."""

    ref: PaymentRef
    amount: Money
    refund_id: str
    key: str


@frozen
class PaymentSnapshot:
    """What the provider says of a payment now. Provider truth wins over ours."""

    state: PaymentState
    authorized: Money
    """What is or was held in all; zero while nothing was."""
    captured: Money
    refunded: Money
    order_id: UUID | None = None
    """The order the provider holds the money for, if it says so."""
    expires_at: datetime | None = None
    provider_id: str | None = None
    """The provider's own id of the authorization."""
    reason: str | None = None
    """The provider's code of a decline."""
    next_action: str | None = None
    """What the customer must do, e.g. a URL; only in REQUIRES_ACTION."""
    raw_status: str = ""


class OperationStatus(StrEnum):
    """How a capture, cancel or refund ended."""

    DONE = "done"
    PENDING = "pending"
    """Accepted; a notification or ``find_operation`` tells the end."""
    REJECTED = "rejected"


@frozen
class OperationResult:
    """How an operation ended, and the provider's id for it."""

    status: OperationStatus
    operation_ref: str | None = None
    reason: str | None = None


@frozen
class ProviderEvent:
    """One verified item of a notification. A hint: the payment is looked up before acting."""

    event_id: str
    """Unique per provider: the same event again has no second effect."""
    ref: PaymentRef
    kind: str
    occurred_at: datetime | None = None
    facts: Mapping[str, str] = field(factory=dict)


class PaymentProvider(Protocol):
    """Holds, takes and gives back money.

    Promises every adapter keeps (``oms_core.testing.PaymentContract`` runs them all):

    * The same key with the same command has one effect and answers alike, however often
      and from however many threads it is sent.
    * Business outcomes (declined, action required) are values. Exceptions are technical
      trouble (``PaymentTrouble``); nothing else ever escapes. An error the adapter does not
      recognise counts as ``OutcomeUnknown``.
    * A state the adapter does not know is PENDING, never a crash.
    * An amount the provider cannot represent exactly is ``InvalidRequest`` before any call.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this provider can do; constant."""
        ...

    def lookup(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask for the payment's state. Has no effect.

        Raises:
            PaymentNotFound: the provider does not know the reference.
        """
        ...

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Hold the amount if the payment is CONFIRMABLE; otherwise only tell its state.

        Looks the payment up first, so a repeat after a lost answer finds the hold. The
        caller compares amount and currency: what is held may differ from what was asked.

        Raises:
            InvalidRequest: with the reason ``amount_mismatch`` or ``currency_mismatch`` if the
                provider would hold another sum than *command* asks for; nothing is held then.
        """
        ...

    def capture(self, command: Capture) -> OperationResult:
        """Take money that is held. Captured already under this operation is DONE.

        Raises:
            InvalidState: nothing is held (voided, expired, declined, captured in full).
        """
        ...

    def reauthorize(self, command: Reauthorize) -> PaymentSnapshot:
        """Hold the same money for longer; the snapshot tells the new ``expires_at``.

        Raises:
            InvalidState: nothing is held that could be held anew; or the provider cannot do it
                at all (``capabilities.can_reauthorize``); or it is too early, and then
                ``retry_after_s`` says for how long.
        """
        ...

    def cancel(self, command: Cancel) -> OperationResult:
        """Void the hold, or forbid it for ever if there is none yet. Void already is DONE.

        Raises:
            InvalidState: money was captured: refund it instead.
        """
        ...

    def refund(self, command: Refund) -> OperationResult:
        """Give captured money back. The same refund id again is the same refund.

        Raises:
            InvalidState: more than was captured and not yet refunded.
        """
        ...

    def find_operation(self, ref: PaymentRef, operation_id: str) -> OperationResult | None:
        """Tell how an operation ended after its answer was lost; ``None``: it has no effect.

        For a refund, *operation_id* is its refund id.
        """
        ...

    def parse_webhook(
        self, tenant_id: UUID, headers: Mapping[str, str], body: bytes
    ) -> Sequence[ProviderEvent]:
        """Verify a notification sent to *tenant_id* on its raw bytes and return its items.

        What is authentic but tells nothing of a payment gives no item. Names in *headers* may
        come in any case (RFC 9110, section 5.1): servers and proxies rewrite it.

        Raises:
            WebhookRejected: forged, replayed, stale, malformed or another tenant's; store
                nothing.
            RetryableNotExecuted: whether it is authentic cannot be told now.
        """
        ...

    def probe(self) -> None:
        """Ask a question that is harmless and needs good credentials.

        For a person who wants to know whether the configuration works.

        Raises:
            CredentialsRejected: the provider does not accept them.
            PaymentTrouble: the provider cannot be asked, for another reason.
        """
        ...
