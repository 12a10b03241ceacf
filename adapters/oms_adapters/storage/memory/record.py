"""What the memory store keeps beside an order."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field

from oms_core.ports.order_document import to_microseconds
from oms_core.ports.storage import Claim, Lease, Unpublished

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from oms_core.domain.order import Order

Position: TypeAlias = "tuple[int, int, int]"
WalkPlace: TypeAlias = "tuple[int, int, int]"
Moment: TypeAlias = "tuple[datetime, int]"
PaymentKey: TypeAlias = "tuple[UUID, str, str]"


@define(eq=False)
class Record:
    """One stored order: the frozen order, its leases, and its places in the indexes.

    Compared by identity. Written only under the store's lock; ``order`` may be read without it,
    for whoever reads it gets one whole version.
    """

    order: Order
    number: int
    """Counts the orders of this store: settles every tie."""
    position: Position = field(init=False)
    """Place in listings: created at (microseconds), id, number."""
    walk_place: WalkPlace = field(init=False)
    """Place in a walk through all orders: tenant, organization, id."""
    payment_key: PaymentKey | None = None
    """The payment reference that this order occupies; ``None`` once it is dead."""

    holder: str | None = None
    """Who was given the lease last; ``None``: it was given back."""
    token: int = 0
    leased_until: datetime | None = None
    deliveries: int = 0
    due_place: Moment | None = None
    """The key under which the order waits for a worker."""
    due_in: str | None = None
    """The definition under which it waits; ``None``: among the leased ones."""

    published: int = 0
    events_token: int = 0
    events_place: Moment | None = None
    """When its claim for publishing runs out; ``None``: not claimed."""

    def __attrs_post_init__(self) -> None:
        order = self.order
        self.position = (to_microseconds(order.created_at), order.id.int, self.number)
        self.walk_place = (order.scope.tenant_id.int, order.scope.org_id.int, order.id.int)

    def is_leased(self, now: datetime) -> bool:
        """Tell whether somebody holds the order at *now*."""
        return self.leased_until is not None and now < self.leased_until

    def is_held_under(self, lease: Lease) -> bool:
        """Tell whether *lease* is the last one given, and was not given back.

        One that ran out still counts as long as nobody else claimed the order: its holder is
        late, but alone.
        """
        return (
            lease.token == self.token
            and lease.holder == self.holder
            and lease.order_id == self.order.id
            and lease.scope == self.order.scope
        )

    def claim(self, holder: str, until: datetime) -> Claim:
        """Give *holder* a new lease, whose token outdates all earlier ones."""
        self.holder = holder
        self.token += 1
        self.leased_until = until
        self.deliveries += 1
        lease = Lease(self.order.scope, self.order.id, holder, self.token, until)
        return Claim(self.order, lease, self.deliveries)

    def let_go(self) -> None:
        """End the lease. The token stays, so that the next one is higher."""
        self.holder = None
        self.leased_until = None

    @property
    def has_unpublished_events(self) -> bool:
        """Some of the history has not left yet."""
        return len(self.order.history) > self.published

    def claim_events(self, until: datetime) -> Unpublished:
        """Give a publisher the entries that have not left yet."""
        self.events_token += 1
        self.events_place = (until, self.number)
        return Unpublished(self.order, self.published, self.events_token)
