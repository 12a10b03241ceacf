"""Cursors: where a listing goes on, as text that fits a URL as it is.

Every store hands out the same cursors. One holds a position in the sort order and nothing else:
no tenant, no filter and no secret. Whoever alters one reaches nothing that the listing would not
have shown. The checksum is there for accidents, such as a cursor cut off when it was copied.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from struct import Struct
from typing import TYPE_CHECKING, Final
from uuid import UUID
from zlib import crc32

from attrs import frozen

from oms_core.domain.inventory import StockItem
from oms_core.errors import InvalidInput, Mistake
from oms_core.ports.order_document import to_microseconds

if TYPE_CHECKING:
    from oms_core.domain.order import Order
    from oms_core.ports.storage import OrderQuery

CURSOR_LENGTH_MAX: Final = 4_096
"""Longer than any cursor: two names of 255 characters of 4 bytes each, in base64."""

_ORDER: Final = Struct(">q16s")
_INBOX: Final = Struct(">q12s")
_CHECKSUM: Final = Struct(">I")
_SKU_LENGTH: Final = Struct(">H")
_ORDER_MARK: Final = b"o"
_STOCK_MARK: Final = b"s"
_INBOX_MARK: Final = b"w"


@frozen(order=True)
class OrderPosition:
    """A place in the listing of orders, which sorts newest first: descending by this pair."""

    created_us: int
    """Microseconds since 1970 UTC; fits 64 bits."""
    order_id: UUID


def order_position(order: Order) -> OrderPosition:
    """Tell where *order* stands in its scope's listing."""
    return OrderPosition(to_microseconds(order.created_at), order.id)


def encode_order_cursor(last: OrderPosition) -> str:
    """Make the cursor that goes on after *last*."""
    return _seal(_ORDER_MARK, _ORDER.pack(last.created_us, last.order_id.bytes))


def decode_order_cursor(cursor: str) -> OrderPosition:
    """Read a cursor that ``encode_order_cursor`` made.

    Raises:
        InvalidInput: it did not; list again from the first page.
    """
    payload = _unseal(_ORDER_MARK, cursor)
    if len(payload) != _ORDER.size:
        raise _bad_cursor()
    created_us, order_id = _ORDER.unpack(payload)
    return OrderPosition(created_us, UUID(bytes=order_id))


def position_to_continue_from(query: OrderQuery) -> OrderPosition | None:
    """Read the cursor of *query*; ``None``: the listing begins with the newest order.

    Raises:
        InvalidInput: the cursor was not given out by a listing, or an offset is given too.
    """
    if query.cursor is None:
        return None
    if query.offset:
        raise InvalidInput((Mistake("/offset", "cannot be combined with a cursor; leave one out"),))
    return decode_order_cursor(query.cursor)


def encode_stock_cursor(last: StockItem) -> str:
    """Make the cursor that goes on after *last* in the listing by sku, then location."""
    sku = last.sku.encode()
    return _seal(_STOCK_MARK, _SKU_LENGTH.pack(len(sku)) + sku + last.location.encode())


def decode_stock_cursor(cursor: str) -> StockItem:
    """Read a cursor that ``encode_stock_cursor`` made.

    Raises:
        InvalidInput: it did not; list again from the first page.
    """
    payload = _unseal(_STOCK_MARK, cursor)
    prefix, names = payload[: _SKU_LENGTH.size], payload[_SKU_LENGTH.size :]
    sku_length = int.from_bytes(prefix, "big")
    if len(prefix) != _SKU_LENGTH.size or len(names) < sku_length:
        raise _bad_cursor()
    try:
        return StockItem(names[:sku_length].decode(), names[sku_length:].decode())
    except UnicodeDecodeError:
        raise _bad_cursor() from None


@frozen(order=True)
class InboxPosition:
    """A place in the listing of notifications: newest first, descending by this pair."""

    received_us: int
    """Microseconds since 1970 UTC; fits 64 bits."""
    number: int
    """Tells those of one moment apart; fits 96 bits, and goes along when a store moves."""


def encode_inbox_cursor(last: InboxPosition) -> str:
    """Make the cursor that goes on after *last*."""
    number = last.number.to_bytes(12, "big")
    return _seal(_INBOX_MARK, _INBOX.pack(last.received_us, number))


def decode_inbox_cursor(cursor: str) -> InboxPosition:
    """Read a cursor that ``encode_inbox_cursor`` made.

    Raises:
        InvalidInput: it did not; list again from the first page.
    """
    payload = _unseal(_INBOX_MARK, cursor)
    if len(payload) != _INBOX.size:
        raise _bad_cursor()
    received_us, number = _INBOX.unpack(payload)
    return InboxPosition(received_us, int.from_bytes(number, "big"))


def _seal(mark: bytes, payload: bytes) -> str:
    """Put the kind of listing before the payload and a checksum behind it, as URL-safe text."""
    body = mark + payload
    return urlsafe_b64encode(body + _CHECKSUM.pack(crc32(body))).rstrip(b"=").decode("ascii")


def _unseal(mark: bytes, cursor: str) -> bytes:
    """Undo ``_seal``. Strict: there is one text for a position, and every other is refused."""
    if len(cursor) > CURSOR_LENGTH_MAX or not cursor.isascii():
        raise _bad_cursor()
    try:
        sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (NotBase64, ValueError):
        raise _bad_cursor() from None
    payload = sealed[len(mark) : -_CHECKSUM.size]
    if _seal(mark, payload) != cursor:
        raise _bad_cursor()
    return payload


def _bad_cursor() -> InvalidInput:
    return InvalidInput(
        [
            Mistake(
                "/cursor",
                "is not a cursor of this listing; send next_cursor of its last page unchanged, "
                "or leave it out to begin with the first page",
            )
        ]
    )
