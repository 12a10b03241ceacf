"""The same server on granian, which answers requests in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from functools import partial
from importlib.util import find_spec
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Final

import structlog

from oms_core.errors import ConfigurationError
from oms_entrypoints.bootstrap import make_authenticator, open_system
from oms_entrypoints.log_writer import GATHER_S
from oms_entrypoints.server import application

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import App, Request, Response

    from oms_core import OrderManagement
    from oms_entrypoints.config import Config

_log: Final = structlog.get_logger()
_LOOK_S: Final = 1.0


def run_granian(
    config: Config,
    *,
    drive: bool,
    on_listening: Callable[[str], None],
    start_logs: Callable[[Config], None],
) -> None:
    """Answer requests until the process is asked to stop; *drive* orders meanwhile.

    Raises:
        StoreUnusable: the store cannot be opened.
        ConfigurationError: granian is not installed, the store is in memory, the port is in
            use, a key is malformed, or an adapter does not accept its options.
    """
    _require(config)
    # An extra: it is asked for only once it is known to be there.
    from granian.constants import Interfaces  # noqa: PLC0415
    from granian.server import Server  # noqa: PLC0415

    server = Server(
        "oms",
        address=config.server.host,
        port=_port(config.server.host, config.server.port),
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=config.server.threads,
        backlog=1_024,
        websockets=False,
        log_enabled=False,
    )
    url = f"http://{config.server.host}:{server.bind_port}"

    def greet() -> None:
        _log.info("listening", url=url, drives_orders=drive)
        on_listening(url)

    server.on_startup(greet)
    load = partial(_load, config, drive=drive, start_logs=start_logs)
    server.serve(target_loader=load, wrap_loader=False)


def _require(config: Config) -> None:
    """Say here whatever keeps the other process from starting."""
    if find_spec("granian") is None:
        raise ConfigurationError(
            ["server.wsgi is granian, which is not installed; pip install 'oms-core[granian]'."]
        )
    if config.storage.kind == "memory":
        sentence = (
            "server.wsgi is granian, which answers in a process of its own, so the store must be "
            'one that processes share: set storage.kind to "sqlite" or "mongodb".'
        )
        raise ConfigurationError([sentence])
    with open_system(config).oms:
        make_authenticator(config)


def _port(host: str, port: int) -> int:
    """Choose the port, and make sure that it is free: granian would share it."""
    try:
        with socket.create_server((host, port), family=_family(host)) as probe:
            chosen: int = probe.getsockname()[1]
            return chosen
    except OSError as refused:
        sentence = (
            f"Port {port} on {host} cannot be listened on ({refused.strerror}); stop the other "
            "program, or choose another port (0 takes any free one)."
        )
        raise ConfigurationError([sentence]) from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _load(
    config: Config, *, drive: bool, start_logs: Callable[[Config], None]
) -> App[Request, Response]:
    """Put everything together in the process that answers."""
    start_logs(config)
    oms = open_system(config).oms
    app = application(config, oms)
    if drive:
        oms.start()
    # Such a process ends without the hooks of atexit.
    Finalize(None, _close, args=(oms, config.server.stop_timeout_s), exitpriority=10)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    return app


def _close(oms: OrderManagement, timeout_s: float) -> None:
    finished = oms.stop(timeout_s)
    oms.close()
    _log.info("stopped", everything_finished=finished)
    # Log lines are written in the background, and nothing waits for them in such a process.
    time.sleep(2 * GATHER_S)


def _end_with_parent(parent: int) -> None:
    """A process whose parent was killed must not hold on to the port."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
