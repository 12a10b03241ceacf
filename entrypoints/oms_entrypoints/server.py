"""A process that answers requests, and drives the orders it accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from oms_entrypoints.bootstrap import make_authenticator, open_system
from oms_entrypoints.http.app import create_app
from oms_entrypoints.http.metrics import Metrics
from oms_entrypoints.http.server import serve
from oms_entrypoints.http.settings import HttpSettings
from oms_entrypoints.scheduled_checks import CheckReports, ScheduledChecks
from oms_entrypoints.stop_signals import StopSignals

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import App, Request, Response

    from oms_core import OrderManagement
    from oms_entrypoints.config import Config

_log: Final = structlog.get_logger()


def run_server(config: Config, *, drive: bool, on_listening: Callable[[str], None]) -> None:
    """Answer requests until the process is asked to stop; *drive* orders meanwhile.

    Then it listens no more, answers what was asked, finishes what is being driven, gives back
    what is only claimed and releases every lease, all within ``server.stop_timeout_s`` each.

    Raises:
        StoreUnusable: the store cannot be opened.
        ConfigurationError: the port is in use, a key is malformed, or an adapter does not
            accept its options.
    """
    with StopSignals() as signals, open_system(config) as oms:
        server = serve(application(config, oms), http_settings(config))
        try:
            if drive:
                oms.start()
            _log.info("listening", url=server.url, drives_orders=drive)
            on_listening(server.url)
            with ScheduledChecks(oms, config):
                signals.wait()
                _log.info("stopping")
        finally:
            answered = server.stop()
            finished = oms.stop(config.server.stop_timeout_s)
        _log.info("stopped", everything_answered=answered, everything_finished=finished)


def application(config: Config, oms: OrderManagement) -> App[Request, Response]:
    """Make the WSGI application for *oms*; its metrics tell of the scheduled checks, too."""
    metrics = Metrics()
    metrics.watch_checks(CheckReports(oms.storage, config))
    return create_app(
        oms, make_authenticator(config), settings=http_settings(config), metrics=metrics
    )


def http_settings(config: Config) -> HttpSettings:
    """Return what the configuration says of HTTP."""
    server = config.server
    return HttpSettings(
        host=server.host,
        port=server.port,
        threads=server.threads,
        wsgi=server.wsgi,
        body_limit_bytes=server.body_limit_bytes,
        rate_limit=server.rate_limit,
        stop_timeout_s=server.stop_timeout_s,
        connection_limit=server.connection_limit,
        idle_timeout_s=server.idle_timeout_s,
        access_log=config.log.level in {"debug", "info"},
    )
