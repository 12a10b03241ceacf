"""The request that is sent: an ordinary order of three lines in 752 bytes of JSON."""

from __future__ import annotations

import json
from typing import Any, Final

ORDERS: Final = "/api/v1/oms/orders"
BODY_BYTES: Final = 752
SKUS: Final = ("CRUNCHY-ARMCHAIR", "SQUEAKY-TABLE", "WOBBLY-SHELF")
STOCK: Final = 100_000_000
"""Pieces of each sku: no order of a benchmark is refused for want of stock."""
PROVIDER: Final = "simulated"
_NUMBER: Final = "000000000000"


class OrderBody:
    """Makes bodies that differ only in their number, and so in key and payment reference."""

    def __init__(self) -> None:
        """Prepare the pieces between the numbers."""
        self._before, self._between, self._after = (
            json.dumps(an_order(_NUMBER)).encode().split(_NUMBER.encode())
        )

    def numbered(self, number: int) -> bytes:
        """Return the body of the order *number*; the same number is the same request."""
        digits = b"%012d" % number
        return b"".join((self._before, digits, self._between, digits, self._after))


def an_order(number: str) -> dict[str, Any]:
    """Return the request as JSON values."""
    order: dict[str, Any] = {
        "idempotency_key": key_of(number),
        "payment_provider": PROVIDER,
        "payment_reference": f"pay-{number}",
        "customer_id": "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69",
        "currency": "EUR",
        "channel": "web",
        "line_items": [
            {"sku": sku, "quantity": quantity, "unit_price": price, "name": name}
            for sku, quantity, price, name in zip(
                SKUS,
                (1, 2, 1),
                ("249.00", "89.50", "39.95"),
                ("Armchair, oak and wool", "Table for two", "Shelf, five boards"),
                strict=True,
            )
        ],
        "adjustments": [{"kind": "shipping", "amount": "4.90", "label": "Parcel"}],
        "shipping_address": {
            "name": "Pat Example",
            "line1": "12 Long Street",
            "city": "Berlin",
            "postal_code": "10115",
            "country": "DE",
        },
        "metadata": {"cart": ""},
    }
    # Filled up to the size that every figure is taken with.
    order["metadata"]["cart"] = "x" * (BODY_BYTES - len(json.dumps(order)))
    return order


def key_of(number: str) -> str:
    """Return the idempotency key of the order *number*."""
    return f"checkout-{number}"


def many_lines(count: int) -> bytes:
    """Return a body of *count* lines."""
    order = an_order(_NUMBER)
    order["line_items"] = [
        {
            "sku": f"CRUNCHY-ARMCHAIR-{line}",
            "quantity": 1 + line % 5,
            "unit_price": f"{19 + line}.99",
            "name": "Armchair, oak and wool",
        }
        for line in range(count)
    ]
    return json.dumps(order).encode()
