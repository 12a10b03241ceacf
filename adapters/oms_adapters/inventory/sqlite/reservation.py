"""The columns of a reservation that hold more than one value."""

from __future__ import annotations

import json
from collections.abc import Iterable

from oms_core.domain.inventory import Demand, Shortage, StockItem


def demands_to_text(demands: Iterable[Demand]) -> str:
    """Write demands as JSON: ``[[sku, location, quantity], ...]``."""
    return _to_text([d.item.sku, d.item.location, d.quantity] for d in demands)


def demands_from_text(text: str) -> tuple[Demand, ...]:
    """Read what ``demands_to_text`` wrote."""
    return tuple(
        Demand(StockItem(sku, location), count) for sku, location, count in json.loads(text)
    )


def shortages_to_text(shortages: Iterable[Shortage]) -> str:
    """Write shortages as JSON: ``[[sku, location, wanted, available], ...]``."""
    return _to_text([s.item.sku, s.item.location, s.wanted, s.available] for s in shortages)


def shortages_from_text(text: str) -> tuple[Shortage, ...]:
    """Read what ``shortages_to_text`` wrote."""
    return tuple(
        Shortage(StockItem(sku, location), wanted, available)
        for sku, location, wanted, available in json.loads(text)
    )


def _to_text(rows: Iterable[list[str | int]]) -> str:
    return json.dumps(list(rows), ensure_ascii=False, separators=(",", ":"))
