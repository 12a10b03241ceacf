"""One scope's orders, indexed for every way of listing them."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from oms_adapters.storage.memory.sorted_index import SortedIndex
from oms_core.ports.order_document import to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from oms_adapters.storage.memory.record import Position, Record
    from oms_core.domain.order import Order
    from oms_core.domain.order_status import OrderStatus
    from oms_core.ports.cursors import OrderPosition
    from oms_core.ports.storage import OrderQuery

position_of: Final[Callable[[Record], Position]] = attrgetter("position")
by_position: Final = partial(SortedIndex["Record"], position_of)


class Shelf:
    """The orders of one scope by id, and by age: all, per status, channel and customer.

    Its callers hold the store's lock.
    """

    __slots__ = ("_all", "_by_channel", "_by_customer", "_by_status", "records")

    def __init__(self) -> None:
        self.records: dict[UUID, Record] = {}
        self._all = by_position()
        self._by_status: defaultdict[OrderStatus, SortedIndex[Record]] = defaultdict(by_position)
        self._by_channel: defaultdict[str, SortedIndex[Record]] = defaultdict(by_position)
        self._by_customer: defaultdict[UUID, SortedIndex[Record]] = defaultdict(by_position)

    def add(self, record: Record) -> None:
        """Put a new order on the shelf."""
        order = record.order
        self.records[order.id] = record
        self._all.add(record)
        self._by_status[order.status].add(record)
        self._by_channel[order.channel].add(record)
        if order.customer_id is not None:
            self._by_customer[order.customer_id].add(record)

    def move(self, record: Record, before: Order) -> None:
        """Follow an order that changed from *before*."""
        after = record.order
        if after.status is not before.status:
            self._by_status[before.status].remove(record)
            self._by_status[after.status].add(record)
        if after.channel != before.channel:
            self._by_channel[before.channel].remove(record)
            self._by_channel[after.channel].add(record)
        if after.customer_id != before.customer_id:
            if before.customer_id is not None:
                self._by_customer[before.customer_id].remove(record)
            if after.customer_id is not None:
                self._by_customer[after.customer_id].add(record)

    def candidates(self, query: OrderQuery) -> tuple[SortedIndex[Record], bool]:
        """Choose the smallest index that holds every order *query* asks for.

        Also tell whether it holds no other ones, the time of creation aside.
        """
        fitting = []
        if query.status is not None:
            fitting.append(self._by_status.get(query.status))
        if query.channel is not None:
            fitting.append(self._by_channel.get(query.channel))
        if query.customer_id is not None:
            fitting.append(self._by_customer.get(query.customer_id))
        if not fitting:
            return self._all, True
        smallest = min((index or _NOTHING for index in fitting), key=len)
        return smallest, len(fitting) == 1


_NOTHING: Final = by_position()


def upper_bound(query: OrderQuery, after: OrderPosition | None) -> tuple[int, ...] | None:
    """Tell below which position lies what *query* asks for, going on after *after*."""
    ends: list[tuple[int, ...]] = []
    if query.created_to is not None:
        ends.append((to_microseconds(query.created_to),))
    if after is not None:
        ends.append((after.created_us, after.order_id.int))
    return min(ends, default=None)


def matches(order: Order, query: OrderQuery) -> bool:
    """Tell whether *order* has what *query* asks for, the time of creation aside."""
    return (
        (query.status is None or order.status is query.status)
        and (query.channel is None or order.channel == query.channel)
        and (query.customer_id is None or order.customer_id == query.customer_id)
    )
