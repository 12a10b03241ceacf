"""``oms check-config``: is the configuration good, and what does it mean?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from oms_entrypoints.cli.options import read_config, with_config

if TYPE_CHECKING:
    from oms_entrypoints.config import Config


@click.command("check-config", short_help="Check the configuration, and say what it means.")
@with_config
@click.option("--example", is_flag=True, help="Print a file with every setting and its default.")
def check_config(config_file: str | None, example: bool) -> None:
    """Check the configuration without starting anything, and say what it means.

    Every value can be overridden by an environment variable: OMS__SERVER__PORT=8081 is `port` in
    the table [server], with two underscores between the names. A secret is never written into
    the file but named: env:NAME or file:PATH.
    """
    if example:
        from oms_entrypoints.config.example import example_file

        click.echo(example_file(), nl=False)
        return
    from oms_entrypoints import bootstrap

    config = read_config(config_file)
    bootstrap.check(config)
    _print(config)


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
