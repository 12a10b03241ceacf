"""The SQL of a listing: one index that is already in order, read from where it goes on."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from oms_adapters.storage.sqlite.record import Value
from oms_core.domain.scope import Scope
from oms_core.ports.cursors import OrderPosition
from oms_core.ports.order_document import to_microseconds
from oms_core.ports.storage import OrderQuery

_PAGE: Final = """
SELECT orders.created_us, orders.id, orders.document
FROM (
    SELECT number FROM orders INDEXED BY {index} WHERE {conditions}
    ORDER BY created_us DESC, id DESC LIMIT ? OFFSET ?
) AS page
CROSS JOIN orders ON orders.number = page.number
"""
"""The inner query passes over skipped orders in the index alone; only those of the page are
read. The rows come in the inner order in practice, which SQL does not promise: sort them."""


@frozen
class Page:
    """A statement and its parameters."""

    sql: str
    parameters: tuple[Value, ...]


def page_of(scope: Scope, query: OrderQuery, after: OrderPosition | None) -> Page:
    """Write the query for one page and one order more, which tells whether it goes on."""
    conditions = ["tenant = ?", "org = ?"]
    parameters: list[Value] = [scope.tenant_id.bytes, scope.org_id.bytes]
    # The filter that leaves the fewest orders, as a rule, comes last and chooses the index.
    index = "orders_by_age"
    if query.channel is not None:
        index = "orders_by_channel"
        conditions.append("channel = ?")
        parameters.append(query.channel)
    if query.status is not None:
        index = "orders_by_status"
        conditions.append("status = ?")
        parameters.append(query.status.value)
    if query.customer_id is not None:
        index = "orders_by_customer"
        conditions.append("customer = ?")
        parameters.append(query.customer_id.bytes)
    if query.created_from is not None:
        conditions.append("created_us >= ?")
        parameters.append(to_microseconds(query.created_from))
    end = _end(query, after)
    if end is not None:
        conditions.append("(created_us, id) < (?, ?)")
        parameters += end
    parameters += [query.limit + 1, query.offset]
    return Page(_PAGE.format(index=index, conditions=" AND ".join(conditions)), tuple(parameters))


def _end(query: OrderQuery, after: OrderPosition | None) -> tuple[int, bytes] | None:
    """Tell below which place in the order the page lies: two bounds make one search."""
    ends = []
    if query.created_to is not None:
        ends.append((to_microseconds(query.created_to), b""))
    if after is not None:
        ends.append((after.created_us, after.order_id.bytes))
    return min(ends, default=None)
