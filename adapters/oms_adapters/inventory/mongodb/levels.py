"""How levels are listed: in the order of an index, from where it goes on."""

from __future__ import annotations

from typing import Any, TypeAlias

from attrs import frozen

from oms_adapters.inventory.mongodb.collections import BY_LOCATION, BY_NAME
from oms_adapters.mongodb import Index
from oms_core.domain.inventory import StockItem
from oms_core.domain.scope import Scope

Document: TypeAlias = "dict[str, Any]"


@frozen
class Page:
    """The filter of one page of levels, its order, and the index that is in that order."""

    filter: Document
    sort: list[tuple[str, int]]
    index: Index


def page_of(scope: Scope, sku: str | None, location: str | None, after: StockItem | None) -> Page:
    """Ask for known items by sku and location, behind *after*."""
    conditions: list[Document] = [{"tenant": scope.tenant_id, "org": scope.org_id}]
    if sku is not None:
        conditions.append({"sku": sku})
    if location is not None:
        conditions.append({"location": location})
    if after is not None:
        conditions.append({"sku": {"$gte": after.sku}})
        conditions.append({"$nor": [{"sku": after.sku, "location": {"$lte": after.location}}]})
    # Who asks for one location gets an order in which it is the same all along.
    if location is not None:
        return Page({"$and": conditions}, [("sku", 1)], BY_LOCATION)
    return Page({"$and": conditions}, [("sku", 1), ("location", 1)], BY_NAME)
