"""The calls that book and list stock."""

from __future__ import annotations

from typing import Final

from oms_core import errors
from oms_core.application.adjust_stock import AdjustStock
from oms_core.ports.authentication import Role
from oms_entrypoints.http import inventory
from oms_entrypoints.http.headers import IDEMPOTENCY_KEY
from oms_entrypoints.http.openapi.call import Answer, HeaderParameter, Operation
from oms_entrypoints.http.openapi.refusals import LIMIT, STOCK, invalid
from oms_entrypoints.http.query import StockListing
from oms_entrypoints.http.views import StockLevelView, StockPageView

_TAG: Final = "inventory"

INVENTORY_CALLS: Final = (
    Operation(
        "POST",
        inventory.ADJUST,
        "adjustStock",
        _TAG,
        "Book stock in or out, once per key.",
        says=(
            "Adds one entry to the ledger of one sku at one location. Entries are never "
            "changed: book the opposite to correct one. The same key with the same entry is "
            "answered with the present level and changes nothing."
        ),
        role=Role.EDITOR,
        body=AdjustStock,
        headers=(
            HeaderParameter(
                "Idempotency-Key",
                "Names the ledger entry within tenant and organization, for ever.",
                IDEMPOTENCY_KEY,
                required=True,
            ),
        ),
        answers=(Answer(200, "The level after it.", StockLevelView),),
        refusals=(
            invalid("/quantity_delta", "must not be 0"),
            errors.InsufficientStock("CRUNCHY-ARMCHAIR", "default", 98),
            errors.IdempotencyKeyReused(),
            *STOCK,
        ),
    ),
    Operation(
        "GET",
        inventory.LEVELS,
        "listStockLevels",
        _TAG,
        "List stock on hand, promised and available.",
        role=Role.VIEWER,
        query=StockListing,
        answers=(Answer(200, "A page of stock levels.", StockPageView),),
        refusals=(LIMIT, *STOCK),
    ),
)
