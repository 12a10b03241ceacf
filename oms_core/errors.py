"""Every error the core raises, and what its catcher should do.

::

    OmsError
    ├── InvalidInput               the caller's data breaks rules; all mistakes at once
    ├── OrderNotFound              unknown id, or another tenant's: indistinguishable
    ├── PartNotFound               the order has no such fulfillment or return
    ├── SubscriptionNotFound       the same for a subscription to webhooks
    ├── Conflict                   well-formed, but not possible now
    │   ├── IdempotencyKeyReused   the key already names a different request
    │   ├── PaymentReferenceInUse  the reference already backs a live order
    │   ├── InsufficientStock      a ledger entry would take away promised stock
    │   ├── IllegalTransition      the order's status does not permit the move
    │   ├── AmountMismatch         a hold is not exactly the order's total
    │   ├── NotPossible            the order as it is now does not permit the operation
    │   ├── VersionMismatch        the order is no longer the one the caller decided on
    │   ├── NothingToSteer         the order's saga is not waiting for a person
    │   └── FeedSwitchedOff        this system keeps no log of events
    ├── StorageTrouble
    │   ├── StoreUnavailable       try again; nothing was acknowledged
    │   ├── StaleVersion           somebody saved first: reload and decide again
    │   ├── LeaseLost              another worker owns the order now: stop
    │   └── StoreUnusable          damaged, foreign or newer file: a person must act
    ├── InventoryUnavailable       outcome unknown: repeat with the same id
    ├── InventoryUnusable          refuses us or our request: a person must act
    ├── PaymentTrouble             technical trouble; declines are values, not errors
    │   ├── RetryableNotExecuted   nothing happened: same key again, later
    │   ├── InProgress             the same request is running: same key again, later
    │   ├── OutcomeUnknown         may have happened: same key again, or look it up
    │   ├── InvalidState           the payment cannot do that now: look it up and decide
    │   ├── PaymentNotFound        the provider does not know the reference
    │   ├── IdempotencyMismatch    key used with other parameters: our bug, never retry
    │   ├── InvalidRequest         the provider refuses the request as malformed
    │   ├── CredentialsRejected    configuration: a person must act
    │   └── WebhookRejected        not authentic, stale or malformed
    ├── ProviderNotFound           the tenant has no payment provider of this name
    ├── AuthenticationFailed       no token, or one that does not verify
    ├── AuthenticationUnavailable  the issuer's keys cannot be had: nobody knows; try again
    ├── PermissionDenied           a good token that does not permit this
    └── ConfigurationError         refuse to start; all mistakes at once

Errors with fields are attrs classes; the others inherit everything.

``code`` is stable and safe to show to clients and to branch on. ``retryable`` says whether
repeating the *same* call, unchanged, can succeed and is safe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


@frozen
class Mistake:
    """One thing wrong with the caller's data.

    ``pointer`` is a JSON pointer (RFC 6901) into that data, ``""`` for the whole of it.
    """

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or 'request'}: {self.message}"


def _all_mistakes(mistakes: Iterable[Mistake]) -> tuple[Mistake, ...]:
    return tuple(mistakes)


def _all_sentences(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(sentences)


@define(slots=False, eq=False)
class OmsError(Exception):
    """Base of every error the core raises on purpose."""

    code: ClassVar[str] = "oms_error"
    retryable: ClassVar[bool] = False

    @property
    def sentence(self) -> str:
        """What happened and what to do next, in words fit for a client."""
        return "The order system could not do this."

    def __str__(self) -> str:
        return self.sentence


@define(slots=False, eq=False)
class InvalidInput(OmsError):
    """The data breaks one or more rules; nothing was changed."""

    code: ClassVar[str] = "invalid_input"
    mistakes: tuple[Mistake, ...] = field(converter=_all_mistakes)

    @property
    def sentence(self) -> str:
        """All mistakes, one after the other."""
        return "; ".join(str(mistake) for mistake in self.mistakes)


@define(slots=False, eq=False)
class OrderNotFound(OmsError):
    """No such order in the caller's tenant and organization."""

    code: ClassVar[str] = "order_not_found"
    order_id: UUID

    @property
    def sentence(self) -> str:
        """Say which id, and nothing about other tenants."""
        return f"There is no order {self.order_id} here; check the id."


@define(slots=False, eq=False)
class PartNotFound(OmsError):
    """The order has no such fulfillment or return."""

    code: ClassVar[str] = "part_not_found"
    kind: str
    part_id: UUID

    @property
    def sentence(self) -> str:
        """Say which id of what."""
        return f"This order has no {self.kind} {self.part_id}; its page lists those it has."


@define(slots=False, eq=False)
class SubscriptionNotFound(OmsError):
    """No such subscription in the caller's tenant and organization."""

    code: ClassVar[str] = "subscription_not_found"
    subscription_id: UUID

    @property
    def sentence(self) -> str:
        """Say which id, and nothing about other tenants."""
        return f"There is no subscription {self.subscription_id} here; check the id."


