"""What every part of the inbox exam starts with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid5

from oms_core.ports.inbox import InboxState
from oms_core.ports.payments import PaymentRef, ProviderEvent
from oms_core.testing.clock import SimulatedClock
from oms_core.testing.orders import a_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from oms_core.ports.clock import Clock
    from oms_core.ports.inbox import ReceivedEvent, WebhookInbox

PROVIDER: Final = "crunchy-pay"
OTHER_PROVIDER: Final = "wobbly-pay"
ACME: Final = a_scope("acme").tenant_id
RIVAL: Final = uuid5(ACME, "rival")


def an_event(
    event_id: str = "evt-1",
    reference: str = "pay-1",
    *,
    tenant_id: UUID = ACME,
    kind: str = "payment.authorized",
) -> ProviderEvent:
    """Make an event as ``parse_webhook`` returns it."""
    return ProviderEvent(event_id, PaymentRef(tenant_id, reference), kind)


def ids(events: Iterable[ReceivedEvent]) -> list[str]:
    """Name events by their ids, in their order."""
    return [received.event.event_id for received in events]


class InboxSuite(ABC):
    """A clock that stands still, and an empty inbox that goes by it."""

    clock: SimulatedClock
    inbox: WebhookInbox

    @abstractmethod
    def make_inbox(self, clock: Clock) -> WebhookInbox:
        """Make an empty inbox that compares claims with *clock*."""

    def setup_method(self) -> None:
        """Give every test an inbox of its own; pytest calls it."""
        self.clock = SimulatedClock()
        self.inbox = self.make_inbox(self.clock)

    def teardown_method(self) -> None:  # noqa: B027 - a hook to extend, not one to fill
        """Clean up; pytest calls it. Extend it if your inbox must be closed."""

    # -- words the tests are written in ------------------------------------------------------

    def store(self, *events: ProviderEvent, provider: str = PROVIDER) -> int:
        """Store one notification now."""
        return self.inbox.store(provider, events, at=self.clock.now())

    def store_one_by_one(self, *event_ids: str) -> None:
        """Store a notification a second, of one event each."""
        for event_id in event_ids:
            self.clock.advance(1)
            self.store(an_event(event_id))

    def claim(
        self, holder: str = "worker-a", *, limit: int = 10, lease_s: float = 30.0
    ) -> Sequence[ReceivedEvent]:
        """Claim what nobody has acted on."""
        return self.inbox.claim_new(holder, limit=limit, lease_s=lease_s)

    def found(self, event_id: str = "evt-1", *, tenant_id: UUID = ACME) -> ReceivedEvent:
        """Read the one event with this id."""
        (received,) = self.inbox.find_events(tenant_id, event_id)
        return received

    def listed(
        self, *states: InboxState, tenant_id: UUID | None = None, limit: int = 50
    ) -> list[str]:
        """List the ids on the first page."""
        page = self.inbox.list_events(states or tuple(InboxState), tenant_id=tenant_id, limit=limit)
        return ids(page.events)
