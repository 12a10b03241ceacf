"""The storage port: keeps orders, and shares them out to workers.

One order is one document, written in one atomic write. Everything a worker or a client
changes is a conditional write on the version it read; a worker's write also on its lease.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.events import OrderEvent
    from oms_core.domain.order import Order
    from oms_core.domain.order_status import OrderStatus
    from oms_core.domain.saga_position import SagaState
    from oms_core.domain.scope import Scope
    from oms_core.ports.job_turns import JobTurns
    from oms_core.ports.work_signal import WorkSignal


@frozen
class Lease:
    """A worker's exclusive, limited right to move one order.

    ``token`` is the fencing token: it rises with every claim of the order, so that the
    writes of a holder whose lease was taken over are refused for ever.
    """

    scope: Scope
    order_id: UUID
    holder: str
    token: int
    expires_at: datetime
    """By the store's clock; only a hint for the holder, the store decides."""


@frozen
class Claim:
    """An order in a worker's hands.

    ``deliveries`` counts the claims since the order was last saved by a holder: above 1,
    an earlier holder died, or was paused, before it could save anything.
    """

    order: Order
    lease: Lease
    deliveries: int = 1


@frozen
class Added:
    """The order is stored, durably; *claim* is set if a holder was named."""

    order: Order
    claim: Claim | None = None


@frozen
class AlreadyThere:
    """The idempotency key (and so the id) names an order already: here it is."""

    order: Order


@frozen
class OrderQuery:
    """Which orders of a scope to list.

    ``cursor`` continues a listing at constant cost however deep; it excludes ``offset``.
    ``created_from`` is inclusive, ``created_to`` exclusive.
    """

    limit: int = 50
    offset: int = 0
    cursor: str | None = None
    status: OrderStatus | None = None
    channel: str | None = None
    customer_id: UUID | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@frozen
class OrderPage:
    """Orders, newest first; ``next_cursor`` is ``None`` on the last page."""

    orders: tuple[Order, ...]
    next_cursor: str | None = None


@frozen
class Unpublished:
    """An order with history entries above ``published`` that have not left as events yet."""

    order: Order
    published: int
    token: int
    """Fencing token of this claim on the order's events."""

    @property
    def events(self) -> tuple[OrderEvent, ...]:
        """The entries as they leave."""
        return self.order.events(after=self.published)


@frozen
class OrderPlace:
    """Where an order stands in a walk through all orders: by tenant, organization and id."""

    scope: Scope
    order_id: UUID


@frozen
class KeptOrder:
    """An order and what the store keeps beside it, as of one moment."""

    order: Order
    published: int
    """So many entries of its history have left as events."""
    holder: str | None = None
    """Who was given its lease last; ``None``: it was given back."""
    leased_until: datetime | None = None
    """When that lease runs out, or ran out; ``None`` without a holder."""

    @property
    def place(self) -> OrderPlace:
        """Where the walk goes on."""
        return OrderPlace(self.order.scope, self.order.id)


@frozen
class UnreadableOrder:
    """A stored order that this version of the program cannot read."""

    place: OrderPlace
    sentence: str
    """What to do about it."""


Walked: TypeAlias = "KeptOrder | UnreadableOrder"


