"""``oms sagas``: what is under way, and what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from oms_core.domain.events import Change
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
    from collections.abc import Callable, Mapping, Sequence
    from uuid import UUID

    from rich.console import RenderableType
    from rich.text import Text

    from oms_core import Order
    from oms_core.domain.scope import Scope

CommandT = TypeVar("CommandT", bound="Callable[..., Any]")

_REASONS: Final = {"retry": "what was mended", "resume": "why it may go on"}

UNFINISHED = [state for state in SagaState if state is not SagaState.FINISHED]


@click.group(short_help="See what is under way or stuck; retry, skip, undo or pause it.")
def sagas() -> None:
    """See which orders are under way, stuck or paused, and decide how they go on."""


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
@as_json
def show(config_file: str | None, scope: Scope, order_id: UUID, as_json: bool) -> None:
    """Show where an order's saga stands, and which ways there are to steer it."""
    with opened(read_config(config_file)) as oms:
        order = oms.get_order(scope, order_id)
        why_not = oms.steering.why_not(order)
    if as_json:
        ways = {way: {"possible": why is None, "why_not": why} for way, why in why_not.items()}
        click.echo(written({**_row(order), "steering": ways}))
    else:
        _print_one(order, why_not)


def _steering(deed: str) -> Callable[[CommandT], CommandT]:
    """Make a command of *deed*, with the options that all of them have."""

    def wrap(command: CommandT) -> CommandT:
        decorators = (
            sagas.command(deed),
            with_config,
            with_scope,
            click.argument("order_id", type=UUID_TEXT),
            click.option(
                "--reason",
                required=True,
                callback=_sentence,
                help="Why, on one line; stands in the order's timeline.",
            ),
        )
        made: Any = command
        for decorate in reversed(decorators):
            made = decorate(made)
        return command

    return wrap


def _sentence(_ctx: click.Context, _option: click.Parameter, reason: str) -> str:
    if not reason.strip() or not reason.isprintable():
        raise click.BadParameter("must be a sentence on one line")
    return reason


@_steering("retry")
def retry(config_file: str | None, scope: Scope, order_id: UUID, reason: str) -> None:
    """Let an order that needs attention go on, once its cause is mended."""
    order = _steer("retry", config_file, scope, order_id, reason)
    if order.saga.phase.is_over:
        click.echo(f"Order {order.id} needs nobody any more. {_what_follows(order)}")
    else:
        click.echo(f"Order {order.id} goes on at {order.saga.step} as soon as a worker finds it.")


@_steering("skip")
def skip(config_file: str | None, scope: Scope, order_id: UUID, reason: str) -> None:
    """Say that you did the order's present step outside, or undid it; the next one follows.

    Only for a step that is stuck, or one of a paused order. Do it first, at the provider or with
    the goods: what is said of money is compared with the provider some minutes later.
    """
    order = _steer("skip", config_file, scope, order_id, reason)
    click.echo(f"Order {order.id}: recorded as done by hand. {_what_follows(order)}")


@_steering("compensate")
def compensate(config_file: str | None, scope: Scope, order_id: UUID, reason: str) -> None:
    """Have everything taken back that the order's saga has done, its present step included.

    For a saga that waits, is stuck or paused. An order that was being placed fails; what was
    asked of it later, such as a capture, is refused.
    """
    order = _steer("compensate", config_file, scope, order_id, reason)
    click.echo(f"Order {order.id} is taken back, beginning with {order.saga.step}.")


@_steering("pause")
def pause(config_file: str | None, scope: Scope, order_id: UUID, reason: str) -> None:
    """Let nothing of an order begin, timers too, until it is resumed.

    What a worker has under way is still recorded when it ends.
    """
    order = _steer("pause", config_file, scope, order_id, reason)
    click.echo(f"Order {order.id} is paused; oms sagas resume lets it go on.")


@_steering("resume")
def resume(config_file: str | None, scope: Scope, order_id: UUID, reason: str) -> None:
    """Let a paused order go on at once, where it stands."""
    order = _steer("resume", config_file, scope, order_id, reason)
    click.echo(f"Order {order.id} goes on. {_what_follows(order)}")


def _steer(deed: str, config_file: str | None, scope: Scope, order_id: UUID, reason: str) -> Order:
    from oms_core.application.steering import Operator, Steer

    by = Operator(ACTOR, Steer(reason).reason)
    with opened(read_config(config_file)) as oms:
        steer: Callable[[Scope, UUID, Operator], Order] = getattr(oms.steering, deed)
        return steer(scope, order_id, by)


def _what_follows(order: Order) -> str:
    if order.saga.phase.is_over:
        return "Its saga is finished."
    return f"{order.saga.step} follows as soon as a worker finds it."


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
        why = _paused(order) or state(as_shown(order))
        if why is not None:
            out.print()
            out.print(Text(f"{order.id}", style="bold"))
            out.print(why)
            if order.saga.state is SagaState.STUCK:
                _print_way_on("retry", order)
            elif order.saga.state is SagaState.PAUSED:
                _print_way_on("resume", order)


def _print_one(order: Order, why_not: Mapping[str, str | None]) -> None:
    from rich.text import Text

    from oms_entrypoints.cli.display import console, facts, state_text
    from oms_entrypoints.cli.timeline import heading, state

    out, shown = console(), as_shown(order)
    out.print(heading(shown))
    out.print()
    rows = [
        ("saga", Text(order.saga.definition)),
        ("state", state_text(order.saga.state)),
        ("direction", Text(order.saga.phase)),
        ("step", Text(order.saga.step or "")),
    ]
    out.print(facts(rows))
    why = _paused(order) or state(shown)
    if why is not None:
        out.print(why)
    if order.saga.journal:
        out.print()
        out.print(_steps(shown))
    out.print()
    out.print(facts([(way, Text(why or "possible")) for way, why in why_not.items()]))


def _paused(order: Order) -> Text | None:
    from rich.text import Text

    if not order.saga.paused:
        return None
    entry = next(e for e in reversed(order.history) if e.change is Change.SAGA_PAUSED)
    return Text(f"Paused by {entry.actor}: {entry.facts.get('reason')}", style="yellow")


def _print_way_on(deed: str, order: Order) -> None:
    from oms_entrypoints.cli.display import console

    console().print(
        f"oms sagas {deed} {order.id} --tenant {order.scope.tenant_id} "
        f"--org {order.scope.org_id} --reason '{_REASONS[deed]}'",
        style="dim",
        soft_wrap=True,
    )


def _steps(order: Mapping[str, Any]) -> RenderableType:
    """List what was tried for the order, and how often."""
    from rich.text import Text

    from oms_entrypoints.cli.display import table

    rows = table("step", "outcome", "attempts", "last trouble", numbers=("attempts",))
    for step in order["saga"]["steps"]:
        name = step["step"] if step["action"] == "run" else f"undo {step['step']}"
        rows.add_row(
            Text(name),
            Text(step["outcome"]),
            str(step["attempts"]),
            Text(step["error"] or "", style="yellow"),
        )
    return rows
