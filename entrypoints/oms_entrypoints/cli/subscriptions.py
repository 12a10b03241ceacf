"""``oms subscriptions``: who is sent which events, and what was not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oms_entrypoints.cli.options import (
    UUID_TEXT,
    as_json,
    read_config,
    with_config,
    with_scope,
)
from oms_entrypoints.cli.store_access import as_json as written
from oms_entrypoints.cli.store_access import opened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from oms_core.application.webhooks import NewSecret, NewSubscription
    from oms_core.domain.delivery import DeadLetter
    from oms_core.domain.scope import Scope
    from oms_core.ports.subscriptions import Subscribed


@click.group(short_help="Subscriptions to webhooks, and their dead letters.")
def subscriptions() -> None:
    """Have events posted to an address, and see what was not taken there."""


@subscriptions.command("list")
@with_config
@with_scope
@as_json
def list_subscriptions(config_file: str | None, scope: Scope, as_json: bool) -> None:
    """List subscriptions with how their deliveries are."""
    from oms_entrypoints.http.views import subscription_list_view

    with opened(read_config(config_file)) as oms:
        found = oms.webhooks.list_all(scope)
    if as_json:
        click.echo(written(subscription_list_view(found)))
    else:
        _print_all(found)


@subscriptions.command()
@with_config
@with_scope
@click.argument("url")
@click.option(
    "--type", "event_types", multiple=True, help="Only such events; may be given several times."
)
@click.option(
    "--after",
    type=click.IntRange(0),
    help="The position in the feed after which to begin; default: what happens from now on.",
)
def add(
    config_file: str | None, scope: Scope, url: str, event_types: tuple[str, ...], after: int | None
) -> None:
    """Subscribe an address, and print the secret that messages are signed with."""
    from oms_core.application.webhooks import Subscribe

    with opened(read_config(config_file)) as oms:
        request = Subscribe(url=url, event_types=event_types, after=after)
        new = oms.webhooks.subscribe(scope, request)
    _print_secret(new)


@subscriptions.command()
@with_config
@with_scope
@click.argument("subscription_id", type=UUID_TEXT)
def rotate(config_file: str | None, scope: Scope, subscription_id: UUID) -> None:
    """Sign with a new secret, and print it; for a day, the old one signs as well."""
    with opened(read_config(config_file)) as oms:
        new = oms.webhooks.rotate_secret(scope, subscription_id)
    _print_secret(new)


@subscriptions.command()
@with_config
@with_scope
@click.argument("subscription_id", type=UUID_TEXT)
def enable(config_file: str | None, scope: Scope, subscription_id: UUID) -> None:
    """Let a subscription go on where it stopped, with all its patience."""
    from oms_core.application.webhooks import ChangeSubscription

    with opened(read_config(config_file)) as oms:
        oms.webhooks.change(scope, subscription_id, ChangeSubscription(enabled=True))
    click.echo(f"Subscription {subscription_id} goes on as soon as a worker finds it.")


@subscriptions.command()
@with_config
@with_scope
@click.argument("subscription_id", type=UUID_TEXT)
def disable(config_file: str | None, scope: Scope, subscription_id: UUID) -> None:
    """Send nothing until it is enabled again; what happens meanwhile waits."""
    from oms_core.application.webhooks import ChangeSubscription

    with opened(read_config(config_file)) as oms:
        oms.webhooks.change(scope, subscription_id, ChangeSubscription(enabled=False))
    click.echo(f"Subscription {subscription_id} is sent nothing.")


@subscriptions.command()
@with_config
@with_scope
@click.argument("subscription_id", type=UUID_TEXT)
def remove(config_file: str | None, scope: Scope, subscription_id: UUID) -> None:
    """Forget a subscription with all that waits for it."""
    with opened(read_config(config_file)) as oms:
        oms.webhooks.unsubscribe(scope, subscription_id)
    click.echo(f"Subscription {subscription_id} is forgotten.")


@subscriptions.command("dead-letters")
@with_config
@with_scope
@click.argument("subscription_id", type=UUID_TEXT)
@as_json
def dead_letters(
    config_file: str | None, scope: Scope, subscription_id: UUID, as_json: bool
) -> None:
    """List the events that were given up, and why."""
    from oms_entrypoints.http.views import dead_letter_list_view

    with opened(read_config(config_file)) as oms:
        dead = oms.webhooks.get(scope, subscription_id).progress.dead
    if as_json:
        click.echo(written(dead_letter_list_view(dead)))
    else:
        _print_dead(dead)


@subscriptions.command()
@with_config
@with_scope
@click.argument("subscription_id", type=UUID_TEXT)
@click.option("--event-id", type=UUID_TEXT, help="Only this event; default: all.")
def replay(
    config_file: str | None, scope: Scope, subscription_id: UUID, event_id: UUID | None
) -> None:
    """Send dead letters again, as soon as a worker finds them."""
    from oms_core.application.webhooks import ReplayDeadLetters

    chosen = ReplayDeadLetters(None if event_id is None else str(event_id))
    with opened(read_config(config_file)) as oms:
        replayed = oms.webhooks.replay(scope, subscription_id, chosen)
    click.echo(f"Sent again: {replayed}.")


def _print_secret(new: NewSecret | NewSubscription) -> None:
    click.echo(f"subscription  {new.subscribed.subscription.id}")
    click.echo(f"secret        {new.secret}")


def _print_all(found: Sequence[Subscribed]) -> None:
    from rich.text import Text

    from oms_entrypoints.cli.display import console, table
    from oms_entrypoints.http.views import subscription_view

    if not found:
        console().print("Nobody subscribes.")
        return
    numbers = ["position", "held", "dead"]
    rows = table("subscription", "url", "state", *numbers, numbers=numbers)
    for subscribed in found:
        shown = subscription_view(subscribed)
        state = "active" if shown["enabled"] else "disabled"
        if shown["stopped"] is not None:
            state = f"stopped: {shown['stopped']}"
        elif shown["last_error"] is not None:
            state = f"{state}; {shown['last_error']}"
        rows.add_row(
            str(shown["subscription_id"]),
            Text(shown["url"]),
            Text(state),
            str(shown["position"]),
            str(shown["held_orders"]),
            str(shown["dead_letters"]),
        )
    console().print(rows)


def _print_dead(dead: Sequence[DeadLetter]) -> None:
    from rich.text import Text

    from oms_entrypoints.cli.display import console, table

    if not dead:
        console().print("There are no dead letters.")
        return
    rows = table("event", "order", "sequence", "given up", "attempts", "why", numbers=["sequence"])
    for letter in dead:
        rows.add_row(
            str(letter.event_id),
            "-" if letter.order_id is None else str(letter.order_id),
            str(letter.sequence),
            f"{letter.at:%Y-%m-%d %H:%M:%S}",
            str(letter.attempts),
            Text(letter.error),
        )
    console().print(rows)