class OrderStorage(Protocol):
    """Keeps orders.

    Promises every adapter keeps (``oms_core.testing.StorageContract`` runs them all):

    * What was acknowledged is readable by the next read, for ever, after any crash.
    * Per (tenant, org, idempotency key) there is one order, from however many threads and
      processes it is added at once; every other add gets ``AlreadyThere``.
    * Per (tenant, provider, payment reference) there is one order that is not failed or
      cancelled.
    * A write from a stale version or a stale lease changes nothing.
    * Scopes never see each other. Leases are compared with the store's clock.

    Every method raises ``StoreUnavailable`` when the store cannot answer. A write may then
    still have happened: repeat it, or read.
    """

    def add(
        self, order: Order, *, holder: str | None = None, lease_s: float = 0.0
    ) -> Added | AlreadyThere:
        """Store a new order; with *holder*, claimed for it from the start.

        Raises:
            PaymentReferenceInUse: the payment reference backs another live order. Found
                only if the order itself is new: a repeat gets ``AlreadyThere``.
        """
        ...

    def get(self, scope: Scope, order_id: UUID) -> Order:
        """Read one order.

        Raises:
            OrderNotFound: unknown in this scope.
        """
        ...

    def find_by_payment(self, tenant_id: UUID, provider: str, reference: str) -> Order | None:
        """Find the order that a payment belongs to, in whichever organization of the tenant.

        The live order with this reference; if there is none, the failed or cancelled one that
        was created last; ``None`` if no order ever had it.
        """
        ...

    def list_orders(self, scope: Scope, query: OrderQuery) -> OrderPage:
        """List orders of one scope, newest first.

        Raises:
            InvalidInput: the cursor is not one that this method gave out.
        """
        ...

    def save(self, order: Order) -> Order:
        """Replace the stored order if it still has ``order.version``; returns the next version.

        For callers without a lease. A lease somebody else holds stays as it is.

        Raises:
            StaleVersion: somebody saved first: reload and decide again.
            OrderNotFound: unknown in this scope.
        """
        ...

    def checkpoint(self, order: Order, lease: Lease, *, extend_s: float | None) -> Claim:
        """Replace the stored order if version *and* lease still hold.

        With *extend_s* the lease lasts that many seconds from now; with ``None`` it ends
        with this write, and the returned lease must not be used again. A lease that ran out
        still holds as long as nobody else claimed the order: its holder is late, but alone.

        Raises:
            LeaseLost: another worker claimed the order: stop, without further effects.
            StaleVersion: somebody without a lease saved first: reload, apply, try again.
        """
        ...

    def claim_due(
        self,
        holder: str,
        *,
        limit: int,
        lease_s: float,
        definitions: Collection[str],
        passing_over: Collection[UUID] = (),
    ) -> Sequence[Claim]:
        """Claim up to *limit* orders that are due and not leased, oldest due first.

        Only sagas of *definitions* (``name/version``) are claimed: a worker leaves alone
        what it does not know. Orders of the tenants in *passing_over* stay for others, and
        are in nobody's way: a worker names those of which it has enough in hand.
        """
        ...

    def claim(self, scope: Scope, order_id: UUID, holder: str, *, lease_s: float) -> Claim | None:
        """Claim one order, due or not; ``None`` if it is leased.

        Raises:
            OrderNotFound: unknown in this scope.
        """
        ...

    def release(self, lease: Lease) -> None:
        """Give a claim back untouched, so that the next worker need not wait.

        Does not count as a delivery. Releasing a lease that was lost changes nothing.
        """
        ...

    def earliest_due(self) -> datetime | None:
        """Tell when the next order is due or its lease runs out; ``None``: nothing to do."""
        ...

    def listen(self) -> WorkSignal:
        """Begin to listen for work that others bring; see ``WorkSignal``. Close it at the end."""
        ...

    def job_turns(self) -> JobTurns:
        """Return how all processes on this store share its scheduled jobs; see ``JobTurns``."""
        ...

    def walk(
        self,
        *,
        after: OrderPlace | None = None,
        limit: int,
        tenant_id: UUID | None = None,
        org_id: UUID | None = None,
    ) -> Sequence[Walked]:
        """Return up to *limit* orders behind *after*, by tenant, organization and id.

        Of all tenants, of one, or of one organization of it (*org_id* counts with *tenant_id*
        alone). Page by page every order that was there at the beginning is met once, at
        constant cost per page, whatever changes meanwhile. One that cannot be read is met as
        such and stops nobody.
        """
        ...

    def list_sagas(
        self, states: Collection[SagaState], *, scope: Scope | None = None, limit: int = 50
    ) -> Sequence[Order]:
        """List orders by the state of their saga, oldest first; for operators.

        ``scope=None`` means all tenants. FINISHED is not listed.
        """
        ...

    def count_sagas(self) -> dict[SagaState, int]:
        """Count the unfinished sagas by state over all tenants; for metrics.

        Every unfinished state is named, with 0 if there is none: a gauge must fall to zero
        and not vanish.
        """
        ...

    def claim_unpublished(
        self, holder: str, *, limit: int, lease_s: float
    ) -> Sequence[Unpublished]:
        """Claim up to *limit* orders whose history has entries that have not left yet."""
        ...

    def unpublished_since(self) -> datetime | None:
        """Tell since when the order that is next in turn waits for a publisher; ``None``: none is.

        One that was claimed and not marked waits from the end of the claim. For metrics: one
        look into the index by which the turns are taken.
        """
        ...

    def mark_published(self, sent: Sequence[Unpublished]) -> None:
        """Record, in one write for all, that every entry in these orders' histories left.

        Moves forward only; a mark from a claim that was taken over is ignored. Does not
        touch the order's version.
        """
        ...

    def ping(self) -> None:
        """Raise ``StoreUnavailable`` unless the store can be read and written now."""
        ...

    def close(self) -> None:
        """Finish what is under way and let go of files and connections. Repeatable."""
        ...
