"""``oms worker``: drive orders without answering requests."""

from __future__ import annotations

import click

from oms_entrypoints.cli.options import read_config, with_config
from oms_entrypoints.cli.store_access import require_shared_store


@click.command(short_help="Drive orders beside the server.")
@with_config
@click.option("--threads", type=click.IntRange(1, 1_000), help="Orders driven at once.")
def worker(config_file: str | None, threads: int | None) -> None:
    """Drive orders beside the server, in as many processes as you like.

    Ctrl-C or SIGTERM finishes what is being driven, gives the rest back, and ends.
    """
    from attrs import evolve

    from oms_entrypoints.cli.logging import start_logs
    from oms_entrypoints.worker import run_worker

    config = read_config(config_file)
    require_shared_store(config, make=True)
    if threads is not None:
        config = evolve(config, worker=evolve(config.worker, threads=threads))
    start_logs(config)
    run_worker(config)
