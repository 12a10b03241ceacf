"""``oms serve``: the HTTP server, and the workers that drive what it accepts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from oms_entrypoints.cli.options import read_config, with_config

if TYPE_CHECKING:
    from oms_entrypoints.config import Config


@click.command(short_help="Answer HTTP requests, and drive orders.")
@with_config
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port to listen on; 0: a free one.")
@click.option("--threads", type=click.IntRange(1, 1_000), help="Requests answered at once.")
@click.option("--wsgi", type=click.Choice(["waitress", "granian"]), help="WSGI server.")
@click.option("--no-workers", is_flag=True, help="Accept orders, and leave them to oms worker.")
def serve(
    config_file: str | None,
    host: str | None,
    port: int | None,
    threads: int | None,
    wsgi: str | None,
    no_workers: bool,
) -> None:
    """Answer requests and drive the orders that come with them.

    Ctrl-C or SIGTERM answers what was asked, finishes what is being driven, and ends.
    """
    from attrs import evolve

    from oms_entrypoints.cli.logging import start_logs
    from oms_entrypoints.server import run_server

    config = read_config(config_file)
    asked: dict[str, Any] = {"host": host, "port": port, "threads": threads, "wsgi": wsgi}
    given = {name: value for name, value in asked.items() if value is not None}
    config = evolve(config, server=evolve(config.server, **given))
    start_logs(config)

    def greet(url: str) -> None:
        _greet(config, url, drives=not no_workers)

    run_server(config, drive=not no_workers, on_listening=greet)


def _greet(config: Config, url: str, *, drives: bool) -> None:
    """Tell a person at a terminal where to go; programs read the log."""
    if not sys.stderr.isatty():
        return
    workers = f"{config.worker.threads} worker threads" if drives else "no workers"
    click.echo(
        f"\n  {url}, read the API at {url}/docs\n"
        f"  store      {config.storage.shown}\n"
        f"  payments   {', '.join(config.payments)}\n"
        f"  orders     driven by {workers}\n\n"
        "  oms token --help    makes a token        Ctrl-C stops\n",
        err=True,
    )
