"""Reads a file of received stock: all of it is good, or every bad row is told by its line."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from oms_core.application.adjust_stock import QUANTITY_DELTA_MAX, AdjustStock
from oms_core.domain.line_item import DEFAULT_LOCATION
from oms_core.errors import InvalidInput
from oms_entrypoints.bulk.bad_row import BadRow
from oms_entrypoints.config.similar import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUIRED: Final = ("sku", "quantity")
COLUMNS: Final = (*REQUIRED, "location", "reason")
DEFAULT_REASON: Final = "received"
DELIMITERS: Final = (",", ";", "\t")
_WHOLE: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class BadFile(Exception):
    """The file cannot be imported; nothing was."""

    def __init__(self, rows: Sequence[BadRow]) -> None:
        super().__init__(f"{len(rows)} bad rows")
        self.rows = tuple(rows)


@frozen
class StockFile:
    """What a file says was received: ``(line, request)`` in the order of the file."""

    rows: tuple[tuple[int, AdjustStock], ...]
    digest: str = field(repr=False)
    """Of what the rows mean: the same file saved in another encoding has the same."""

    def key_of(self, index: int, name: str) -> str:
        """Return the idempotency key of a row; *name* tells equal deliveries apart."""
        return f"import/{name}/{self.digest[:32]}/{index + 1}"


def read_stock_file(content: bytes, *, encoding: str | None = None) -> StockFile:
    """Read a CSV file with a header row; columns in any order, comma, semicolon or tab between.

    Without *encoding*: UTF-8, or UTF-16 with a byte order mark, as spreadsheets save it.

    Raises:
        BadFile: every row that is wrong, by its line.
    """
    lines = _Lines(_decoded(content, encoding))
    header = lines.header()
    names = _columns(header)
    bad: list[BadRow] = []
    rows: list[tuple[int, AdjustStock]] = []
    for line, cells in lines.rows():
        if isinstance(cells, str):
            bad.append(BadRow(line, cells))
            continue
        try:
            rows.append((line, _request(names, cells)))
        except ValueError as wrong:
            bad.append(BadRow(line, str(wrong)))
    if not rows and not bad:
        bad.append(BadRow(1, "only a header: there is nothing to import"))
    if bad:
        raise BadFile(bad)
    meaning = [[r.sku, r.location, r.quantity_delta, r.reason] for _, r in rows]
    return StockFile(tuple(rows), hashlib.sha256(json.dumps(meaning).encode()).hexdigest())


def _decoded(content: bytes, encoding: str | None) -> str:
    if encoding is None:
        utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        encoding = "utf-16" if utf_16 else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        advice = "save the file as UTF-8, or name its encoding with --encoding, such as cp1252"
        shown = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16"}.get(encoding, encoding)
        raise BadFile([BadRow(line, f"is not {shown} text; {advice}")]) from None


class _Lines:
    """The file's rows, each with the line it begins on."""

    def __init__(self, text: str) -> None:
        first = text.split("\n", 1)[0]
        delimiter = max(DELIMITERS, key=first.count)
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def header(self) -> list[str]:
        """Return the first row that is not empty."""
        for line, cells in self.rows():
            if isinstance(cells, str):
                raise BadFile([BadRow(line, cells)])
            return cells
        raise BadFile([BadRow(1, f"is empty; the first line must name {_all_columns()}")])

    def rows(self) -> Iterator[tuple[int, list[str] | str]]:
        """Yield what is left: the cells of a row, or what is wrong with its quoting."""
        while True:
            line = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield line, f"cannot be read as CSV ({error}); look at its quotation marks"
                continue
            if any(cell.strip() for cell in cells):
                yield line, cells


def _columns(header: list[str]) -> list[str]:
    """Return the known names in the header's order."""
    names = [cell.strip().lower() for cell in header]
    wrong = [
        f"there is no column {name!r}{did_you_mean(name, COLUMNS)}"
        for name in names
        if name not in COLUMNS
    ]
    wrong += [f"the column {name} is missing" for name in REQUIRED if name not in names]
    wrong += [f"the column {name} is there twice" for name in COLUMNS if names.count(name) > 1]
    if wrong:
        said = "; ".join(text.rstrip("?") + "?" * text.endswith("?") for text in wrong)
        raise BadFile([BadRow(1, f"{said}. The first line must name {_all_columns()}")])
    return names


def _all_columns() -> str:
    return "the columns sku and quantity, and may name location and reason"


def _request(names: list[str], cells: list[str]) -> AdjustStock:
    """Make the request that a row stands for.

    Raises:
        ValueError: everything that is wrong with the row.
    """
    if len(cells) != len(names):
        there = f"{len(cells)} cell{'s' * (len(cells) != 1)}"
        raise ValueError(f"has {there}, but the header names {len(names)} columns")
    values = dict(zip(names, (cell.strip() for cell in cells), strict=True))
    quantity, wrong = _quantity(values["quantity"])
    told = [f"quantity {wrong}"] if wrong else []
    try:
        made = AdjustStock(
            sku=values["sku"],
            quantity_delta=quantity,
            location=values.get("location") or DEFAULT_LOCATION,
            reason=values.get("reason") or DEFAULT_REASON,
        )
    except InvalidInput as invalid:
        more = [f"{m.pointer.removeprefix('/')} {m.message}" for m in invalid.mistakes]
        raise ValueError("; ".join([*more, *told])) from None
    if told:
        raise ValueError(told[0])
    return made


def _quantity(text: str) -> tuple[int, str]:
    """Return the pieces; or 1, so that the other cells can be looked at, and what is wrong."""
    if not text:
        return 1, "is missing"
    if _WHOLE.fullmatch(text) is None:
        return 1, "must be a whole number such as 100, without signs, spaces or separators"
    if not 1 <= int(text) <= QUANTITY_DELTA_MAX:
        return 1, f"must be from 1 to {QUANTITY_DELTA_MAX}"
    return int(text), ""
