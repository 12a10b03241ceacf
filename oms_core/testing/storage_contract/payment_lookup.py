"""Whoever is told of a payment finds the order that it belongs to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from oms_core.domain.order_status import OrderStatus
from oms_core.testing.clock import NOON
from oms_core.testing.orders import a_scope, an_order, with_status
from oms_core.testing.storage_contract.suite import StorageSuite

if TYPE_CHECKING:
    from oms_core.domain.order import Order

TENANT = a_scope().tenant_id


class FindsOrdersByPayment(StorageSuite):
    """``find_by_payment``."""

    def dead(self, key: str, created_s: float, *, status: OrderStatus) -> Order:
        """Store an order that was created so many seconds after noon, and died."""
        at = NOON + timedelta(seconds=created_s)
        order = self.stored(an_order(key, at=at, payment_reference="pay-1"))
        return self.store.save(with_status(order, status))

    def found(self, reference: str = "pay-1") -> Order | None:
        """Look the simulated provider's payment up for the usual tenant."""
        provider = an_order().payment.provider
        return self.store.find_by_payment(TENANT, provider, reference)

    def test_the_live_order_of_a_payment_is_found_as_it_is_now(self) -> None:
        order = self.stored(an_order(payment_reference="pay-1"))
        self.stored(an_order("another", payment_reference="pay-2"))

        assert self.found() == order

        confirmed = self.store.save(with_status(order, OrderStatus.CONFIRMED))

        assert self.found() == confirmed

    def test_it_is_found_in_every_organization_of_the_tenant(self) -> None:
        north = self.stored(
            an_order("a", scope=a_scope("acme", "north"), payment_reference="pay-n")
        )
        south = self.stored(
            an_order("b", scope=a_scope("acme", "south"), payment_reference="pay-s")
        )

        tenant_id, provider = north.scope.tenant_id, north.payment.provider
        assert self.store.find_by_payment(tenant_id, provider, "pay-n") == north
        assert self.store.find_by_payment(tenant_id, provider, "pay-s") == south

    def test_other_tenants_providers_and_references_find_nothing(self) -> None:
        order = self.stored(an_order(payment_reference="pay-1"))
        dead = self.stored(an_order("dead", payment_reference="pay-2"))
        self.store.save(with_status(dead, OrderStatus.FAILED))
        provider, rival = order.payment.provider, a_scope("rival").tenant_id

        for reference in ("pay-1", "pay-2"):
            assert self.store.find_by_payment(rival, provider, reference) is None
            assert self.store.find_by_payment(TENANT, "another-provider", reference) is None
        assert self.found("PAY-1") is None
        assert self.found("") is None

    def test_a_live_order_is_found_before_any_dead_one_however_new(self) -> None:
        self.dead("first", 0, status=OrderStatus.FAILED)
        self.dead("second", 60, status=OrderStatus.CANCELLED)
        live = self.stored(an_order("live", at=NOON, payment_reference="pay-1"))

        assert self.found() == live

    def test_of_dead_orders_the_one_created_last_is_found(self) -> None:
        """A payment that succeeds too late must be voided by somebody."""
        self.dead("first", 0, status=OrderStatus.FAILED)
        last = self.dead("last", 60, status=OrderStatus.CANCELLED)
        self.dead("second", 30, status=OrderStatus.FAILED)

        assert self.found() == last

        again = self.store.save(with_status(last, OrderStatus.CANCELLED))

        assert self.found() == again

    def test_an_order_that_dies_in_a_workers_hands_is_found_dead(self) -> None:
        claim = self.stored_and_claimed(an_order(payment_reference="pay-1"))
        failed = with_status(claim.order, OrderStatus.FAILED)

        saved = self.store.checkpoint(failed, claim.lease, extend_s=None)

        assert self.found() == saved.order
