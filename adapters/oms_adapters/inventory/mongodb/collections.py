"""The collections of stock, of its ledger and of what is promised."""

from __future__ import annotations

from typing import Final

from oms_adapters.mongodb import Addition, Collection, Index, Schema

STOCK: Final = "stock"
MOVEMENTS: Final = "stock_movements"
RESERVATIONS: Final = "stock_reservations"

BY_NAME: Final = Index("stock_by_name", (("tenant", 1), ("org", 1), ("sku", 1), ("location", 1)))
BY_LOCATION: Final = Index(
    "stock_by_location", (("tenant", 1), ("org", 1), ("location", 1), ("sku", 1))
)
UNPUBLISHED: Final = Index(
    "stock_unpublished", (("events_from_us", 1), ("_id", 1)), present="has_news"
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

HAS_NEWS: Final = {"$cond": [{"$gt": ["$entries", "$published"]}, True, "$$REMOVE"]}
"""In an update: there while entries of the item's ledger have not left as events."""

INVENTORY: Final = Schema(
    "inventory",
    version=2,
    collections=(
        Collection(STOCK, (BY_NAME, BY_LOCATION, UNPUBLISHED)),
        Collection(MOVEMENTS, (BY_NUMBER,)),
        Collection(RESERVATIONS, (TO_LAPSE,)),
    ),
    additions=(
        Addition(
            STOCK,
            "published",
            {
                "published": 0,
                "has_news": {"$cond": [{"$gt": ["$entries", 0]}, True, "$$REMOVE"]},
                "events_from_us": 0,
                "events_token": 0,
            },
        ),
    ),
)
