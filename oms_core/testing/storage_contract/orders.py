"""A store keeps every order, whole, once, and away from strangers."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from attrs import evolve

from oms_core.domain.line_item import LineItem
from oms_core.domain.money import MINOR_UNITS_MAX, Money
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import OrderNotFound, StaleVersion
from oms_core.ports.storage import Added, AlreadyThere, OrderQuery
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON
from oms_core.testing.orders import (
    AWKWARD_STRINGS,
    a_scope,
    a_very_full_order,
    an_order,
    with_status,
)
from oms_core.testing.refusal import refusal
from oms_core.testing.storage_contract.suite import StorageSuite


class KeepsOrders(StorageSuite):
    """``add``, ``get`` and ``save``."""

    def test_an_order_reads_back_as_it_was_stored(self) -> None:
        order = an_order()

        added = self.store.add(order)

        assert added == Added(order)
        assert self.read(order) == order

    def test_every_field_of_a_very_full_order_survives(self) -> None:
        order = a_very_full_order()

        self.stored(order)

        assert self.read(order) == order

    def test_every_field_of_a_very_full_order_survives_a_save(self) -> None:
        full = a_very_full_order()
        self.stored(an_order("VERY-FULL-ORDER"))

        self.store.save(full)

        assert self.read(full) == evolve(full, version=2)

    def test_awkward_text_is_neither_cut_nor_changed_nor_executed(self) -> None:
        orders = [
            an_order(
                f"key {number} {text}",
                payment_reference=f"{number}{text}",
                fingerprint=text,
                channel=text,
                platform=text,
                lines=[LineItem(1, text, 1, Money(1, "USD"), text, text)],
                metadata={text: text},
            )
            for number, text in enumerate(AWKWARD_STRINGS)
        ]

        for order in orders:
            self.stored(order)

        assert [self.read(order) for order in orders] == orders

    def test_amounts_are_exact_up_to_the_largest(self) -> None:
        lines = [LineItem(1, "GOLDEN-ARMCHAIR", 1, Money(MINOR_UNITS_MAX, "USD"))]
        order = an_order(lines=lines)

        self.stored(order)

        assert self.read(order).total == Money(999_999_999_999_999, "USD")

    def test_instants_keep_their_microseconds_and_are_in_utc(self) -> None:
        order = an_order(at=NOON + timedelta(microseconds=1))

        self.stored(order)

        read = self.read(order)
        assert read.created_at == order.created_at
        assert read.created_at.utcoffset() == timedelta(0)

    def test_a_save_replaces_the_order_and_counts_the_version(self) -> None:
        order = self.stored(an_order())
        changed = with_status(order, OrderStatus.PAYMENT_AUTHORIZED)

        saved = self.store.save(changed)

        assert saved == evolve(changed, version=2)
        assert self.read(order) == saved

    def test_saves_can_follow_one_another(self) -> None:
        order = self.stored(an_order())

        for _ in range(5):
            order = self.store.save(order)

        assert order.version == 6
        assert self.read(order) == order

    def test_a_save_of_a_stale_version_changes_nothing(self) -> None:
        order = self.stored(an_order())
        winner = self.store.save(with_status(order, OrderStatus.PAYMENT_AUTHORIZED))

        error = refusal(
            StaleVersion,
            lambda: self.store.save(with_status(order, OrderStatus.CANCELLED)),
        )

        assert error.order_id == order.id
        assert self.read(order) == winner

    def test_a_save_of_a_version_that_never_was_changes_nothing(self) -> None:
        order = self.stored(an_order())

        refusal(StaleVersion, lambda: self.store.save(evolve(order, version=7)))

        assert self.read(order) == order

    def test_of_many_threads_saving_one_version_one_wins(self) -> None:
        order = self.stored(an_order())

        def save(platform: str) -> str | None:
            try:
                self.store.save(evolve(order, platform=platform))
            except StaleVersion:
                return None
            return platform

        outcomes = at_once(save, [f"thread-{number}" for number in range(16)])

        winners = [platform for platform in outcomes if platform is not None]
        assert len(winners) == 1
        assert self.read(order) == evolve(order, platform=winners[0], version=2)

    def test_an_unknown_order_is_not_found(self) -> None:
        unknown = UUID("00000000-0000-4000-8000-00000000dead")

        error = refusal(OrderNotFound, lambda: self.store.get(a_scope(), unknown))

        assert error.order_id == unknown

    def test_an_unknown_order_cannot_be_saved(self) -> None:
        order = an_order()

        refusal(OrderNotFound, lambda: self.store.save(order))

        refusal(OrderNotFound, lambda: self.read(order))

    # -- once --------------------------------------------------------------------------------

    def test_a_repeated_add_gets_the_first_order(self) -> None:
        order = self.stored(an_order())

        assert self.store.add(order) == AlreadyThere(order)

    def test_a_repeated_add_gets_the_order_as_it_is_by_now(self) -> None:
        order = self.stored(an_order())
        saved = self.store.save(with_status(order, OrderStatus.PAYMENT_AUTHORIZED))

        assert self.store.add(order) == AlreadyThere(saved)

    def test_an_add_of_other_content_under_the_same_key_changes_nothing(self) -> None:
        order = self.stored(an_order())

        other = an_order(channel="marketplace", payment_reference="pay-other")

        assert self.store.add(other) == AlreadyThere(order)
        assert self.read(order) == order

    def test_a_repeated_add_does_not_take_the_order_from_its_holder(self) -> None:
        claim = self.stored_and_claimed(an_order(), "worker-a")

        again = self.store.add(an_order(), holder="worker-b", lease_s=30)

        assert again == AlreadyThere(claim.order)
        self.store.checkpoint(claim.order, claim.lease, extend_s=None)

    def test_many_threads_adding_one_order_store_it_once(self) -> None:
        order = an_order()

        outcomes = at_once(self.store.add, [order] * 16)

        assert [o for o in outcomes if isinstance(o, Added)] == [Added(order)]
        assert [o for o in outcomes if isinstance(o, AlreadyThere)] == [AlreadyThere(order)] * 15
        assert self.store.list_orders(order.scope, OrderQuery()).orders == (order,)

    def test_many_threads_adding_different_orders_under_one_key_store_one(self) -> None:
        orders = [an_order(platform=f"thread-{number}") for number in range(16)]

        outcomes = at_once(self.store.add, orders)

        stored = self.read(orders[0])
        assert stored in orders
        assert sum(isinstance(o, Added) for o in outcomes) == 1
        assert [o.order for o in outcomes] == [stored] * 16

    def test_orders_added_by_many_threads_are_all_there(self) -> None:
        orders = [an_order(f"CRUNCHY-ARMCHAIR-{number}") for number in range(32)]

        outcomes = at_once(self.store.add, orders)

        assert outcomes == [Added(order) for order in orders]
        assert [self.read(order) for order in orders] == orders

    # -- isolation ---------------------------------------------------------------------------

    def test_another_tenants_order_is_not_found(self) -> None:
        order = self.stored(an_order(scope=a_scope("acme", "main")))

        refusal(OrderNotFound, lambda: self.store.get(a_scope("rival", "main"), order.id))

    def test_another_organizations_order_is_not_found(self) -> None:
        order = self.stored(an_order(scope=a_scope("acme", "north")))

        refusal(OrderNotFound, lambda: self.store.get(a_scope("acme", "south"), order.id))

    def test_one_id_in_two_scopes_names_two_orders(self) -> None:
        ours = self.stored(an_order(scope=a_scope("acme")))
        theirs = evolve(an_order("other", scope=a_scope("rival")), id=ours.id)

        added = self.store.add(theirs)

        assert added == Added(theirs)
        assert self.read(ours) == ours
        assert self.read(theirs) == theirs

    def test_a_save_in_another_scope_changes_nothing(self) -> None:
        order = self.stored(an_order(scope=a_scope("acme")))

        refusal(
            OrderNotFound,
            lambda: self.store.save(evolve(order, scope=a_scope("rival"), channel="stolen")),
        )

        assert self.read(order) == order

    # -- the store itself --------------------------------------------------------------------

    def test_a_store_that_works_answers_a_ping(self) -> None:
        self.store.ping()

    def test_a_store_may_be_closed_more_than_once(self) -> None:
        self.store.close()
        self.store.close()
