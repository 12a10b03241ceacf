"""A store lists one scope's orders, newest first, a page at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve

from oms_core.domain.inventory import StockItem
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import InvalidInput
from oms_core.ports.cursors import encode_stock_cursor
from oms_core.ports.storage import OrderPage, OrderQuery
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON
from oms_core.testing.orders import a_scope, an_order, with_status
from oms_core.testing.refusal import refusal
from oms_core.testing.storage_contract.suite import StorageSuite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope

SECOND = timedelta(seconds=1)
PAT = UUID("9a7bb1de-0000-4000-8000-0000000000aa")
KIM = UUID("9a7bb1de-0000-4000-8000-0000000000bb")


class ListsOrders(StorageSuite):
    """``list_orders``."""

    def _stored_in_a_row(self, how_many: int, *, scope: Scope | None = None) -> list[Order]:
        """Store orders a second apart; returns them newest first."""
        orders = [
            self.stored(an_order(f"order-{number:03}", scope=scope, at=NOON + number * SECOND))
            for number in range(how_many)
        ]
        return orders[::-1]

    def _keys(self, query: OrderQuery, scope: Scope | None = None) -> list[str]:
        return keys_of(self.store.list_orders(scope or a_scope(), query).orders)

    def _walked(self, query: OrderQuery, scope: Scope | None = None) -> list[str]:
        """Walk through all pages by cursor."""
        keys: list[str] = []
        while True:
            page = self.store.list_orders(scope or a_scope(), query)
            assert len(page.orders) <= query.limit
            keys += keys_of(page.orders)
            if page.next_cursor is None:
                return keys
            query = evolve(query, cursor=page.next_cursor)

    # -- order and pages ---------------------------------------------------------------------

    def test_a_scope_without_orders_has_an_empty_page(self) -> None:
        assert self.store.list_orders(a_scope(), OrderQuery()) == OrderPage(())

    def test_orders_are_listed_newest_first_and_whole(self) -> None:
        orders = self._stored_in_a_row(3)

        assert self.store.list_orders(a_scope(), OrderQuery()) == OrderPage(tuple(orders))

    def test_age_counts_and_not_when_the_order_was_stored(self) -> None:
        for seconds in (2, 9, 5, 1):
            self.stored(an_order(f"second-{seconds}", at=NOON + seconds * SECOND))

        assert self._keys(OrderQuery()) == ["second-9", "second-5", "second-2", "second-1"]

    def test_a_microsecond_makes_an_order_newer(self) -> None:
        self.stored(an_order("newer", at=NOON + timedelta(microseconds=1)))
        self.stored(an_order("older", at=NOON))

        assert self._keys(OrderQuery()) == ["newer", "older"]

    def test_the_listing_shows_orders_as_they_are_by_now(self) -> None:
        order = self.stored(an_order())
        saved = self.store.save(with_status(order, OrderStatus.PAYMENT_AUTHORIZED))

        assert self.store.list_orders(a_scope(), OrderQuery()).orders == (saved,)

    def test_a_page_holds_no_more_than_its_limit(self) -> None:
        orders = self._stored_in_a_row(5)

        page = self.store.list_orders(a_scope(), OrderQuery(limit=2))

        assert page.orders == tuple(orders[:2])
        assert page.next_cursor is not None

    def test_an_offset_leaves_out_the_newest(self) -> None:
        orders = self._stored_in_a_row(5)

        page = self.store.list_orders(a_scope(), OrderQuery(limit=2, offset=1))

        assert page.orders == tuple(orders[1:3])
        assert self._keys(OrderQuery(limit=2, offset=4)) == keys_of(orders[4:])
        assert self._keys(OrderQuery(limit=2, offset=5)) == []
        assert self._keys(OrderQuery(limit=2, offset=1_000_000)) == []

    def test_the_page_after_an_offset_can_be_reached_by_its_cursor(self) -> None:
        orders = self._stored_in_a_row(5)
        first = self.store.list_orders(a_scope(), OrderQuery(limit=2, offset=1))

        second = self.store.list_orders(a_scope(), OrderQuery(limit=2, cursor=first.next_cursor))

        assert second == OrderPage(tuple(orders[3:]))

    def test_the_last_page_has_no_cursor_even_if_it_is_full(self) -> None:
        orders = self._stored_in_a_row(4)
        first = self.store.list_orders(a_scope(), OrderQuery(limit=2))

        second = self.store.list_orders(a_scope(), OrderQuery(limit=2, cursor=first.next_cursor))

        assert second == OrderPage(tuple(orders[2:]), next_cursor=None)

    # -- cursors -----------------------------------------------------------------------------

    def test_walking_by_cursor_meets_every_order_once(self) -> None:
        orders = self._stored_in_a_row(23)

        for limit in (1, 2, 7, 22, 23, 24, 100):
            assert self._walked(OrderQuery(limit=limit)) == keys_of(orders)

    def test_orders_of_one_microsecond_are_neither_skipped_nor_repeated(self) -> None:
        for number in range(25):
            self.stored(an_order(f"order-{number:02}"))

        walked = self._walked(OrderQuery(limit=2))

        assert walked == self._keys(OrderQuery(limit=100))
        assert sorted(walked) == [f"order-{number:02}" for number in range(25)]

    def test_orders_added_on_the_way_neither_shift_nor_repeat_the_rest(self) -> None:
        orders = self._stored_in_a_row(9)
        query = OrderQuery(limit=2)

        walked: list[Order] = []
        for number in range(100):
            page = self.store.list_orders(a_scope(), query)
            walked += page.orders
            if page.next_cursor is None:
                break
            self.stored(an_order(f"newer-{number}", at=NOON + (100 + number) * SECOND))
            query = OrderQuery(limit=2, cursor=page.next_cursor)

        assert walked == orders

    def test_orders_added_by_other_threads_neither_shift_nor_repeat_the_rest(self) -> None:
        orders = self._stored_in_a_row(60)
        walks: list[list[str]] = []

        def work(number: int) -> None:
            if number == 0:
                walks.append(self._walked(OrderQuery(limit=3)))
                return
            for count in range(20):
                at = NOON + (1_000 + count) * SECOND
                self.stored(an_order(f"newer-{number}-{count}", at=at))

        at_once(work, range(4))

        (walked,) = walks
        assert len(walked) == len(set(walked))
        assert [key for key in walked if key.startswith("order-")] == keys_of(orders)

    def test_a_cursor_goes_on_although_its_order_has_changed(self) -> None:
        orders = self._stored_in_a_row(4)
        query = OrderQuery(limit=2, status=OrderStatus.PENDING_PAYMENT)
        first = self.store.list_orders(a_scope(), query)
        self.store.save(with_status(first.orders[-1], OrderStatus.FAILED))

        second = self.store.list_orders(a_scope(), evolve(query, cursor=first.next_cursor))

        assert second.orders == tuple(orders[2:])

    def test_a_cursor_fits_a_url_as_it_is(self) -> None:
        self._stored_in_a_row(3)

        cursor = self.store.list_orders(a_scope(), OrderQuery(limit=1)).next_cursor

        assert cursor is not None
        assert cursor.replace("-", "").replace("_", "").isalnum()
        assert cursor.isascii()

    def test_what_no_listing_gave_out_is_no_cursor(self) -> None:
        self._stored_in_a_row(3)
        good = self.store.list_orders(a_scope(), OrderQuery(limit=1)).next_cursor
        assert good is not None
        forged = [
            "",
            "0",
            "next",
            "!" * 34,
            good[:-1],
            good + "A",
            good + "=",
            " " + good,
            good + "\n",
            good[::-1],
            good.swapcase(),
            "é" + good,
            good * 1_000,
            "\x00",
            encode_stock_cursor(StockItem("CRUNCHY-ARMCHAIR")),
        ]

        for cursor in forged:
            query = OrderQuery(cursor=cursor)
            error = refusal(InvalidInput, lambda query=query: self._keys(query))  # type: ignore[misc]
            assert [mistake.pointer for mistake in error.mistakes] == ["/cursor"]

    def test_a_cursor_excludes_an_offset(self) -> None:
        self._stored_in_a_row(3)
        cursor = self.store.list_orders(a_scope(), OrderQuery(limit=1)).next_cursor

        error = refusal(InvalidInput, lambda: self._keys(OrderQuery(cursor=cursor, offset=1)))

        assert [mistake.pointer for mistake in error.mistakes] == ["/offset"]

    # -- filters -----------------------------------------------------------------------------

    def test_a_status_is_filtered_by_as_it_is_by_now(self) -> None:
        orders = self._stored_in_a_row(4)
        self.store.save(with_status(orders[1], OrderStatus.FAILED))

        failed = self._keys(OrderQuery(status=OrderStatus.FAILED))
        pending = self._keys(OrderQuery(status=OrderStatus.PENDING_PAYMENT))

        assert failed == ["order-002"]
        assert pending == ["order-003", "order-001", "order-000"]
        assert self._keys(OrderQuery(status=OrderStatus.REFUNDED)) == []

    def test_a_channel_and_a_customer_are_filtered_by(self) -> None:
        self.stored(an_order("web-pat", channel="web", customer_id=PAT))
        self.stored(an_order("pos-pat", channel="pos", customer_id=PAT, at=NOON + SECOND))
        self.stored(an_order("web-kim", channel="web", customer_id=KIM, at=NOON + 2 * SECOND))
        self.stored(an_order("web-none", channel="web", at=NOON + 3 * SECOND))

        assert self._keys(OrderQuery(channel="web")) == ["web-none", "web-kim", "web-pat"]
        assert self._keys(OrderQuery(customer_id=PAT)) == ["pos-pat", "web-pat"]
        assert self._keys(OrderQuery(channel="web", customer_id=PAT)) == ["web-pat"]
        assert self._keys(OrderQuery(channel="WEB")) == []

    def test_times_of_creation_are_from_inclusive_to_exclusive(self) -> None:
        self._stored_in_a_row(5)
        start, end = NOON + SECOND, NOON + 3 * SECOND

        between = self._keys(OrderQuery(created_from=start, created_to=end))

        assert between == ["order-002", "order-001"]
        assert self._keys(OrderQuery(created_from=end)) == ["order-004", "order-003"]
        assert self._keys(OrderQuery(created_to=start)) == ["order-000"]
        assert self._keys(OrderQuery(created_from=end, created_to=start)) == []

    def test_all_filters_combine_and_page(self) -> None:
        matching = []
        for number in range(48):
            channel = "web" if number % 2 else "pos"
            customer_id = PAT if number % 3 else KIM
            order = self.stored(
                an_order(
                    f"order-{number:02}",
                    channel=channel,
                    customer_id=customer_id,
                    at=NOON + number * SECOND,
                )
            )
            if number % 4 == 3:
                order = self.store.save(with_status(order, OrderStatus.CANCELLED))
            if (channel, customer_id, order.status) == ("web", PAT, OrderStatus.CANCELLED) and (
                6 <= number < 40
            ):
                matching.append(order.idempotency_key)
        query = OrderQuery(
            limit=3,
            status=OrderStatus.CANCELLED,
            channel="web",
            customer_id=PAT,
            created_from=NOON + 6 * SECOND,
            created_to=NOON + 40 * SECOND,
        )

        assert len(matching) == 6
        assert self._walked(query) == matching[::-1]
        assert self._keys(evolve(query, offset=4)) == matching[1::-1]

    def test_a_filter_that_few_orders_meet_finds_them_all(self) -> None:
        for number in range(120):
            self.stored(
                an_order(
                    f"order-{number:03}",
                    channel="rare" if number % 40 == 0 else "web",
                    customer_id=PAT,
                    at=NOON + number * SECOND,
                )
            )

        walked = self._walked(OrderQuery(limit=1, channel="rare", customer_id=PAT))

        assert walked == ["order-080", "order-040", "order-000"]

    # -- isolation ---------------------------------------------------------------------------

    def test_a_listing_shows_one_scope_only(self) -> None:
        for tenant, org in (("acme", "north"), ("acme", "south"), ("rival", "north")):
            self.stored(an_order(f"{tenant}-{org}", scope=a_scope(tenant, org), channel=tenant))

        for tenant, org in (("acme", "north"), ("acme", "south"), ("rival", "north")):
            assert self._keys(OrderQuery(), a_scope(tenant, org)) == [f"{tenant}-{org}"]
        assert self._keys(OrderQuery(channel="rival"), a_scope("acme", "north")) == []
        assert self._keys(OrderQuery(), a_scope("nobody")) == []

    def test_a_cursor_of_another_scope_reaches_nothing_of_it(self) -> None:
        ours, theirs = a_scope("acme"), a_scope("rival")
        self._stored_in_a_row(6, scope=theirs)
        mine = an_order("mine", scope=ours, at=NOON - SECOND)
        self.stored(mine)
        cursor = self.store.list_orders(theirs, OrderQuery(limit=2)).next_cursor

        page = self.store.list_orders(ours, OrderQuery(cursor=cursor))

        assert page == OrderPage((mine,))


def keys_of(orders: Sequence[Order]) -> list[str]:
    """Name orders by their idempotency keys."""
    return [order.idempotency_key for order in orders]
