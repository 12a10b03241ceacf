"""List orders: a page of them, if what is asked makes sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oms_core.domain.rules import require
from oms_core.errors import Mistake

if TYPE_CHECKING:
    from oms_core.domain.scope import Scope
    from oms_core.ports.storage import OrderPage, OrderQuery, OrderStorage

LIST_LIMIT_MAX: Final = 100


def list_orders(query: OrderQuery, scope: Scope, storage: OrderStorage) -> OrderPage:
    """List orders of *scope*, newest first.

    Raises:
        InvalidInput: limit outside 1-100, a negative offset, offset and cursor together, or a
            cursor that was not given out here.
    """
    mistakes = []
    if not 1 <= query.limit <= LIST_LIMIT_MAX:
        mistakes.append(Mistake("/limit", f"must be from 1 to {LIST_LIMIT_MAX}"))
    if query.offset < 0:
        mistakes.append(Mistake("/offset", "must not be negative"))
    if query.cursor is not None and query.offset:
        mistakes.append(Mistake("/offset", "cannot be combined with a cursor"))
    require(mistakes)
    return storage.list_orders(scope, query)