class Conflict(OmsError):
    """The request is well-formed but the present state does not allow it."""

    code: ClassVar[str] = "conflict"


class IdempotencyKeyReused(Conflict):
    """The key already names a different request; nothing was changed."""

    code: ClassVar[str] = "idempotency_key_reused"

    @property
    def sentence(self) -> str:
        """Tell the remedy: a new key, or the first request unchanged."""
        return (
            "This idempotency key was already used with a different request. "
            "Send the first request unchanged to get its answer again, or use a new key."
        )


class PaymentReferenceInUse(Conflict):
    """The payment reference already backs a live order of this tenant."""

    code: ClassVar[str] = "payment_reference_in_use"

    @property
    def sentence(self) -> str:
        """Tell when the reference is free again."""
        return (
            "This payment reference already backs another order. Use a new payment; the "
            "reference is free again only if that order fails or is cancelled."
        )


@define(slots=False, eq=False)
class InsufficientStock(Conflict):
    """A ledger entry would take away stock that is promised or not there."""

    code: ClassVar[str] = "insufficient_stock"
    sku: str
    location: str
    available: int

    @property
    def sentence(self) -> str:
        """Tell how much may be taken."""
        return (
            f"Only {self.available} of {self.sku} at {self.location} are available; "
            "take away no more than that, or release reservations first."
        )


@define(slots=False, eq=False)
class IllegalTransition(Conflict):
    """The order's status does not permit the move."""

    code: ClassVar[str] = "illegal_transition"
    order_id: UUID
    status: str
    wanted: str

    @property
    def sentence(self) -> str:
        """Name both statuses."""
        return f"Order {self.order_id} is {self.status} and cannot become {self.wanted}."


@define(slots=False, eq=False)
class AmountMismatch(Conflict):
    """The provider holds another amount or currency than the order's total."""

    code: ClassVar[str] = "amount_mismatch"
    order_id: UUID
    expected: str
    got: str

    @property
    def sentence(self) -> str:
        """Name both amounts."""
        return (
            f"Order {self.order_id} costs {self.expected} but the payment holds {self.got}; "
            "the payment must be authorized for exactly the total."
        )


@define(slots=False, eq=False)
class NotPossible(Conflict):
    """The order as it is now does not permit the operation; nothing was changed."""

    code: ClassVar[str] = "not_possible"
    action: str
    why: str

    @property
    def sentence(self) -> str:
        """Say why, in the words in which the order's list of actions says it."""
        return self.why


@define(slots=False, eq=False)
class VersionMismatch(Conflict):
    """The order has changed since the caller read it; nothing was changed."""

    code: ClassVar[str] = "version_mismatch"
    order_id: UUID
    version: int

    @property
    def sentence(self) -> str:
        """Name the present version."""
        return (
            f"Order {self.order_id} has changed: its version is {self.version} now. Read it "
            "again, decide again, and send its new ETag."
        )


@define(slots=False, eq=False)
class NothingToSteer(Conflict):
    """The order's saga is not stopped, so there is nothing to retry by hand."""

    code: ClassVar[str] = "nothing_to_steer"
    order_id: UUID

    @property
    def sentence(self) -> str:
        """Tell where to look."""
        return (
            f"Order {self.order_id} does not need attention: its saga is finished or moves "
            "by itself. Look at its timeline."
        )


class FeedSwitchedOff(Conflict):
    """This system keeps no log of events, so that there is none to read or to deliver."""

    code: ClassVar[str] = "feed_switched_off"

    @property
    def sentence(self) -> str:
        """Tell how to switch it on."""
        return "The event feed is switched off here; its operator sets feed = true in [events]."


class StorageTrouble(OmsError):
    """The store did not do what was asked."""

    code: ClassVar[str] = "storage_trouble"


@define(slots=False, eq=False)
class StoreUnavailable(StorageTrouble):
    """The store cannot be reached or cannot write; nothing was acknowledged.

    The write may still have happened: repeat the same call, which is idempotent.
    """

    code: ClassVar[str] = "store_unavailable"
    retryable: ClassVar[bool] = True
    reason: str = ""

    @property
    def sentence(self) -> str:
        """Tell to repeat."""
        return "The store is not available at the moment; repeat the same request shortly."


@define(slots=False, eq=False)
class StaleVersion(StorageTrouble):
    """Somebody saved the order since it was read: reload it and decide again."""

    code: ClassVar[str] = "stale_version"
    order_id: UUID

    @property
    def sentence(self) -> str:
        """Tell to reload."""
        return f"Order {self.order_id} has changed since it was read; read it again."


@define(slots=False, eq=False)
class LeaseLost(StorageTrouble):
    """Another worker owns the order now: abandon it without further effects."""

    code: ClassVar[str] = "lease_lost"
    order_id: UUID

    @property
    def sentence(self) -> str:
        """Tell who goes on."""
        return f"Another worker has taken over order {self.order_id}."


