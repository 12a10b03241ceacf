"""Every order of a scope, newest first, as a stream of bytes in constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope
    from oms_core.ports.storage import OrderQuery, OrderStorage
    from oms_entrypoints.bulk.forms import Form

PAGE: Final = 200
"""Orders that are in memory at once."""


def walk(storage: OrderStorage, scope: Scope, query: OrderQuery) -> Iterator[tuple[Order, ...]]:
    """Yield the orders that fit *query*, newest first, some at a time.

    Each page is a read of its own: nothing is held open between two, however slowly they are
    taken. The place of an order never changes, so one that is there from beginning to end
    comes exactly once; those that are accepted meanwhile are newer than where the walk is, and
    do not come. Only an order whose status changes may come or not where a status is asked for.

    Raises:
        StoreUnavailable: the store cannot answer; what came is not everything.
    """
    query = evolve(query, limit=PAGE)
    while True:
        page = storage.list_orders(scope, query)
        yield page.orders
        if page.next_cursor is None:
            return
        query = evolve(query, cursor=page.next_cursor)


def written(pages: Iterator[tuple[Order, ...]], form: Form) -> Iterator[tuple[bytes, int]]:
    """Yield pieces of the export, each with how many orders it and all before it hold."""
    orders = 0
    head = form.begin()
    for page in pages:
        records = [form.record(order, number) for number, order in enumerate(page, orders + 1)]
        orders += len(page)
        yield head + b"".join(records), orders
        head = b""
    yield form.end(orders), orders
