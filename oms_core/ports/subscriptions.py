"""The subscriptions port: keeps who wants which events, and how far their deliveries are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import UUID

from attrs import evolve, field, frozen
from cattrs import Converter

from oms_core.domain.delivery import DeliveryProgress
from oms_core.domain.scope import Scope
from oms_core.domain.subscription import Subscription
from oms_core.ports.order_document import from_microseconds, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@frozen
class Subscribed:
    """A subscription and how far its deliveries are."""

    subscription: Subscription
    progress: DeliveryProgress = field(factory=DeliveryProgress)


@frozen
class Waiting:
    """A subscription that may be delivered to now, if there is anything to deliver."""

    scope: Scope
    subscription_id: UUID
    position: int
    """Of the last event in the feed that it is done with."""
    next_held_at: datetime | None
    has_room: bool
    is_failing: bool
    """Its last attempt failed: it is likely to keep a thread waiting."""

    def has_work(self, head: int, at: datetime) -> bool:
        """Tell whether there is something to send, the feed having come to *head*."""
        held_is_due = self.next_held_at is not None and self.next_held_at <= at
        return (head > self.position and self.has_room) or held_is_due


@frozen
class DeliveryTally:
    """How deliveries are, over all scopes: for monitoring, which sees no single subscriber."""

    active: int = 0
    failing: int = 0
    """Enabled, and the last attempt was not taken."""
    stopped: int = 0
    """Enabled, and nothing is sent until a person acts."""
    disabled: int = 0
    held: int = 0
    """Orders and stock items whose next event was not taken yet."""
    dead: int = 0
    """Events that were given up and not replayed."""
    held_since: datetime | None = None
    """When the first of the held events was refused first; ``None``: there is none."""


class Subscriptions(Protocol):
    """Keeps subscriptions to webhooks.

    Promises every adapter keeps (``oms_core.testing.SubscriptionsContract`` runs them all):

    * What was acknowledged is readable by the next read, after any crash.
    * The subscription and its progress are changed apart from each other, each only from the
      version that was read: what came too late changes nothing.
    * A claim gives one holder the right to record progress; whoever records under an older
      claim changes nothing. A claim ends with the recording, or runs out.
    * Scopes never see each other. Claims are compared with the store's clock.

    Every method raises ``StoreUnavailable`` when the store cannot answer: repeat the call.
    """

    def add(self, subscribed: Subscribed) -> None:
        """Keep a new one; adding it again changes nothing."""
        ...

    def find(self, scope: Scope, subscription_id: UUID) -> Subscribed | None:
        """Read one; ``None``: unknown in this scope."""
        ...

    def list_all(self, scope: Scope) -> Sequence[Subscribed]:
        """Read all of a scope, the oldest first."""
        ...

    def save(self, subscription: Subscription) -> bool:
        """Replace what is kept of it but its progress; ``False``: read it again and decide."""
        ...

    def remove(self, scope: Scope, subscription_id: UUID) -> bool:
        """Forget it; ``False``: there is none."""
        ...

    def waiting(self) -> Sequence[Waiting]:
        """Tell which are enabled, not stopped, not paused and not claimed, over all scopes."""
        ...

    def tally(self) -> DeliveryTally:
        """Count how deliveries are, over all scopes. Not for every second: it looks at all."""
        ...

    def claim(self, scope: Scope, subscription_id: UUID, *, lease_s: float) -> Subscribed | None:
        """Claim one that is waiting; ``None``: it is not."""
        ...

    def record(self, scope: Scope, subscription_id: UUID, progress: DeliveryProgress) -> bool:
        """Replace the progress and end the claim; ``False``: somebody else came first."""
        ...


def is_waiting(subscribed: Subscribed, at: datetime) -> bool:
    """Tell whether it may be delivered to, claims aside."""
    return subscribed.subscription.is_enabled and subscribed.progress.may_send(at)


def waiting_of(subscribed: Subscribed) -> Waiting:
    """Say it in short."""
    progress = subscribed.progress
    return Waiting(
        subscribed.subscription.scope,
        subscribed.subscription.id,
        progress.position,
        progress.next_held_at,
        progress.has_room,
        progress.failures > 0,
    )


def tally_of(kept: Iterable[Subscribed]) -> DeliveryTally:
    """Count *kept*."""
    states: Counter[str] = Counter()
    held, dead = 0, 0
    since: list[datetime] = []
    for each in kept:
        progress = each.progress
        states[state_of(each)] += 1
        held += len(progress.held)
        dead += len(progress.dead)
        if progress.held_since is not None:
            since.append(progress.held_since)
    return DeliveryTally(**states, held=held, dead=dead, held_since=min(since, default=None))


def state_of(subscribed: Subscribed) -> str:
    """Name the one field of a tally that counts the subscription."""
    if not subscribed.subscription.is_enabled:
        return "disabled"
    if subscribed.progress.stopped is not None:
        return "stopped"
    return "failing" if subscribed.progress.failures else "active"


def to_document(kept: Subscription | DeliveryProgress) -> dict[str, Any]:
    """Return it in JSON values, without the version, which stores keep beside it."""
    document: dict[str, Any] = _CONVERTER.unstructure(kept)
    del document["version"]
    return document


def subscription_from(document: Mapping[str, Any], version: int) -> Subscription:
    """Read back what ``to_document`` made of a subscription."""
    return evolve(_CONVERTER.structure(document, Subscription), version=version)


def progress_from(document: Mapping[str, Any], version: int) -> DeliveryProgress:
    """Read back what ``to_document`` made of a progress."""
    return evolve(_CONVERTER.structure(document, DeliveryProgress), version=version)


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    converter.register_unstructure_hook(datetime, to_microseconds)
    converter.register_structure_hook(datetime, lambda value, _: from_microseconds(value))
    converter.register_unstructure_hook(UUID, str)
    converter.register_structure_hook(UUID, lambda value, _: UUID(value))
    return converter


_CONVERTER: Final = _make_converter()
