"""``oms orders export``: all orders of a scope, into a file or a pipe."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from oms_core.domain.order_status import OrderStatus
from oms_core.domain.rules import Text
from oms_core.ports.storage import OrderQuery
from oms_entrypoints.cli.options import UUID_TEXT, read_config, with_config, with_scope
from oms_entrypoints.cli.store_access import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from oms_core.domain.scope import Scope


class InstantType(click.ParamType[datetime]):
    """A moment with its distance from UTC."""

    name = "moment"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read it."""
        from oms_entrypoints.http.query import Instant

        if isinstance(value, datetime):
            return value
        wrong = Instant().mistake(value)
        if wrong is not None:
            self.fail(wrong.partition(";")[0], param, ctx)
        return datetime.fromisoformat(value).astimezone(UTC)


INSTANT = InstantType()


@click.command("export")
@with_config
@with_scope
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "csv", "requests"]),
    default="ndjson",
    show_default=True,
    help="A line or row for each order; requests: what oms orders import reads.",
)
@click.option(
    "-o",
    "--output",
    "file",
    metavar="FILE",
    default="-",
    help="Where to; a file is there whole, or not at all. Default: standard output.",
)
@click.option(
    "--status",
    type=click.Choice([status.value for status in OrderStatus]),
    metavar="STATUS",
    help="Only orders in this status.",
)
@click.option("--channel", help="Only orders that came through this channel.")
@click.option("--customer", type=UUID_TEXT, metavar="UUID", help="Only this customer's orders.")
@click.option("--created-from", type=INSTANT, help="Only orders of this moment or later.")
@click.option("--created-to", type=INSTANT, help="Only orders of before this moment.")
def export_orders(
    config_file: str | None,
    scope: Scope,
    form: str,
    file: str,
    status: str | None,
    channel: str | None,
    customer: UUID | None,
    created_from: datetime | None,
    created_to: datetime | None,
) -> None:
    """Write all orders, newest first, in constant memory.

    The last record says how many there are: a file without it was cut off.
    """
    from oms_entrypoints.bulk.forms import Format, form_of
    from oms_entrypoints.bulk.order_export import walk, written
    from oms_entrypoints.cli.progress import Progress

    if channel is not None and (wrong := Text().mistake(channel)):
        raise click.BadParameter(wrong, param_hint="--channel")
    query = OrderQuery(
        status=OrderStatus(status) if status else None,
        channel=channel,
        customer_id=customer,
        created_from=created_from,
        created_to=created_to,
    )
    orders = 0
    with opened(read_config(config_file)) as oms, _target(file) as out, Progress() as progress:
        for piece, orders in written(walk(oms.storage, scope, query), form_of(Format(form))):
            out.write(piece)
            progress.tell(f"{orders} orders")
    where = "" if file == "-" else f" to {file}"
    click.echo(f"Exported {orders} order{'s' * (orders != 1)}{where}.", err=True)


@contextmanager
def _target(file: str) -> Iterator[IO[bytes]]:
    """Open standard output, or a file that takes its name only when it is whole and durable."""
    if file == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "it is a directory")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _not_written(file, error) from None
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(path)
        _make_durable(path.parent)
    except BaseException as error:
        with suppress(OSError):
            Path(name).unlink()
        if isinstance(error, OSError):
            raise _not_written(file, error) from None
        raise


def _make_durable(folder: Path) -> None:
    """Flush the folder, in which the file has just got its name."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _not_written(file: str, error: OSError) -> click.ClickException:
    return click.ClickException(f"{file} cannot be written: {error.strerror}")
