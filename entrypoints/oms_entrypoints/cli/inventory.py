"""``oms inventory``: book stock in and out, and see what is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import click

from oms_core.application.adjust_stock import AdjustStock
from oms_core.domain.line_item import DEFAULT_LOCATION
from oms_core.errors import InvalidInput
from oms_entrypoints.cli.options import as_json, read_config, with_config, with_scope
from oms_entrypoints.cli.store_access import ACTOR, opened
from oms_entrypoints.cli.store_access import as_json as written

if TYPE_CHECKING:
    from oms_core import OrderManagement
    from oms_core.domain.inventory import StockItem, StockLevel
    from oms_core.domain.scope import Scope
    from oms_entrypoints.cli.stock_file import StockFile

FILE_BYTES_MAX: Final = 268_435_456
WRITERS: Final = 16
"""Rows booked at once: they share the store's flushes."""


@click.group()
def inventory() -> None:
    """Book stock in and out, and see what is there."""


@inventory.command(context_settings={"ignore_unknown_options": True})  # -5 is no option
@with_config
@with_scope
@click.argument("sku")
@click.argument("quantity", type=int)
@click.option("--reason", default="adjusted by an operator", show_default=True)
@click.option("--location", default=DEFAULT_LOCATION, show_default=True)
@click.option("--key", help="Idempotency key: the same key again books nothing more.")
@as_json
def adjust(
    config_file: str | None,
    scope: Scope,
    sku: str,
    quantity: int,
    reason: str,
    location: str,
    key: str | None,
    as_json: bool,
) -> None:
    """Book QUANTITY pieces of SKU in (100) or out (-5)."""
    try:
        request = AdjustStock(sku, quantity, reason, location)
    except InvalidInput as invalid:
        said = "; ".join(
            f"{m.pointer.strip('/').replace('quantity_delta', 'quantity')} {m.message}"
            for m in invalid.mistakes
        )
        raise click.UsageError(said) from None
    with opened(read_config(config_file), make=True) as oms:
        level = oms.adjust_stock(scope, request, idempotency_key=key or f"{uuid4()}", actor=ACTOR)
    _show_levels([level], None, as_json=as_json)


