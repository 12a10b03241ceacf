"""waitress: pure Python, runs wherever Python does, and stops without dropping a request."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from waitress import wasyncore
from waitress.server import create_server

from oms_entrypoints.http.listener import BACKLOG, url_of
from oms_entrypoints.http.strict_channel import StrictChannel

if TYPE_CHECKING:
    import socket

    from oms_entrypoints.http.settings import HttpSettings, WsgiApp

_GATHER_S: Final = 0.001
"""How long requests come together while all threads are busy."""
_LOOK_S: Final = 0.05
"""How often a stopping server looks whether everything is answered."""
_BODY_MARGIN_BYTES: Final = 65_536
"""How much more than the application accepts the server takes in.

A body that is a little too large reaches the application; a larger one is refused by the
server itself, in the same form, before it is read.
"""


class WaitressServer:
    """A server that is listening and answering, in threads of its own."""

    def __init__(self, app: WsgiApp, settings: HttpSettings, listener: socket.socket) -> None:
        """Answer what comes to *listener*."""
        self._settings = settings
        self._server: Any = _waitress(app, settings, listener)
        self.port: Final = int(self._server.effective_port)
        """The port it really listens on."""
        self._stopping = threading.Event()
        self._stop_by = 0.0
        self._in_time = True
        self._thread = threading.Thread(target=self._run, name="oms-http", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it answers, as a program on this machine would call it."""
        return url_of(self._settings.host, self.port)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has stopped; ``False`` if it has not after *timeout_s* seconds."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop listening, answer what was asked, close; ``True`` if all of it ended in time.

        Requests that have begun to arrive are answered if they are complete within
        *timeout_s* seconds (default: the settings'); what is not is cut off. Repeatable, from
        any thread but the server's own.
        """
        if timeout_s is None:
            timeout_s = self._settings.stop_timeout_s
        if not self._stopping.is_set():
            self._stop_by = time.monotonic() + timeout_s
            self._stopping.set()
            self._server.pull_trigger()
        self._thread.join()
        return self._in_time

    # -- the server's own thread ---------------------------------------------------------

    def _run(self) -> None:
        channels = self._server._map  # noqa: SLF001 - waitress has no other name for it
        while not self._stopping.is_set():
            if self._server.task_dispatcher.queue:
                # Requests wait for a thread. For every look each connection is asked what it
                # wants, so what would only wait longer is read together.
                time.sleep(_GATHER_S)
            wasyncore.loop(timeout=1.0, use_poll=True, map=channels, count=1)
        # Whatever had reached us when the stop came is read, and so counts as asked.
        wasyncore.loop(timeout=0.0, use_poll=True, map=channels, count=1)
        # The dispatcher's close, not the server's, which would take away the trigger by
        # which worker threads announce their answers.
        wasyncore.dispatcher.close(self._server)
        while self._close_idle() and time.monotonic() < self._stop_by:
            wasyncore.loop(timeout=_LOOK_S, use_poll=True, map=channels, count=1)
        self._in_time = not self._close_idle()
        left_s = max(_LOOK_S, self._stop_by - time.monotonic())
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=left_s)
        self._server.trigger.close()
        wasyncore.close_all(channels)

    def _close_idle(self) -> bool:
        """Close connections with nothing under way; tell whether there are others."""
        busy = False
        for channel in list(self._server.active_channels.values()):
            if channel.requests or channel.request is not None or channel.total_outbufs_len:
                busy = True
            else:
                channel.handle_close()
        return busy


def _waitress(app: WsgiApp, settings: HttpSettings, listener: socket.socket) -> Any:
    """Make waitress' server, whose published types lack most of what it has."""
    # One warning for every request that waits for a thread tells nothing and costs much.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    options: dict[str, Any] = {
        "threads": settings.threads,
        "connection_limit": settings.connection_limit,
        "channel_timeout": settings.idle_timeout_s,
        "cleanup_interval": max(1, int(settings.idle_timeout_s / 4)),
        "max_request_body_size": settings.body_limit_bytes + _BODY_MARGIN_BYTES,
        "max_request_header_size": settings.header_limit_bytes,
        # select() ends at 1,024 files; the limit on connections may be above that.
        "asyncore_use_poll": True,
        "backlog": BACKLOG,
        "ident": None,
        "expose_tracebacks": False,
        "log_socket_errors": False,
        "clear_untrusted_proxy_headers": True,
    }
    server: Any = create_server(app, sockets=[listener], **options)
    server.channel_class = StrictChannel
    return server
