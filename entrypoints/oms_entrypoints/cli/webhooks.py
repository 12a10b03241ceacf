"""``oms webhooks``: what payment providers notified, and what became of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from oms_core.errors import ConfigurationError
from oms_core.ports.inbox import InboxState
from oms_entrypoints.cli.options import UUID_TEXT, as_json, read_config, with_config
from oms_entrypoints.cli.store_access import as_json as written
from oms_entrypoints.cli.store_access import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from oms_core.ports.inbox import InboxPage, ReceivedEvent, WebhookInbox
    from oms_entrypoints.config import Config

_PAGE: Final = 500
"""Events marked in one write."""
_STYLES: Final = {InboxState.UNMATCHED: "yellow", InboxState.NEW: "cyan"}

_with_tenant: Final = click.option(
    "--tenant",
    type=UUID_TEXT,
    metavar="UUID",
    envvar="OMS_TENANT",
    help="The tenant; default: $OMS_TENANT, else all tenants.",
)


@click.group(short_help="See what payment providers notified; apply it again.")
def webhooks() -> None:
    """See what payment providers notified and what became of it, and have it applied again."""


@webhooks.command("list")
@with_config
@_with_tenant
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in InboxState]),
    multiple=True,
    help="Only events in this state; may be given several times. Default: all.",
)
@click.option("--limit", type=click.IntRange(1, 1_000), default=50, show_default=True)
@click.option("--cursor", help="Go on where the last list ended.")
@as_json
def list_webhooks(
    config_file: str | None,
    tenant: UUID | None,
    states: tuple[str, ...],
    limit: int,
    cursor: str | None,
    as_json: bool,
) -> None:
    """List events, newest first."""
    wanted = [InboxState(state) for state in states] or list(InboxState)
    with _inbox(read_config(config_file)) as inbox:
        page = inbox.list_events(wanted, tenant_id=tenant, limit=limit, cursor=cursor)
    if as_json:
        rows = [_row(received) for received in page.events]
        click.echo(written({"events": rows, "next_cursor": page.next_cursor}))
    else:
        _print(page)


@webhooks.command()
@with_config
@_with_tenant
@click.argument("event_id", required=False)
@click.option(
    "--state",
    type=click.Choice([InboxState.UNMATCHED.value, InboxState.APPLIED.value]),
    help="All events in this state, instead of one.",
)
def replay(
    config_file: str | None, tenant: UUID | None, event_id: str | None, state: str | None
) -> int:
    """Have one event, or all in a state, applied again. Harmless: the order looks for itself."""
    if (event_id is None) == (state is None):
        raise click.UsageError("name either one EVENT_ID or a --state")
    if event_id is not None and tenant is None:
        raise click.UsageError("an EVENT_ID is one tenant's; name it with --tenant")
    with _inbox(read_config(config_file)) as inbox:
        if state is not None:
            count = _replay_all(inbox, InboxState(state), tenant)
        else:
            found = inbox.find_events(tenant, event_id) if tenant and event_id else ()
            inbox.mark(found, InboxState.NEW)
            count = len(found)
    if not count and event_id is not None:
        from oms_entrypoints.cli.main import REFUSED, say

        say(f"The tenant {tenant} has no event {event_id}; see oms webhooks list.")
        return REFUSED
    what = "1 event is" if count == 1 else f"{count} events are"
    click.echo(f"{what} applied again by the next worker that looks.")
    return 0


@contextmanager
def _inbox(config: Config) -> Iterator[WebhookInbox]:
    with opened(config) as oms:
        if oms.inbox is None:
            raise ConfigurationError(["This store keeps no notifications."])
        yield oms.inbox


def _replay_all(inbox: WebhookInbox, state: InboxState, tenant: UUID | None) -> int:
    """Mark every event that is in *state* now; what workers mark meanwhile is left alone."""
    count, cursor = 0, None
    while True:
        page = inbox.list_events([state], tenant_id=tenant, limit=_PAGE, cursor=cursor)
        inbox.mark(page.events, InboxState.NEW)
        count += len(page.events)
        cursor = page.next_cursor
        if cursor is None:
            return count


def _row(received: ReceivedEvent) -> dict[str, Any]:
    event = received.event
    return {
        "event_id": event.event_id,
        "provider": received.provider,
        "tenant_id": event.ref.tenant_id,
        "payment_reference": event.ref.reference,
        "kind": event.kind,
        "state": received.state,
        "received_at": received.received_at,
        "occurred_at": event.occurred_at,
        "facts": dict(event.facts),
    }


def _print(page: InboxPage) -> None:
    from rich.text import Text

    from oms_entrypoints.cli.display import console, moment, table

    out = console()
    if not page.events:
        out.print("No notifications.")
        return
    rows = table("event", "state", "kind", "payment", "account", "received")
    for received in page.events:
        event = received.event
        rows.add_row(
            Text(event.event_id),
            Text(received.state, style=_STYLES.get(received.state, "")),
            Text(event.kind),
            Text(event.ref.reference),
            Text(received.provider),
            moment(received.received_at),
        )
    out.print(rows)
    if page.next_cursor is not None:
        out.print(f"More: --cursor {page.next_cursor}", style="dim", soft_wrap=True)
