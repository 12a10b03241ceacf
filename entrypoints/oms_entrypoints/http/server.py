"""Serves an application over HTTP, with the WSGI server that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from oms_core.errors import ConfigurationError
from oms_entrypoints.http.listener import listen
from oms_entrypoints.http.settings import HttpSettings
from oms_entrypoints.http.waitress_server import WaitressServer

if TYPE_CHECKING:
    from oms_entrypoints.http.settings import WsgiApp


class RunningServer(Protocol):
    """A server that is listening and answering, in threads of its own."""

    @property
    def port(self) -> int:
        """The port it really listens on."""
        ...

    @property
    def url(self) -> str:
        """Where it answers, as a program on this machine would call it."""
        ...

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has stopped; ``False`` if it has not after *timeout_s* seconds."""
        ...

    def stop(self, timeout_s: float | None = None) -> bool:
        """Stop listening, answer what was asked, close; ``True`` if all of it ended in time.

        Requests that have begun are answered if they are complete within *timeout_s* seconds
        (default: the settings'); what is not is cut off. Repeatable, from any thread but the
        server's own.
        """
        ...


def serve(app: WsgiApp, settings: HttpSettings | None = None) -> RunningServer:
    """Serve *app* in threads of its own; it is listening when this returns.

    Raises:
        ConfigurationError: the address cannot be listened on, e.g. because the port is in use,
            or the server that the settings name is not installed.
    """
    settings = settings or HttpSettings()
    if settings.wsgi == "granian":
        return _granian(app, settings)
    return WaitressServer(app, settings, listen(settings.host, settings.port))


def _granian(app: WsgiApp, settings: HttpSettings) -> RunningServer:
    try:
        # Only here: an extra that most do without.
        from oms_entrypoints.http.granian_server import GranianServer  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            ["The WSGI server granian is not installed; install oms-core[granian]."]
        ) from None
    return GranianServer(app, settings, listen(settings.host, settings.port))
