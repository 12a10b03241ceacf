"""``oms events``: what happened, from any position on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oms_entrypoints.cli.options import as_json, read_config, with_config, with_scope
from oms_entrypoints.cli.store_access import as_json as written
from oms_entrypoints.cli.store_access import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.event_envelope import EventEnvelope
    from oms_core.domain.scope import Scope
    from oms_core.ports.event_log import LoggedEvent


@click.command(short_help="Read the feed of events.")
@with_config
@with_scope
@click.option(
    "--after",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="The position after which to begin.",
)
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@as_json
def events(config_file: str | None, scope: Scope, after: int, limit: int, as_json: bool) -> None:
    """Read what happened, in the order in which it was published."""
    from oms_entrypoints.http.views import event_page_view

    with opened(read_config(config_file)) as oms:
        found = oms.events(scope, after=after, limit=limit)
    if as_json:
        click.echo(written(event_page_view(found, after=after)))
    else:
        _print(found)


def _print(found: Sequence[LoggedEvent]) -> None:
    from rich.text import Text

    from oms_entrypoints.cli.display import console, table

    if not found:
        console().print("Nothing has happened since.")
        return
    rows = table("position", "at", "of", "change", "by", numbers=["position"])
    for logged in found:
        event = logged.event
        rows.add_row(
            str(logged.position),
            f"{event.timestamp:%Y-%m-%d %H:%M:%S}",
            Text(_subject_of(event)),
            Text(_change_in(event)),
            Text(event.user_id),
        )
    console().print(rows)


def _subject_of(event: EventEnvelope) -> str:
    if event.order_id is not None:
        return str(event.order_id)
    return f"{event.payload['sku']} at {event.payload['location']}"


def _change_in(event: EventEnvelope) -> str:
    if event.order_id is not None:
        return str(event.payload["change"])
    return f"{event.payload['quantity_delta']:+d} {event.payload['reason']}"
