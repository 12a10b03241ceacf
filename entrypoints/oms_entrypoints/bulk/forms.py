"""The forms that orders are exported in. Each ends with a record that says how many there were.

A stream that was cut off looks like a shorter one. Not every client notices, and a file shows
nothing of how it was transferred; so the end is written into the content itself.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol, assert_never

import orjson

from oms_entrypoints.bulk.order_request import request_of
from oms_entrypoints.bulk.order_table import NAMES, cells_of, end_cells, to_record
from oms_entrypoints.http.views import order_summary_view

if TYPE_CHECKING:
    from oms_core.domain.order import Order

NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"
END: Final = "end"
"""The one name in the last line of NDJSON. No order and no request has it."""


class Format(StrEnum):
    """What an export may look like."""

    NDJSON = "ndjson"
    CSV = "csv"
    REQUESTS = "requests"


class Form(Protocol):
    """Writes orders, one record each."""

    media_type: str

    def begin(self) -> bytes:
        """Return what comes before the first order."""
        ...

    def record(self, order: Order, number: int) -> bytes:
        """Write an order, the *number*-th, counted from 1."""
        ...

    def end(self, orders: int) -> bytes:
        """Return what comes behind the last one."""
        ...


def form_of(chosen: Format) -> Form:
    """Return the form of that name."""
    match chosen:
        case Format.NDJSON:
            return _Shown()
        case Format.REQUESTS:
            return _Requests()
        case Format.CSV:
            return _Table()
        case _:
            assert_never(chosen)


class _Lines:
    """One JSON document a line."""

    media_type = NDJSON

    def begin(self) -> bytes:
        return b""

    def end(self, orders: int) -> bytes:
        return _line({END: {"orders": orders}})


class _Shown(_Lines):
    """Orders as a list shows them."""

    def record(self, order: Order, number: int) -> bytes:  # noqa: ARG002 - lines need no number
        return _line(order_summary_view(order))


class _Requests(_Lines):
    """Orders as the requests that place them."""

    def record(self, order: Order, number: int) -> bytes:  # noqa: ARG002 - likewise
        return _line(request_of(order))


class _Table:
    """Orders as the rows of a table, for spreadsheets and accountants."""

    media_type = f"{CSV}; charset=utf-8; header=present"

    def begin(self) -> bytes:
        return to_record(NAMES)

    def record(self, order: Order, number: int) -> bytes:
        return to_record(cells_of(order, number))

    def end(self, orders: int) -> bytes:
        return to_record(end_cells(orders))


def _line(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
