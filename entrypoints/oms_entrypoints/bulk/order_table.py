"""Orders as the rows of a CSV table (RFC 4180), one row an order, so that amounts add up."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

import orjson

from oms_core.domain.money import Money

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from oms_core.domain.order import Order, ShippingAddress

ADDRESS: Final = (
    "name",
    "line1",
    "line2",
    "city",
    "region",
    "postal_code",
    "country",
    "phone",
)
NAMES: Final = (
    "record",
    "number",
    "order_id",
    "idempotency_key",
    "status",
    "payment_status",
    "fulfillment_status",
    "return_status",
    "failure_code",
    "created_at",
    "updated_at",
    "channel",
    "platform",
    "customer_id",
    "currency",
    "subtotal",
    "total",
    "authorized",
    "captured",
    "refunded",
    "payment_provider",
    "payment_reference",
    "pieces",
    "items",
    *(f"ship_to_{name}" for name in ADDRESS),
    "metadata",
)
"""The columns. New ones may come at the end; read them by their names."""

FORMULA_STARTS: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""With any of these, or their full-width twins, a spreadsheet takes a cell for a formula."""


def cells_of(order: Order, number: int) -> list[str]:
    """Return the cells of an order, the *number*-th row."""
    payment, currency = order.payment, order.currency
    held = payment.authorization
    goods = Money(sum(line.subtotal.minor for line in order.lines), currency)
    items = "; ".join(f"{line.quantity} x {line.sku}" for line in order.lines)
    return [
        "order",
        str(number),
        str(order.id),
        guarded(order.idempotency_key),
        order.status.value,
        payment.status.value,
        order.fulfillment_status.value,
        order.return_status.value,
        guarded("" if order.failure is None else order.failure.code),
        _moment(order.created_at),
        _moment(order.updated_at),
        guarded(order.channel),
        guarded(order.platform or ""),
        "" if order.customer_id is None else str(order.customer_id),
        currency,
        # Amounts are numbers of ours: a minus is a minus.
        goods.amount,
        order.total.amount,
        (Money.zero(currency) if held is None else held.amount).amount,
        payment.captured.amount,
        payment.refunded.amount,
        guarded(payment.provider),
        guarded(payment.reference),
        str(sum(line.quantity for line in order.lines)),
        guarded(items),
        *_address(order.shipping_address),
        orjson.dumps(dict(order.metadata)).decode() if order.metadata else "",
    ]


def end_cells(orders: int) -> list[str]:
    """Return the cells of the last row, which says that the table is whole."""
    return ["end", str(orders), *("" for _ in NAMES[2:])]


def guarded(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would compute: text from outside is text."""
    return f"'{text}" if text[:1] in FORMULA_STARTS else text


def to_record(cells: Sequence[str]) -> bytes:
    """Write one record, quoted where it must be, with the line end that RFC 4180 wants."""
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue().encode()


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _address(address: ShippingAddress | None) -> list[str]:
    if address is None:
        return ["" for _ in ADDRESS]
    return [guarded(getattr(address, name) or "") for name in ADDRESS]
