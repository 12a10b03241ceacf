"""A process that drives orders and answers no requests, beside any number of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.scheduled_checks import ScheduledChecks
from oms_entrypoints.stop_signals import StopSignals

if TYPE_CHECKING:
    from oms_entrypoints.config import Config

_log: Final = structlog.get_logger()


def run_worker(config: Config) -> None:
    """Drive orders until the process is asked to stop.

    Then what is being driven is finished, what is only claimed is given back, and every lease
    is released. An order that does not finish within ``server.stop_timeout_s`` is left to its
    lease: the next holder goes on from the last durable step.

    Raises:
        StoreUnusable: the store cannot be opened.
        ConfigurationError: a payment adapter does not accept its options.
    """
    with StopSignals() as signals, open_system(config) as oms:
        oms.start()
        _log.info("worker started", store=config.storage.shown, threads=config.worker.threads)
        with ScheduledChecks(oms, config):
            signals.wait()
            _log.info("worker stopping")
        finished = oms.stop(config.server.stop_timeout_s)
        _log.info("worker stopped", everything_finished=finished)
