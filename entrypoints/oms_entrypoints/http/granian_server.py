"""granian: a compiled server, several times quicker per request than waitress.

It is run inside this process, so that whatever accepts an order can also start on it at once.
granian itself does that on Python without a GIL only and runs processes elsewhere; its server
of threads works with a GIL just as well, but has to be started by its parts. They are not
public, hence the narrow version in ``oms-core[granian]``.

Two things are worse than with waitress, and want a proxy in front that takes in whole requests.
A thread waits while a body trickles in, so a handful of slow clients keep all threads. And what
never reaches the application (a malformed request line, headers that are too long) is answered
by granian in its own way: without a body.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from granian.constants import HTTPModes, Interfaces, RuntimeModes
from granian.http import HTTP1Settings
from granian.server.mt import MTServer

from oms_core.errors import ConfigurationError
from oms_entrypoints.http.listener import BACKLOG, url_of

if TYPE_CHECKING:
    from oms_entrypoints.http.settings import HttpSettings, WsgiApp

_START_MAX_S: Final = 10.0
_LOOK_S: Final = 0.01
_BUFFER_BYTES_MIN: Final = 8_192
"""hyper, on which granian is built, takes no smaller one."""


class GranianServer:
    """A server that is listening and answering, in threads of its own."""

    def __init__(self, app: WsgiApp, settings: HttpSettings, listener: socket.socket) -> None:
        """Answer on *listener*'s address, which granian has to open by itself."""
        self._settings = settings
        address, port = listener.getsockname()[:2]
        listener.close()
        self.port: Final = int(port)
        """The port it really listens on."""
        server: Any = MTServer(
            "",
            address=address,
            port=self.port,
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,
            blocking_threads=settings.threads,
            backlog=BACKLOG,
            backpressure=settings.connection_limit,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(settings.idle_timeout_s * 1_000),
                max_buffer_size=max(_BUFFER_BYTES_MIN, settings.header_limit_bytes),
            ),
            log_enabled=False,
            websockets=False,
        )
        server.runtime_mode = RuntimeModes.mt
        server._init_shared_socket()  # noqa: SLF001 - see above
        self._worker: Any = server._spawn_worker(0, server._spawn_wsgi_worker, app)  # noqa: SLF001
        self._thread: threading.Thread = self._worker.inner
        # A request that never ends must not keep the process from ending.
        self._thread.daemon = True
        self._thread.start()
        _wait_until_listening(address, self.port)

    @property
    def url(self) -> str:
        """Where it answers, as a program on this machine would call it."""
        return url_of(self._settings.host, self.port)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has stopped; ``False`` if it has not after *timeout_s* seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop listening, answer what was asked, close; ``True`` if all of it ended in time."""
        self._worker.terminate()
        return self.wait(self._settings.stop_timeout_s if timeout_s is None else timeout_s)


def _wait_until_listening(address: str, port: int) -> None:
    """Return when the server's threads have begun; they do at once.

    Raises:
        ConfigurationError: they have not, after all.
    """
    ends_at = time.monotonic() + _START_MAX_S
    while True:
        try:
            socket.create_connection((address, port), timeout=_START_MAX_S).close()
        except OSError:
            if time.monotonic() > ends_at:
                raise ConfigurationError(
                    [f"granian does not listen on port {port}; use waitress, or ask its makers."]
                ) from None
            time.sleep(_LOOK_S)
        else:
            return
