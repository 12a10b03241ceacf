"""``oms sagas``: what is under way, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from oms_core.domain.saga_position import SagaState
from oms_entrypoints.cli.options import (
    UUID_TEXT,
    as_json,
    read_config,
    with_config,
    with_optional_scope,
    with_scope,
)
from oms_entrypoints.cli.store_access import ACTOR, as_shown, opened
from oms_entrypoints.cli.store_access import as_json as written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from oms_core import Order
    from oms_core.domain.scope import Scope

UNFINISHED = [state for state in SagaState if state is not SagaState.FINISHED]


@click.group(short_help="See what is under way or stuck; retry it.")
def sagas() -> None:
    """See which orders are under way or stuck, and let stuck ones go on."""


@sagas.command("list")
@with_config
@with_optional_scope
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in UNFINISHED]),
    multiple=True,
    help="Only sagas in this state; may be given several times. Default: all unfinished ones.",
)
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@as_json
def list_sagas(
    config_file: str | None,
    scope: Scope | None,
    states: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """List unfinished orders, oldest first; of all tenants unless --tenant and --org are given."""
    wanted = [SagaState(state) for state in states] or UNFINISHED
    with opened(read_config(config_file)) as oms:
        found = oms.list_sagas(wanted, scope=scope, limit=limit)
    if as_json:
        click.echo(written({"sagas": [_row(order) for order in found]}))
    else:
        _print(found)


@sagas.command()
@with_config
@with_scope
@click.argument("order_id", type=UUID_TEXT)
@click.option("--reason", required=True, help="What was mended; stands in the order's timeline.")
def retry(config_file: str | None, scope: Scope, order_id: UUID, reason: str) -> None:
    """Let an order that needs attention go on, once its cause is mended."""
    if not reason.strip() or not reason.isprintable():
        raise click.BadParameter("must be a sentence on one line", param_hint="--reason")
    with opened(read_config(config_file)) as oms:
        order = oms.retry_saga(scope, order_id, reason=reason, actor=ACTOR)
    click.echo(f"Order {order.id} goes on at {order.saga.step} as soon as a worker finds it.")


def _row(order: Order) -> dict[str, Any]:
    shown = as_shown(order)
    return {
        "tenant_id": str(order.scope.tenant_id),
        "org_id": str(order.scope.org_id),
        "order_id": shown["order_id"],
        "status": shown["status"],
        "created_at": shown["created_at"],
        "saga": shown["saga"],
    }


def _print(found: Sequence[Order]) -> None:
    from datetime import UTC, datetime

    from rich.text import Text

    from oms_entrypoints.cli.display import WIDE_COLUMNS, age, console, state_text, table, until
    from oms_entrypoints.cli.timeline import state

    out = console()
    if not found:
        out.print("Nothing is under way.")
        return
    now = datetime.now(UTC)
    wide = out.width >= WIDE_COLUMNS
    rows = table("order", "state", "step", "next", *(["age"] if wide else []))
    for column in rows.columns[:4]:
        column.no_wrap = True
    for order in found:
        rows.add_row(
            str(order.id),
            state_text(order.saga.state),
            Text(order.saga.step or ""),
            until(order.saga.due_at, now) if order.saga.due_at else "never",
            *([age(order.created_at, now)] if wide else []),
        )
    out.print(rows)
    for order in found:
        why = state(as_shown(order))
        if why is not None:
            out.print()
            out.print(Text(f"{order.id}", style="bold"))
            out.print(why)
            if order.saga.state is SagaState.STUCK:
                _print_way_on(order)


def _print_way_on(order: Order) -> None:
    from oms_entrypoints.cli.display import console

    console().print(
        f"oms sagas retry {order.id} --tenant {order.scope.tenant_id} --org {order.scope.org_id} "
        "--reason 'what was mended'",
        style="dim",
        soft_wrap=True,
    )