@define(slots=False, eq=False)
class StoreUnusable(StorageTrouble):
    """The store is damaged, foreign, or written by a newer program: a person must act."""

    code: ClassVar[str] = "store_unusable"
    reason: str

    @property
    def sentence(self) -> str:
        """Say what is wrong with it and what to do."""
        return self.reason


@define(slots=False, eq=False)
class InventoryUnavailable(OmsError):
    """The inventory gave no answer, so the outcome is unknown.

    Repeat with the same reservation id: it has one effect however often it is sent.
    """

    code: ClassVar[str] = "inventory_unavailable"
    retryable: ClassVar[bool] = True
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def sentence(self) -> str:
        """Tell to repeat."""
        return "The inventory is not available at the moment; repeat the same request shortly."


@define(slots=False, eq=False)
class InventoryUnusable(OmsError):
    """The inventory refuses our credentials, or a request that it should understand.

    This call had no effect, and the same one never will until a person has acted. ``reason``
    is for the operator; it never holds a secret or what the inventory said in words.
    """

    code: ClassVar[str] = "inventory_unusable"
    reason: str

    @property
    def sentence(self) -> str:
        """Say what is wrong with it and what to do."""
        return self.reason


@define(slots=False, eq=False)
class PaymentTrouble(OmsError):
    """Technical trouble with a payment provider.

    ``reason`` is the provider's own code or a short technical note. It never holds a
    secret, a card number or personal data: it ends up in journals and logs.
    """

    code: ClassVar[str] = "payment_trouble"
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def sentence(self) -> str:
        """Name the kind of trouble and the provider's word for it."""
        return f"The payment provider reports {self.code}" + (
            f" ({self.reason})." if self.reason else "."
        )


class RetryableNotExecuted(PaymentTrouble):
    """Nothing happened at the provider: same key again after ``retry_after_s``."""

    code: ClassVar[str] = "payment_not_executed"
    retryable: ClassVar[bool] = True


class InProgress(PaymentTrouble):
    """The same request is still running at the provider: same key again, later."""

    code: ClassVar[str] = "payment_in_progress"
    retryable: ClassVar[bool] = True


class OutcomeUnknown(PaymentTrouble):
    """It may have happened: same key while the provider remembers it, else look it up."""

    code: ClassVar[str] = "payment_outcome_unknown"
    retryable: ClassVar[bool] = True


class InvalidState(PaymentTrouble):
    """The payment's state does not allow this: look the payment up and decide again."""

    code: ClassVar[str] = "payment_invalid_state"


class PaymentNotFound(PaymentTrouble):
    """The provider does not know the payment reference."""

    code: ClassVar[str] = "payment_not_found"


class IdempotencyMismatch(PaymentTrouble):
    """The key was used with other parameters: a bug of ours, never to be retried."""

    code: ClassVar[str] = "payment_idempotency_mismatch"


class InvalidRequest(PaymentTrouble):
    """The provider refuses the request as malformed: a person must act."""

    code: ClassVar[str] = "payment_invalid_request"


class CredentialsRejected(PaymentTrouble):
    """The provider refuses our credentials: correct the configuration, then retry."""

    code: ClassVar[str] = "payment_credentials_rejected"


class WebhookRejected(PaymentTrouble):
    """The notification is not authentic, too old, or malformed: store nothing."""

    code: ClassVar[str] = "webhook_rejected"


class ProviderNotFound(OmsError):
    """The tenant has no payment provider of this name: correct the name or the configuration."""

    code: ClassVar[str] = "payment_provider_not_found"

    @property
    def sentence(self) -> str:
        """Tell where to look."""
        return "The tenant has no payment provider of this name; see the configuration."


@define(slots=False, eq=False)
class AuthenticationFailed(OmsError):
    """There is no token, or it does not verify."""

    code: ClassVar[str] = "authentication_failed"
    reason: str

    @property
    def sentence(self) -> str:
        """Say what is wrong with the token without repeating it."""
        return self.reason


@define(slots=False, eq=False)
class AuthenticationUnavailable(OmsError):
    """Whether the token verifies cannot be told now: repeat the same call shortly."""

    code: ClassVar[str] = "authentication_unavailable"
    retryable: ClassVar[bool] = True
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def sentence(self) -> str:
        """Tell to repeat."""
        return "The token cannot be checked at the moment; repeat the same request shortly."


@define(slots=False, eq=False)
class PermissionDenied(OmsError):
    """The token is good but does not permit this."""

    code: ClassVar[str] = "permission_denied"
    reason: str

    @property
    def sentence(self) -> str:
        """Say which permission is missing."""
        return self.reason


@define(slots=False, eq=False)
class ConfigurationError(OmsError):
    """The process must not start; lists every mistake found."""

    code: ClassVar[str] = "configuration_error"
    mistakes: tuple[str, ...] = field(converter=_all_sentences)

    @property
    def sentence(self) -> str:
        """All mistakes, a line each."""
        return "\n".join(self.mistakes)
