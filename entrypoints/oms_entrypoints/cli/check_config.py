"""``oms check-config``: is the configuration good, and what does it mean?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from oms_entrypoints.cli.options import as_json, read_config, with_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_entrypoints.bootstrap import Checked
    from oms_entrypoints.config import Config


REFUSED: Final = 1
"""Something that was asked cannot be used."""


@click.command("check-config", short_help="Check the configuration, and say what it means.")
@with_config
@click.option("--example", is_flag=True, help="Print a file with every setting and its default.")
@click.option(
    "--live",
    is_flag=True,
    help="Ask the store, the inventory service and every payment account whether they can be used.",
)
@as_json
def check_config(config_file: str | None, example: bool, live: bool, as_json: bool) -> None:
    """Check the configuration without starting anything, and say what it means.

    With --live also ask a harmless question of all that it names, each payment account with its
    credentials; the exit code is 1 if one of them cannot be used.

    Every value can be overridden by an environment variable: OMS__SERVER__PORT=8081 is `port` in
    the table [server], with two underscores between the names. A secret is never written into
    the file but named: env:NAME or file:PATH.
    """
    if as_json and not live:
        raise click.UsageError("--json goes with --live")
    if example:
        from oms_entrypoints.config.example import example_file

        click.echo(example_file(), nl=False)
        return
    from oms_entrypoints import bootstrap

    config = read_config(config_file)
    bootstrap.check(config)
    if not live:
        _print(config)
        return
    checked = bootstrap.check_live(config)
    if as_json:
        _print_json(checked)
    else:
        _print_live(checked)
    if not all(one.is_good for one in checked):
        click.get_current_context().exit(REFUSED)


def _print_live(checked: Sequence[Checked]) -> None:
    from rich.text import Text

    from oms_entrypoints.cli.display import console

    out, width = console(), max(len(one.setting) for one in checked)
    for one in checked:
        said = (one.trouble or one.says, "green" if one.is_good else "red")
        # Never folded: one line each, however long.
        out.print(Text.assemble((one.setting.ljust(width), "dim"), "  ", said), soft_wrap=True)


def _print_json(checked: Sequence[Checked]) -> None:
    from oms_entrypoints.cli.store_access import as_json as written

    found = [
        {"setting": one.setting, "ok": one.is_good, "message": one.trouble or one.says}
        for one in checked
    ]
    click.echo(written({"ok": all(one.is_good for one in checked), "checks": found}))


def _print(config: Config) -> None:
    from rich.text import Text

    from oms_entrypoints.cli.display import console, facts

    out = console()
    out.print(Text("The configuration is good.", style="green"))
    out.print(
        facts(
            [
                ("file", Text(str(config.file) if config.file else "none: defaults and variables")),
                ("server", Text(_server(config))),
                ("store", Text(_store(config))),
                ("stock", Text(_stock(config))),
                ("payments", Text(_payments(config))),
                ("tokens", Text(_tokens(config))),
                ("workers", Text(f"{config.worker.threads} threads per process")),
                ("log", Text(f"{config.log.level} and above, {config.log.format}")),
            ]
        )
    )


def _server(config: Config) -> str:
    server = config.server
    limit = f", at most {server.rate_limit} per tenant" if server.rate_limit else ""
    return f"{server.host}:{server.port} with {server.wsgi}, {server.threads} threads{limit}"


def _store(config: Config) -> str:
    if config.storage.kind == "memory":
        return "memory: everything is forgotten at the end"
    is_there = config.storage.kind != "sqlite" or config.storage.path.exists()
    return config.storage.shown + ("" if is_there else " (will be made)")


def _stock(config: Config) -> str:
    stock = config.inventory
    model = f"soft for {stock.ttl_s:g} s" if stock.allocation == "soft" else "hard"
    own = f"; {len(stock.tenants)} tenants differ" if stock.tenants else ""
    place = f" at {stock.url}" if stock.kind == "http" else ""
    return f"{model} allocation{own}{place}"


def _payments(config: Config) -> str:
    return ", ".join(
        name if name == account.adapter else f"{name} ({account.adapter})"
        for name, account in config.payments.items()
    )


def _tokens(config: Config) -> str:
    auth = config.auth
    if not auth.keys and not auth.tokens:
        return f"signed with {config.storage.secret_file}"
    said = [f"signed with {', '.join(auth.keys)}"] if auth.keys else []
    if auth.tokens:
        said.append(f"static: {', '.join(auth.tokens)}")
    return "; ".join(said)
