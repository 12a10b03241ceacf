"""All commands by name. What a command needs is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import click

from oms_entrypoints.cli.options import with_config

COMMANDS: Final = MappingProxyType(
    {
        "demo": "demo",
        "serve": "serve",
        "worker": "worker",
        "check-config": "check_config",
        "migrate": "migrate",
        "token": "token",
        "orders": "orders",
        "inventory": "inventory",
        "sagas": "sagas",
        "webhooks": "webhooks",
        "events": "events",
        "subscriptions": "subscriptions",
        "reconcile": "reconcile",
        "doctor": "doctor",
        "simulated": "simulated",
    }
)
"""Command → module of this package that holds it, under the module's own name."""


class LateGroup(click.Group):
    """A group that imports a command when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order in which a new user needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        del ctx
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: Any = getattr(import_module(f"oms_entrypoints.cli.{module}"), module)
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a command that is much like an unknown one."""
        from oms_entrypoints.config.similar import did_you_mean

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]}{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"oms {version('oms-core')}")
        ctx.exit()


@click.group(
    cls=LateGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with: oms demo",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and end.",
)
@with_config
@click.pass_context
def oms(ctx: click.Context, config_file: str | None) -> None:
    """Orders that are accepted once, charged once and never lost.

    Without any configuration: a SQLite file oms.db here, a simulated payment provider, and an
    HTTP server on 127.0.0.1:8080. `oms check-config` explains the configuration file.
    """
    ctx.obj = config_file
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
