"""Checks a whole store, order by order, and says what is wrong in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from oms_core.application.doctor.events import check_feed, check_outbox
from oms_core.application.doctor.finding import Finding, Fix, Kind, Severity
from oms_core.application.doctor.history import check_history
from oms_core.application.doctor.notifications import check_unmatched, check_waiting
from oms_core.application.doctor.patience import Patience
from oms_core.application.doctor.payment_sums import check_dead_orders_money, check_payment_sums
from oms_core.application.doctor.quantities import check_quantities
from oms_core.application.doctor.sagas import check_operations, check_saga
from oms_core.ports.storage import KeptOrder, UnreadableOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from oms_core.application.doctor.payment_claims import ClaimCheck
    from oms_core.application.doctor.stock import StockCheck
    from oms_core.domain.order import Order
    from oms_core.ports.clock import Clock
    from oms_core.ports.event_log import EventLog
    from oms_core.ports.inbox import WebhookInbox
    from oms_core.ports.storage import OrderPlace, OrderStorage, Walked

PAGE: Final = 200
"""Orders in memory at a time."""


@frozen
class Doctor:
    """Looks, and tells; what it offers as a fix is done by whoever asked."""

    storage: OrderStorage
    stock: StockCheck
    claims: ClaimCheck | None
    """Where the store keeps payment references apart by claims."""
    inbox: WebhookInbox | None
    event_log: EventLog | None
    events_leave: bool
    """Somebody takes events; otherwise they stay with their orders, and that is right."""
    definitions: Collection[str]
    """The sagas that this version knows."""
    clock: Clock
    ask_provider: Callable[[Order], object]
    give_turn: Callable[[Order], object]
    """Begins the operation of an order whose time has come."""
    patience: Patience = field(factory=Patience)

    def examine(
        self,
        *,
        tenant_id: UUID | None = None,
        org_id: UUID | None = None,
        on_page: Callable[[int], object] = lambda _: None,
    ) -> Iterator[Finding]:
        """Check everything, or all of a tenant; *on_page* hears how many orders are done.

        May run beside workers: what moves meanwhile is looked at twice before it is told of.

        Raises:
            StoreUnavailable: the store does not answer.
            InventoryUnavailable: the inventory does not answer.
        """
        after: OrderPlace | None = None
        done = 0
        while page := self.storage.walk(
            after=after, limit=PAGE, tenant_id=tenant_id, org_id=org_id
        ):
            yield from self._page(page)
            after = page[-1].place
            done += len(page)
            on_page(done)
        if self.claims is not None:
            yield from self.claims.claims(tenant_id, org_id)
        yield from self.stock.books(tenant_id, org_id)
        if self.inbox is not None:
            at, longest_s = self.clock.now(), self.patience.notification_s
            yield from check_waiting(self.inbox, tenant_id, longer_than_s=longest_s, at=at)
            yield from check_unmatched(self.inbox, self.storage, tenant_id)

    def _page(self, page: Sequence[Walked]) -> Iterator[Finding]:
        at = self.clock.now()
        readable = []
        for one in page:
            if isinstance(one, UnreadableOrder):
                place = one.place
                yield Finding(
                    Kind.ORDER_UNREADABLE,
                    Severity.ERROR,
                    one.sentence,
                    place.scope,
                    place.order_id,
                )
            else:
                readable.append(one)
                yield from self._order(one, at)
        orders = [kept.order for kept in readable]
        if self.claims is not None:
            yield from self.claims.orders(orders)
        yield from self.stock.orders(orders)
        if self.event_log is not None:
            yield from check_feed(self.event_log, readable)

    def _order(self, kept: KeptOrder, at: datetime) -> Iterator[Finding]:
        order = kept.order
        yield from check_history(order)
        yield from check_quantities(order)
        yield from check_payment_sums(order)
        ask = Fix("ask the provider, and let go what it holds", lambda: self.ask_provider(order))
        yield from check_dead_orders_money(order, ask)
        yield from check_saga(kept, self.definitions, self.patience, at)
        turn = Fix("give it its turn", lambda: self.give_turn(order))
        yield from check_operations(order, turn, at)
        if self.events_leave:
            yield from check_outbox(kept, longer_than_s=self.patience.event_s, at=at)
