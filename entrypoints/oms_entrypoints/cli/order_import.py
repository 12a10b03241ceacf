"""``oms orders import``: place the orders of a file."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from oms_core.errors import StoreUnavailable
from oms_entrypoints.cli.options import read_config, with_config, with_scope
from oms_entrypoints.cli.store_access import ACTOR, opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oms_core.domain.scope import Scope
    from oms_entrypoints.bulk.order_import import Outcome


@click.command("import")
@with_config
@with_scope
@click.argument("file", metavar="ORDERS.NDJSON", type=click.Path(allow_dash=True))
@click.option("--check", "only_check", is_flag=True, help="Only look for bad rows.")
@click.option(
    "--threads", type=click.IntRange(1, 128), default=16, show_default=True, help="Orders at once."
)
def import_orders(
    config_file: str | None, scope: Scope, file: str, only_check: bool, threads: int
) -> int:
    """Place the orders in a file: a line for each, as POST /api/v1/oms/orders takes it.

    Orders are placed as if each had been posted: servers and workers drive them, and charge
    them. Every bad row is told by its line, and the good ones are placed. Importing the file
    again places nothing twice, so an import that was interrupted is simply repeated.

    Ends with 1 if a row was bad.
    """
    config = read_config(config_file)
    with _source(file) as lines:
        from oms_entrypoints.bulk.order_file import read_order_file
        from oms_entrypoints.bulk.order_import import OrderImport, check

        rows = read_order_file(lines)
        if only_check:
            count = _Count(file)
            count.take(check(rows, config.payments.__contains__))
            click.echo(f"{_rows(count.good)} in {file} can be imported{count.bad_shown}.")
            return count.exit_code
        with opened(config, make=True) as oms:
            count = _Count(file)
            try:
                count.take(OrderImport(oms, scope, ACTOR, threads).run(rows))
            except StoreUnavailable as error:
                click.echo(f"oms: {count.so_far()} Then the store failed.", err=True)
                raise click.ClickException(
                    f"{error.sentence.rstrip('.')}; import {file} again, and nothing is "
                    "placed twice"
                ) from error
    click.echo(count.so_far())
    return count.exit_code


class _Count:
    """What became of the rows so far; bad ones are told as they come."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._new = 0
        self._before = 0
        self._bad = 0

    def take(self, outcomes: Iterable[Outcome]) -> None:
        from oms_entrypoints.bulk.bad_row import BadRow
        from oms_entrypoints.cli.progress import Progress

        with Progress() as progress:
            for outcome in outcomes:
                if isinstance(outcome, BadRow):
                    self._bad += 1
                    click.echo(f"{self._file}, {outcome}", err=True)
                elif outcome.before:
                    self._before += 1
                else:
                    self._new += 1
                progress.tell(f"{self.good} orders, {self._bad} bad rows")

    @property
    def good(self) -> int:
        return self._new + self._before

    @property
    def bad_shown(self) -> str:
        return f"; {_rows(self._bad, 'bad row')}" if self._bad else ""

    @property
    def exit_code(self) -> int:
        from oms_entrypoints.cli.main import REFUSED

        return REFUSED if self._bad else 0

    def so_far(self) -> str:
        before = f"; {_rows(self._before)} had been imported before" if self._before else ""
        return f"Imported {_rows(self._new)} of {self._file}{before}{self.bad_shown}."


@contextmanager
def _source(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        lines = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from None
    with lines:
        yield lines


def _rows(count: int, what: str = "order") -> str:
    return f"{count} {what}{'s' * (count != 1)}"
