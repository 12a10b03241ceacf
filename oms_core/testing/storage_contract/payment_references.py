"""A payment reference backs one live order per tenant and provider."""

from __future__ import annotations

from attrs import evolve

from oms_core.domain.order_status import OrderStatus
from oms_core.errors import OrderNotFound, PaymentReferenceInUse
from oms_core.ports.storage import Added, AlreadyThere, OrderQuery
from oms_core.testing.at_once import at_once
from oms_core.testing.orders import a_scope, an_order, with_status
from oms_core.testing.refusal import refusal
from oms_core.testing.storage_contract.suite import StorageSuite


class KeepsPaymentReferencesApart(StorageSuite):
    """The second uniqueness of ``add``."""

    def test_a_payment_reference_backs_one_order(self) -> None:
        first = self.stored(an_order("first", payment_reference="pay-shared"))
        second = an_order("second", payment_reference="pay-shared")

        refusal(PaymentReferenceInUse, lambda: self.store.add(second))

        assert self.store.list_orders(first.scope, OrderQuery()).orders == (first,)

    def test_a_refused_order_leaves_nothing_behind(self) -> None:
        self.stored(an_order("first", payment_reference="pay-shared"))
        second = an_order("second", payment_reference="pay-shared")

        refusal(PaymentReferenceInUse, lambda: self.store.add(second, holder="a", lease_s=30))

        refusal(OrderNotFound, lambda: self.read(second))
        corrected = an_order("second", payment_reference="pay-of-its-own")
        assert self.store.add(corrected) == Added(corrected)

    def test_of_many_threads_with_one_payment_reference_one_gets_it(self) -> None:
        orders = [an_order(f"key-{number}", payment_reference="pay-1") for number in range(16)]

        def add(number: int) -> bool:
            try:
                return isinstance(self.store.add(orders[number]), Added)
            except PaymentReferenceInUse:
                return False

        outcomes = at_once(add, range(16))

        assert outcomes.count(True) == 1
        winner = orders[outcomes.index(True)]
        assert self.store.list_orders(winner.scope, OrderQuery()).orders == (winner,)

    def test_it_is_free_again_exactly_when_the_order_failed_or_was_cancelled(self) -> None:
        free_again = set()
        for status in OrderStatus:
            first = self.stored(an_order(f"first-{status}", payment_reference=f"pay-{status}"))
            self.store.save(with_status(first, status))
            try:
                self.store.add(an_order(f"second-{status}", payment_reference=f"pay-{status}"))
            except PaymentReferenceInUse:
                continue
            free_again.add(status)

        assert free_again == {OrderStatus.FAILED, OrderStatus.CANCELLED}

    def test_it_is_free_again_when_a_worker_records_the_failure(self) -> None:
        claim = self.stored_and_claimed(an_order("first", payment_reference="pay-shared"))
        failed = with_status(claim.order, OrderStatus.FAILED)
        self.store.checkpoint(failed, claim.lease, extend_s=None)
        second = an_order("second", payment_reference="pay-shared")

        assert self.store.add(second) == Added(second)

    def test_once_free_it_backs_one_order_again(self) -> None:
        first = self.stored(an_order("first", payment_reference="pay-shared"))
        self.store.save(with_status(first, OrderStatus.CANCELLED))
        self.stored(an_order("second", payment_reference="pay-shared"))

        refusal(
            PaymentReferenceInUse,
            lambda: self.store.add(an_order("third", payment_reference="pay-shared")),
        )

    def test_a_dead_order_that_is_saved_again_does_not_free_the_next_ones_reference(self) -> None:
        first = self.stored(an_order("first", payment_reference="pay-shared"))
        dead = self.store.save(with_status(first, OrderStatus.CANCELLED))
        self.stored(an_order("second", payment_reference="pay-shared"))

        self.store.save(evolve(dead, platform="archive"))

        refusal(
            PaymentReferenceInUse,
            lambda: self.store.add(an_order("third", payment_reference="pay-shared")),
        )

    def test_a_repeated_add_gets_its_order_and_not_a_quarrel_over_the_reference(self) -> None:
        order = self.stored(an_order(payment_reference="pay-own"))

        assert self.store.add(order) == AlreadyThere(order)

    def test_a_repeated_add_gets_its_order_even_if_the_reference_is_anothers_by_now(self) -> None:
        first = self.stored(an_order("first", payment_reference="pay-shared"))
        dead = self.store.save(with_status(first, OrderStatus.FAILED))
        self.stored(an_order("second", payment_reference="pay-shared"))

        assert self.store.add(first) == AlreadyThere(dead)

    def test_organizations_of_one_tenant_share_its_references(self) -> None:
        self.stored(an_order("a", scope=a_scope("acme", "north"), payment_reference="pay-1"))
        other = an_order("b", scope=a_scope("acme", "south"), payment_reference="pay-1")

        refusal(PaymentReferenceInUse, lambda: self.store.add(other))

    def test_tenants_and_providers_have_references_of_their_own(self) -> None:
        orders = [
            an_order("a", payment_reference="pay-1"),
            an_order("b", payment_reference="pay-1", scope=a_scope("rival")),
            an_order("c", payment_reference="pay-1", provider="another-provider"),
        ]

        assert [self.store.add(order) for order in orders] == [Added(o) for o in orders]
