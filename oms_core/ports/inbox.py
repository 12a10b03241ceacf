"""The inbox port: keeps what payment providers notify, before anybody acts on it.

A verified notification is stored here first and acknowledged then; a worker applies it later,
in whatever order and however often it came. What is stored is never lost, and it is the only
source of truth for a provider that cannot be asked (``Capabilities.can_lookup``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.ports.payments import PaymentRef, ProviderEvent


class InboxState(StrEnum):
    """What became of a notification."""

    NEW = "new"
    """Nobody has acted on it yet."""
    APPLIED = "applied"
    """The order it concerns has been told."""
    UNMATCHED = "unmatched"
    """No order has this payment reference (yet). It is kept: an order that comes later looks
    its payment up anyway."""


@frozen
class ReceivedEvent:
    """A provider's event as it was received, once however often it came."""

    provider: str
    """The configured name of the account that verified it."""
    event: ProviderEvent
    received_at: datetime
    state: InboxState = InboxState.NEW


@frozen
class InboxPage:
    """Events, the newest first; ``next_cursor`` is ``None`` on the last page."""

    events: tuple[ReceivedEvent, ...]
    next_cursor: str | None = None


class WebhookInbox(Protocol):
    """Keeps the events that providers notified.

    Promises every adapter keeps (``oms_core.testing.InboxContract`` runs them all):

    * What ``store`` acknowledged is readable for ever, after any crash.
    * Per (tenant, provider, event id) there is one event, from however many threads and
      processes it is stored at once: the first one counts.
    * Tenants never see each other.
    * Events stand in the order of ``received_at``; those of one moment in that in which they
      were stored.
    * Claims are compared with the store's clock. One that ran out, or whose holder died, lets
      the event be claimed again.

    Every method raises ``StoreUnavailable`` when the store cannot answer: repeat the call.
    """

    def store(self, provider: str, events: Sequence[ProviderEvent], *, at: datetime) -> int:
        """Store *events*, all or none, durably when this returns; tells how many were new."""
        ...

    def of_payment(self, provider: str, ref: PaymentRef) -> Sequence[ReceivedEvent]:
        """Return every event of a payment, oldest first."""
        ...

    def claim_new(self, holder: str, *, limit: int, lease_s: float) -> Sequence[ReceivedEvent]:
        """Claim up to *limit* events that are NEW and not claimed, oldest first.

        Whoever claims marks them when it has acted. An event may so be acted on twice, after
        a crash or a long pause, and never not at all.
        """
        ...

    def mark(self, events: Sequence[ReceivedEvent], state: InboxState) -> None:
        """Record what became of *events*; marking them NEW has them applied again, at once.

        Ends their claims, whoever holds them. An event that is not here is passed over.
        """
        ...

    def list_events(
        self,
        states: Collection[InboxState],
        *,
        tenant_id: UUID | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> InboxPage:
        """List events by what became of them, newest first; ``None``: of all tenants.

        Raises:
            InvalidInput: the cursor is not one that this method gave out.
        """
        ...

    def find_events(self, tenant_id: UUID, event_id: str) -> Sequence[ReceivedEvent]:
        """Return the tenant's events with this id: one at most of each provider."""
        ...

    def count_new(self) -> int:
        """Count the events nobody has acted on yet, over all tenants; for metrics."""
        ...
