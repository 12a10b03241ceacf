"""The collections of stock, of its ledger and of what is promised."""

from __future__ import annotations

from typing import Final

from oms_adapters.mongodb import Collection, Index, Schema

STOCK: Final = "stock"
MOVEMENTS: Final = "stock_movements"
RESERVATIONS: Final = "stock_reservations"

BY_NAME: Final = Index("stock_by_name", (("tenant", 1), ("org", 1), ("sku", 1), ("location", 1)))
BY_LOCATION: Final = Index(
    "stock_by_location", (("tenant", 1), ("org", 1), ("location", 1), ("sku", 1))
)
# Unique as well: a number that is given twice would be an entry that was lost.
BY_NUMBER: Final = Index(
    "stock_movements_by_number",
    (("tenant", 1), ("org", 1), ("sku", 1), ("location", 1), ("number", 1)),
    unique=True,
)
TO_LAPSE: Final = Index(
    "stock_reservations_to_lapse",
    (("tenant", 1), ("org", 1), ("lapses_us", 1)),
    present="lapses_us",
)

INVENTORY: Final = Schema(
    "inventory",
    version=1,
    collections=(
        Collection(STOCK, (BY_NAME, BY_LOCATION)),
        Collection(MOVEMENTS, (BY_NUMBER,)),
        Collection(RESERVATIONS, (TO_LAPSE,)),
    ),
)
