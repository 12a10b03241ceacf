"""Reads a file of order requests, one a line, in constant memory.

It is as strict as the HTTP API is with a body. What is doubtful is told by its line, and the
lines around it are read all the same.
"""

from __future__ import annotations

import codecs
from typing import IO, TYPE_CHECKING, Any, Final

from attrs import frozen

from oms_core.application.place_order import PlaceOrder
from oms_core.application.request_reader import read
from oms_core.errors import InvalidInput, Mistake
from oms_entrypoints.bulk.bad_row import BadRow
from oms_entrypoints.bulk.forms import END
from oms_entrypoints.http.json_body import parse_json
from oms_entrypoints.http.settings import BODY_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_BYTES_MAX: Final = BODY_BYTES_MAX
"""As long as a request's body may be."""
_SKIPPED_BYTES: Final = 65_536
_SHOWN_MAX: Final = 20
"""Mistakes of one line that are told; a line of a megabyte can hold far more."""


@frozen
class Row:
    """A line that is a request."""

    line: int
    request: PlaceOrder


def read_order_file(file: IO[bytes]) -> Iterator[Row | BadRow]:
    """Yield what each line is, in the order of the file; empty lines are passed over.

    The record of the end, which an export has, is checked: a file with too few lines before
    it, or with any behind it, was put together wrongly.
    """
    requests, end_at = 0, 0
    for number, line in _lines(file):
        if end_at:
            yield BadRow(number, f"comes after the end of the export, which is line {end_at}")
            continue
        if line is None:
            requests += 1
            yield BadRow(number, f"is longer than {LINE_BYTES_MAX} bytes")
            continue
        try:
            document = parse_json(line)
            announced = _announced(document)
            if announced is None:
                requests += 1
                _refuse_shown(document)
                yield Row(number, read(PlaceOrder, document))
                continue
        except InvalidInput as invalid:
            yield BadRow(number, told(invalid))
            continue
        end_at = number
        if announced != requests:
            yield BadRow(
                number,
                f"says that the export holds {announced} orders, but {requests} lines come "
                "before it; export again",
            )


def told(invalid: InvalidInput) -> str:
    """Say all that is wrong in one printable line."""
    shown = [
        f"{mistake.pointer} {mistake.message}".strip().removeprefix("the body ")
        for mistake in invalid.mistakes[:_SHOWN_MAX]
    ]
    left_out = len(invalid.mistakes) - len(shown)
    if left_out:
        shown.append(f"and {left_out} mistakes more")
    # A name from the file may hold what a terminal would obey.
    return "".join(c if c.isprintable() else "?" for c in "; ".join(shown))


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that are not empty, with their numbers; ``None``: too long to be read."""
    number = 0
    while line := file.readline(LINE_BYTES_MAX + 2):
        number += 1
        if number == 1:
            # Some editors put it before UTF-8. Only here: elsewhere it is a mistake.
            line = line.removeprefix(codecs.BOM_UTF8)
        ended = line.endswith(b"\n")
        line = line.rstrip(b"\r\n")
        if len(line) > LINE_BYTES_MAX:
            while not ended and (more := file.readline(_SKIPPED_BYTES)):
                ended = more.endswith(b"\n")
            yield number, None
        elif line.strip():
            yield number, line


def _announced(document: Any) -> int | None:
    """Return how many orders the record of the end says there are; ``None``: it is none."""
    if not isinstance(document, dict) or list(document) != [END]:
        return None
    end = document[END]
    orders = end.get("orders") if isinstance(end, dict) else None
    if not isinstance(orders, int) or isinstance(orders, bool):
        raise InvalidInput((Mistake(f"/{END}/orders", "must be a whole number"),))
    return orders


def _refuse_shown(document: Any) -> None:
    """Refuse an order as it is shown, with one sentence instead of one for every field."""
    if isinstance(document, dict) and "order_id" in document and "payment" in document:
        raise InvalidInput(
            (
                Mistake(
                    "",
                    "is an order as it is shown, and not a request for one; export with "
                    "--format requests what is to be placed again",
                ),
            )
        )
