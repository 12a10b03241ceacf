"""Whoever checks a store meets every order of every tenant once, page by page."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from oms_core.domain.order_status import OrderStatus
from oms_core.ports.storage import KeptOrder, OrderPlace
from oms_core.testing.orders import a_scope, an_order, with_status
from oms_core.testing.storage_contract.suite import StorageSuite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from oms_core.domain.order import Order

_SCOPES: Final = (
    a_scope("acme", "north"),
    a_scope("acme", "south"),
    a_scope("rival", "north"),
    a_scope("third", "only"),
)


class WalksThroughOrders(StorageSuite):
    """``walk``."""

    def _in_every_scope(self, each: int = 3) -> list[Order]:
        """Store some orders in every scope, in the order of a walk."""
        orders = [
            self.stored(
                an_order(f"{number}", scope=scope, payment_reference=f"pay-{scope}-{number}")
            )
            for number in range(each)
            for scope in _SCOPES
        ]
        return sorted(orders, key=_place)

    def _pages_walked(
        self, limit: int, *, tenant_id: UUID | None = None, org_id: UUID | None = None
    ) -> Iterator[list[Order]]:
        after: OrderPlace | None = None
        while True:
            page = self.store.walk(after=after, limit=limit, tenant_id=tenant_id, org_id=org_id)
            orders = [one.order for one in page if isinstance(one, KeptOrder)]
            assert len(orders) == len(page) <= limit
            if not page:
                return
            yield orders
            after = page[-1].place

    def test_an_empty_store_has_nothing_to_walk_through(self) -> None:
        assert list(self.store.walk(limit=10)) == []

    def test_every_order_of_every_tenant_is_met_once_whatever_the_size_of_a_page(self) -> None:
        orders = self._in_every_scope()

        for limit in (1, 2, 5, len(orders), 100):
            met = [order for page in self._pages_walked(limit) for order in page]

            assert met == orders

    def test_a_walk_through_a_tenant_or_an_organization_meets_no_others(self) -> None:
        orders = self._in_every_scope()
        for scope in _SCOPES:
            tenant_id, org_id = scope.tenant_id, scope.org_id

            of_tenant = [o for page in self._pages_walked(2, tenant_id=tenant_id) for o in page]
            of_org = [
                o
                for page in self._pages_walked(2, tenant_id=tenant_id, org_id=org_id)
                for o in page
            ]

            assert of_tenant == [o for o in orders if o.scope.tenant_id == tenant_id]
            assert of_org == [o for o in orders if o.scope == scope]

    def test_a_walk_may_go_on_from_before_or_behind_the_tenant_that_is_asked_for(self) -> None:
        orders = self._in_every_scope()
        first, last = orders[0], orders[-1]

        from_first = self.store.walk(
            after=OrderPlace(first.scope, first.id), limit=100, tenant_id=last.scope.tenant_id
        )
        from_last = self.store.walk(
            after=OrderPlace(last.scope, last.id), limit=100, tenant_id=first.scope.tenant_id
        )

        assert [one.place.scope.tenant_id for one in from_first] == [
            o.scope.tenant_id for o in orders if o.scope.tenant_id == last.scope.tenant_id
        ]
        assert list(from_last) == []

    def test_orders_that_change_meanwhile_are_met_all_the_same(self) -> None:
        orders = self._in_every_scope()
        met = []

        for page in self._pages_walked(2):
            met += [order.id for order in page]
            for order in orders:
                self.store.save(with_status(self.read(order), OrderStatus.FAILED))

        assert sorted(met) == sorted(order.id for order in orders)

    def test_a_walk_tells_who_holds_an_order_and_until_when(self) -> None:
        claim = self.stored_and_claimed(an_order(), "worker-7", lease_s=30.0)

        (held,) = self.store.walk(limit=1)
        self.store.release(claim.lease)
        (free,) = self.store.walk(limit=1)

        until = self.clock.now() + timedelta(seconds=30)
        assert held == KeptOrder(claim.order, 0, "worker-7", until)
        assert free == KeptOrder(claim.order, 0, None, None)

    def test_a_walk_tells_how_many_events_have_left(self) -> None:
        order = self.stored(an_order())

        self.store.mark_published(self.store.claim_unpublished("relay", limit=1, lease_s=30.0))

        (kept,) = self.store.walk(limit=1)
        assert kept == KeptOrder(order, len(order.history))


def _place(order: Order) -> tuple[UUID, UUID, UUID]:
    return (order.scope.tenant_id, order.scope.org_id, order.id)
