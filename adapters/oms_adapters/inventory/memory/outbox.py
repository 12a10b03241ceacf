"""The ledger as an outbox: which items have entries that have not left."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from oms_core.ports.stock_outbox import ENTRIES_MAX, UnpublishedStock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from oms_adapters.inventory.memory.warehouse import Warehouse
    from oms_core.domain.scope import Scope


def claim(
    warehouses: Mapping[Scope, Warehouse], *, now: datetime, limit: int, lease_s: float
) -> list[UnpublishedStock]:
    """Claim items whose ledger has grown, and take what is new of each."""
    free = (
        (scope, stock)
        for scope, warehouse in warehouses.items()
        for stock in warehouse.news.values()
        if stock.claimed_until is None or stock.claimed_until <= now
    )
    claimed = []
    for scope, stock in islice(free, limit):
        stock.claimed_until = now + timedelta(seconds=lease_s)
        stock.token += 1
        news = tuple(stock.ledger[stock.published : stock.published + ENTRIES_MAX])
        claimed.append(UnpublishedStock(scope, stock.item, stock.published, news, stock.token))
    return claimed


def mark(warehouses: Mapping[Scope, Warehouse], sent: Sequence[UnpublishedStock]) -> None:
    """Record what left, unless another claim was made since."""
    for each in sent:
        news = warehouses[each.scope].news
        place = (each.item.sku, each.item.location)
        stock = news.get(place)
        if stock is not None and stock.token == each.token:
            stock.published = each.last
            stock.claimed_until = None
            del news[place]
            if len(stock.ledger) > stock.published:
                # Behind all others, which wait for longer.
                news[place] = stock