@inventory.command()
@with_config
@with_scope
@click.option("--sku", help="Only this sku.")
@click.option("--location", help="Only at this location.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True)
@as_json
def levels(
    config_file: str | None,
    scope: Scope,
    sku: str | None,
    location: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show what is on hand, promised to orders, and still available."""
    found: list[StockLevel] = []
    cursor: str | None = None
    with opened(read_config(config_file)) as oms:
        while len(found) < limit:
            page = oms.stock_levels(
                scope,
                sku=sku,
                location=location,
                limit=min(100, limit - len(found)),
                cursor=cursor,
            )
            found += page.levels
            cursor = page.next_cursor
            if cursor is None:
                break
    _show_levels(found, cursor, as_json=as_json)


@inventory.command("import")
@with_config
@with_scope
@click.argument("file", metavar="STOCK.CSV", type=click.Path(allow_dash=True))
@click.option("--key", default="", help="Tells deliveries apart whose files are the same.")
@click.option("--encoding", help="Encoding of the file; default: UTF-8, or UTF-16 with its mark.")
@click.option("--check", "only_check", is_flag=True, help="Only look for bad rows.")
def import_file(
    config_file: str | None,
    scope: Scope,
    file: str,
    key: str,
    encoding: str | None,
    only_check: bool,
) -> None:
    """Receive the stock in a CSV file: all of it, or nothing if any row is bad.

    The first line names the columns: sku and quantity (pieces received, 1 or more), and if wanted
    location and reason; in any order, with commas, semicolons or tabs between them.

    Importing the same file again books nothing twice, and an interrupted import goes on where it
    stopped. For a second delivery with the same content give it a --key of its own.
    """
    stock = _read(file, encoding)
    if only_check:
        click.echo(f"{_rows(len(stock.rows))} in {file}, all of them good.")
        return
    config = read_config(config_file)
    with opened(config, make=True) as oms:
        before = _booked_before(oms, scope, stock, key)
        _book(oms, scope, stock, key)
    pieces = sum(request.quantity_delta for _, request in stock.rows)
    if before == len(stock.rows):
        click.echo(
            f"{file} was imported before: nothing was booked twice. For another delivery with "
            "the same content, give it a --key of its own."
        )
    elif before:
        click.echo(
            f"Imported {_rows(len(stock.rows) - before)} of {file}; "
            f"{_rows(before)} had been booked before."
        )
    else:
        click.echo(f"Imported {_rows(len(stock.rows))} of {file}: {pieces} pieces.")


def _read(file: str, encoding: str | None) -> StockFile:
    from oms_entrypoints.cli.stock_file import BadFile, read_stock_file

    if encoding is not None:
        import codecs

        try:
            codecs.lookup(encoding)
        except LookupError:
            raise click.BadParameter(
                "is no encoding that Python knows; try utf-8 or cp1252", param_hint="--encoding"
            ) from None
    try:
        content = sys.stdin.buffer.read() if file == "-" else _bytes_of(Path(file))
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from None
    try:
        return read_stock_file(content, encoding=encoding)
    except BadFile as bad:
        for row in bad.rows:
            click.echo(f"{file}, {row}", err=True)
        count = f"{len(bad.rows)} bad row{'s' * (len(bad.rows) != 1)}"
        raise click.ClickException(
            f"{count} in {file}; nothing was imported. Correct them and import the file again"
        ) from None


def _bytes_of(path: Path) -> bytes:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise click.ClickException(f"{path} is larger than 256 MiB; split it")
    return path.read_bytes()


def _booked_before(oms: OrderManagement, scope: Scope, stock: StockFile, key: str) -> int:
    """Count the rows that an earlier import of this file has booked.

    Only for what is said at the end: it is the keys that keep rows from being booked twice.
    """
    from oms_core.domain.inventory import StockItem

    first = StockItem(stock.rows[0][1].sku, stock.rows[0][1].location)
    if stock.key_of(0, key) not in _movement_ids(oms, scope, first):
        return 0
    items = {StockItem(request.sku, request.location) for _, request in stock.rows}
    booked = {movement for item in items for movement in _movement_ids(oms, scope, item)}
    return sum(stock.key_of(index, key) in booked for index in range(len(stock.rows)))


def _movement_ids(oms: OrderManagement, scope: Scope, item: StockItem) -> set[str]:
    found: set[str] = set()
    after = 0
    while page := oms.inventory.movements(scope, item, limit=1_000, after=after):
        found.update(movement.movement_id for movement in page)
        after += len(page)
    return found


def _book(oms: OrderManagement, scope: Scope, stock: StockFile, key: str) -> None:
    """Book every row, some at a time so that they share a flush, and show how far it is."""
    from concurrent.futures import ThreadPoolExecutor

    from rich.progress import track

    from oms_entrypoints.cli.display import console

    def book(index: int) -> None:
        _, request = stock.rows[index]
        oms.adjust_stock(scope, request, idempotency_key=stock.key_of(index, key), actor=ACTOR)

    out = console()
    starts = range(0, len(stock.rows), WRITERS)
    with ThreadPoolExecutor(WRITERS) as writers:
        for start in track(
            starts, "Importing", console=out, transient=True, disable=not out.is_terminal
        ):
            list(writers.map(book, range(start, min(start + WRITERS, len(stock.rows)))))


def _rows(count: int) -> str:
    return f"{count} row{'s' * (count != 1)}"


def _show_levels(levels: list[StockLevel], cursor: str | None, *, as_json: bool) -> None:
    if as_json:
        from oms_entrypoints.http.views import stock_level_view

        click.echo(
            written(
                {"levels": [stock_level_view(level) for level in levels], "next_cursor": cursor}
            )
        )
        return
    from rich.text import Text

    from oms_entrypoints.cli.display import console, table

    out = console()
    if not levels:
        out.print("No stock.")
        return
    numbers = ("on hand", "reserved", "available")
    rows = table("sku", "location", *numbers, numbers=numbers)
    for level in levels:
        rows.add_row(
            Text(level.item.sku),
            Text(level.item.location),
            str(level.on_hand),
            str(level.reserved),
            str(level.available),
        )
    out.print(rows)
    if cursor is not None:
        out.print(f"\nThere is more; raise --limit above {len(levels)}.", style="dim")
