"""``oms orders``: list, show and watch orders, and ask things of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import click

from oms_core.domain.order_status import OrderStatus
from oms_core.ports.storage import OrderQuery
from oms_entrypoints.cli import order_operations
from oms_entrypoints.cli.options import UUID_TEXT, as_json, read_config, with_config, with_scope
from oms_entrypoints.cli.order_export import export_orders
from oms_entrypoints.cli.order_import import import_orders
from oms_entrypoints.cli.store_access import as_json as written
from oms_entrypoints.cli.store_access import as_shown, in_json, opened

if TYPE_CHECKING:
    from uuid import UUID

    from oms_core import OrderManagement, OrderPage
    from oms_core.domain.scope import Scope

POLL_S: Final = 0.1


@click.group()
def orders() -> None:
    """Look at orders, follow them live, ask things of them, and move many at once."""


for command in (*order_operations.COMMANDS, export_orders, import_orders):
    orders.add_command(command)


@orders.command("list")
@with_config
@with_scope
@click.option(
    "--status",
    type=click.Choice([status.value for status in OrderStatus]),
    metavar="STATUS",
    help="Only orders in this status.",
)
@click.option("--channel", help="Only orders that came through this channel.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--cursor", help="Go on where the last list ended.")
@as_json
def list_orders(
    config_file: str | None,
    scope: Scope,
    status: str | None,
    channel: str | None,
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List orders, newest first."""
    query = OrderQuery(
        limit=limit,
        cursor=cursor,
        status=OrderStatus(status) if status else None,
        channel=channel,
    )
    with opened(read_config(config_file)) as oms:
        page = oms.list_orders(scope, query)
    if as_json:
        from oms_entrypoints.http.views import order_page_view

        click.echo(written(order_page_view(page, limit=limit, offset=0)))
    else:
        _print_page(page)


@orders.command()
@with_config
@with_scope
@click.argument("order_id", type=UUID_TEXT)
@as_json
def show(config_file: str | None, scope: Scope, order_id: UUID, as_json: bool) -> None:
    """Show an order and everything that happened to it."""
    with opened(read_config(config_file)) as oms:
        order = oms.get_order(scope, order_id)
        entries = oms.chronicle(scope, order_id)
    if as_json:
        from oms_entrypoints.http.views import order_view

        click.echo(written(order_view(order)))
    else:
        from oms_entrypoints.cli.display import console
        from oms_entrypoints.cli.timeline import whole
        from oms_entrypoints.http.views import chronicle_view

        told = in_json(chronicle_view(order_id, entries))
        console().print(whole(as_shown(order), told["timeline"]))


@orders.command()
@with_config
@with_scope
@click.argument("order_id", type=UUID_TEXT)
@click.option(
    "--through-waits", is_flag=True, help="Go on while the order waits for somebody outside."
)
def watch(config_file: str | None, scope: Scope, order_id: UUID, through_waits: bool) -> None:
    """Follow an order live until it settles. Ctrl-C ends the watching, not the order.

    Somebody must drive the order meanwhile: oms serve or oms worker.
    """
    with opened(read_config(config_file)) as oms:
        _follow(oms, scope, order_id, through_waits=through_waits)


def _print_page(page: OrderPage) -> None:
    from datetime import UTC, datetime

    from rich.text import Text

    from oms_entrypoints.cli.display import WIDE_COLUMNS, age, console, status_text, table

    out = console()
    if not page.orders:
        out.print("No orders.")
        return
    now = datetime.now(UTC)
    wide = out.width >= WIDE_COLUMNS
    rows = table(
        "order", "status", "total", "age", *(["channel"] if wide else []), numbers=("total", "age")
    )
    for column in rows.columns[:4]:
        column.no_wrap = True
    for order in page.orders:
        rows.add_row(
            str(order.id),
            status_text(order.status),
            str(order.total),
            age(order.created_at, now),
            *([Text(order.channel)] if wide else []),
        )
    out.print(rows)
    if page.next_cursor:
        out.print(f"\nMore: --cursor {page.next_cursor}", style="dim", soft_wrap=True)


def _follow(oms: OrderManagement, scope: Scope, order_id: UUID, *, through_waits: bool) -> None:
    from oms_entrypoints.cli.display import console
    from oms_entrypoints.cli.timeline import heading, state, timeline

    out = console()
    order = oms.get_order(scope, order_id)
    shown: dict[str, Any] = as_shown(order)
    seen = len(shown["timeline"])
    out.print(heading(shown))
    out.print()
    out.print(timeline(shown))
    said = None
    with out.status("waiting for the next step") as status:
        while True:
            why = state(shown)
            if why is not None and why != said:
                out.print(why)
            said = why
            over = order.saga.phase.is_over or order.saga.attention is not None
            if over or (order.is_settled and not through_waits):
                break
            time.sleep(POLL_S)
            order = oms.get_order(scope, order_id)
            shown = as_shown(order)
            news = shown["timeline"][seen:]
            if news:
                out.print(timeline(shown, news))
                seen += len(news)
                status.update("waiting for the next step")
    out.print()
    out.print(heading(shown))
