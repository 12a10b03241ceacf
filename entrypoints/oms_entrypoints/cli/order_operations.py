"""``oms orders cancel|capture|fulfill|…``: ask things of an order, each once for its key."""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID, uuid4

import click

from oms_core.domain.returns import Condition
from oms_entrypoints.cli.options import UUID_TEXT, as_json, read_config, with_config, with_scope
from oms_entrypoints.cli.store_access import ACTOR, opened
from oms_entrypoints.cli.store_access import as_json as written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from oms_core.application.foresight import Foresight
    from oms_core.application.operation_requests import Pieces
    from oms_core.application.operation_wishes import Foreseeable
    from oms_core.application.order_operations import Asked
    from oms_core.domain.scope import Scope

CommandT = TypeVar("CommandT", bound="Callable[..., Any]")

_PIECES: Final = re.compile(r"([0-9]{1,6})=([0-9]{1,9})", re.ASCII)


class PiecesType(click.ParamType[tuple[int, int]]):
    """Some pieces of one line, such as ``1=2``: two pieces of line 1."""

    name = "pieces"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read it."""
        if isinstance(value, tuple):
            return value
        found = _PIECES.fullmatch(value)
        if found is None:
            self.fail("must be a line and a number of pieces, such as 1=2", param, ctx)
        return int(found[1]), int(found[2])


_LINES: Final = click.option(
    "--line",
    "lines",
    type=PiecesType(),
    multiple=True,
    metavar="LINE=PIECES",
    help="So many pieces of this line; may be given several times. Default: all there are.",
)
_DRY_RUN: Final = click.option(
    "--dry-run", is_flag=True, help="Tell what it would cause, and change nothing."
)
_REASON: Final = click.option("--reason", help="Why; stands in the order.")
_NOTE: Final = click.option("--note", help="Why; stands in the order.")


def _with_order(command: CommandT) -> CommandT:
    """Add what every command here has: whose order, under which key, on which version."""
    options = [
        with_config,
        with_scope,
        click.argument("order_id", type=UUID_TEXT),
        click.option(
            "--key",
            help="Idempotency key: the same key again has no second effect. Default: a new one, "
            "which is shown.",
        ),
        click.option(
            "--if-version",
            type=click.IntRange(1),
            help="Only if the order still has this version.",
        ),
        as_json,
    ]
    return reduce(lambda decorated, option: option(decorated), reversed(options), command)


@click.command()
@_with_order
@_REASON
@_DRY_RUN
def cancel(reason: str | None, **how: Any) -> None:
    """Cancel an order of which nothing has left: stock and money are given back."""
    from oms_core.application.operation_requests import CancelOrder

    _ask("cancel", CancelOrder(reason), **how)


@click.command()
@_with_order
@click.option("--amount", help="So much; default: all that is held.")
@click.option("--final", is_flag=True, help="Release the rest of what is held.")
@_DRY_RUN
def capture(amount: str | None, final: bool, **how: Any) -> None:
    """Take money that is held, all or a part."""
    from oms_core.application.operation_requests import CapturePayment

    _ask("capture", CapturePayment(amount, final), **how)


@click.command()
@_with_order
@_LINES
@click.option("--carrier", help="Who carries the goods.")
@click.option("--tracking-number", help="The carrier's number.")
@click.option("--tracking-url", help="Where the parcel can be followed.")
@_DRY_RUN
def fulfill(
    lines: Sequence[tuple[int, int]],
    carrier: str | None,
    tracking_number: str | None,
    tracking_url: str | None,
    **how: Any,
) -> None:
    """Let goods leave: the payment is captured as its policy says, then stock is taken."""
    from oms_core.application.operation_requests import FulfillOrder

    request = FulfillOrder(_pieces(lines), carrier, tracking_number, tracking_url)
    _ask("fulfill", request, **how)


@click.command()
@_with_order
@click.argument("fulfillment_id", type=UUID_TEXT)
def deliver(fulfillment_id: UUID, **how: Any) -> None:
    """Record that the goods of a fulfillment have arrived."""
    from oms_core.application.operation_requests import DeliverGoods

    _ask("deliver", DeliverGoods(), fulfillment_id, **how)


@click.command()
@_with_order
def complete(**how: Any) -> None:
    """Close an order that was delivered."""
    from oms_core.application.operation_requests import CompleteOrder

    _ask("complete", CompleteOrder(), **how)


@click.command()
@_with_order
@click.option("--amount", help="So much; default: all that was captured and is not given back.")
@_LINES
@_REASON
@_DRY_RUN
def refund(
    amount: str | None, lines: Sequence[tuple[int, int]], reason: str | None, **how: Any
) -> None:
    """Give captured money back: an amount, the share of some pieces, or all of it."""
    from oms_core.application.operation_requests import RefundPayment

    _ask("refund", RefundPayment(amount, _pieces(lines), reason), **how)


@click.group("return", short_help="Take goods back: request, approve, reject, receive.")
def returns() -> None:
    """Take goods back: request a return, decide on it, and book what came."""


@returns.command("request")
@_with_order
@_LINES
@_REASON
@_DRY_RUN
def request_return(lines: Sequence[tuple[int, int]], reason: str | None, **how: Any) -> None:
    """Ask for delivered goods to be taken back; the operation's id is the return's."""
    from oms_core.application.operation_requests import RequestReturn

    _ask("request_return", RequestReturn(_pieces(lines), reason), **how)


@returns.command("approve")
@_with_order
@click.argument("return_id", type=UUID_TEXT)
@_NOTE
def approve_return(return_id: UUID, note: str | None, **how: Any) -> None:
    """Let the customer send the goods."""
    from oms_core.application.operation_requests import DecideReturn

    _ask("approve_return", DecideReturn(note), return_id, **how)


@returns.command("reject")
@_with_order
@click.argument("return_id", type=UUID_TEXT)
@_NOTE
def reject_return(return_id: UUID, note: str | None, **how: Any) -> None:
    """Refuse a return."""
    from oms_core.application.operation_requests import DecideReturn

    _ask("reject_return", DecideReturn(note), return_id, **how)


@returns.command("receive")
@_with_order
@click.argument("return_id", type=UUID_TEXT)
@_LINES
@click.option(
    "--condition",
    type=click.Choice([condition.value for condition in Condition]),
    default=Condition.NEW.value,
    show_default=True,
    help="Of all these pieces; book those in another condition by themselves.",
)
@click.option(
    "--restock/--no-restock", default=True, show_default=True, help="Back into stock, or not."
)
def receive_return(
    return_id: UUID,
    lines: Sequence[tuple[int, int]],
    condition: str,
    restock: bool,
    **how: Any,
) -> None:
    """Book goods that came back."""
    from oms_core.application.operation_requests import PiecesReceived, ReceiveReturn

    if not lines and (condition != Condition.NEW or not restock):
        raise click.UsageError("say with --line which pieces are not new, or not to be restocked")
    received = [PiecesReceived(line, count, condition, restock) for line, count in lines]
    _ask("receive_return", ReceiveReturn(received), return_id, **how)


@click.command()
@with_config
@with_scope
@click.argument("order_id", type=UUID_TEXT)
@as_json
def actions(config_file: str | None, scope: Scope, order_id: UUID, as_json: bool) -> None:
    """List what may be asked of an order now, and why the rest may not."""
    from oms_entrypoints.http.order_operations import path_of
    from oms_entrypoints.http.views import action_list_view

    with opened(read_config(config_file)) as oms:
        found = oms.actions(scope, order_id)
    if as_json:
        shown = action_list_view(order_id, found, lambda action: path_of(order_id, action))
        click.echo(written(shown))
        return
    from rich.text import Text

    from oms_entrypoints.cli.display import console, table

    rows = table("action", "about", "now")
    rows.columns[0].no_wrap = True
    for action in found:
        now = Text("yes", style="green") if action.why_not is None else Text(action.why_not)
        rows.add_row(_words(action.kind), str(action.subject or ""), now)
    console().print(rows)


COMMANDS: Final = (
    cancel,
    capture,
    fulfill,
    deliver,
    complete,
    returns,
    refund,
    actions,
)
"""What ``oms orders`` gains."""


def _pieces(lines: Sequence[tuple[int, int]]) -> list[Pieces]:
    from oms_core.application.operation_requests import Pieces

    return [Pieces(line, quantity) for line, quantity in lines]


def _ask(
    method: str,
    request: Any,
    *about: UUID,
    config_file: str | None,
    scope: Scope,
    order_id: UUID,
    key: str | None,
    if_version: int | None,
    as_json: bool,
    dry_run: bool = False,
) -> None:
    """Ask, or tell what asking would cause, and show the answer."""
    from oms_core.application.order_operations import Caller
    from oms_core.errors import InvalidInput, Mistake
    from oms_entrypoints.http.headers import IDEMPOTENCY_KEY

    wrong = None if key is None else IDEMPOTENCY_KEY.mistake(key)
    if wrong is not None:
        raise InvalidInput((Mistake("/--key", wrong),))
    with opened(read_config(config_file)) as oms:
        if dry_run:
            foreseeable: Foreseeable = request
            told = oms.operations.look_ahead(scope, order_id, foreseeable, if_version=if_version)
            _show_foresight(told, as_json=as_json)
            return
        if key is None:
            key = str(uuid4())
            # Before it is asked: should the answer get lost, this is what a repeat needs.
            click.echo(f"oms: The key of this is {key}; repeat it with --key {key}.", err=True)
        ask = getattr(oms.operations, method)
        asked: Asked = ask(scope, order_id, *about, request, Caller(key, ACTOR, if_version))
    _show_asked(asked, as_json=as_json)


def _show_asked(asked: Asked, *, as_json: bool) -> None:
    from oms_entrypoints.http.views import operation_view

    operation = asked.operation
    if as_json:
        shown = {**operation_view(operation), "replayed": asked.replayed}
        click.echo(written(shown))
        return
    from rich.text import Text

    from oms_entrypoints.cli.display import console, facts, status_text

    what = f"{_words(operation.kind)}: {operation.state}"
    if asked.replayed:
        what += " (asked before)"
    rows: list[tuple[str, RenderableType]] = [
        ("asked", Text(what)),
        ("operation", Text(str(operation.id))),
        ("order", status_text(asked.order.status)),
    ]
    if operation.refusal is not None:
        rows.append(("refused", Text(operation.refusal.message, style="red")))
    elif not operation.is_over:
        rows.append(("next", Text("A worker does it; see how far it is with oms orders show.")))
    console().print(facts(rows))


def _show_foresight(told: Foresight, *, as_json: bool) -> None:
    from oms_entrypoints.http.views import foresight_view

    if as_json:
        click.echo(written(foresight_view(told)))
        return
    from rich.text import Text

    from oms_entrypoints.cli.display import console, facts

    rows: list[tuple[str, RenderableType]] = [
        ("would be", Text(f"{_words(told.operation.kind)}: {told.operation.state}")),
        ("status", Text(f"{told.before.status} → {told.after.status}")),
        ("payment", Text(f"{told.before.payment.status} → {told.after.payment.status}")),
        ("captured", Text(str(told.captured))),
        ("refunded", Text(str(told.refunded))),
        ("released", Text(str(told.released))),
    ]
    rows += [
        (
            "stock",
            Text(
                f"{effect.item.sku} at {effect.item.location}: "
                f"{effect.on_hand_delta:+d} on hand, {effect.reserved_delta:+d} reserved"
            ),
        )
        for effect in told.stock
    ]
    if told.why is not None:
        rows.append(("but", Text(told.why, style="yellow")))
    console().print(facts(rows))


def _words(code: str) -> str:
    return code.replace("_", " ")
