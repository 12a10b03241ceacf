"""Listens on an address, or says in one sentence why that is not possible."""

from __future__ import annotations

import errno
import socket
from typing import Final

from oms_core.errors import ConfigurationError

BACKLOG: Final = 1_024
"""How many connections the system keeps until they are accepted."""


def listen(host: str, port: int) -> socket.socket:
    """Bind the one address that *host* and *port* mean.

    Raises:
        ConfigurationError: one sentence that says what to do.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # At once: two processes can bind a port that neither listens on yet.
        listener.listen(BACKLOG)
    except (OSError, UnicodeError, OverflowError) as refused:
        if listener is not None:
            listener.close()
        raise ConfigurationError([_sentence(host, port, refused)]) from None
    return listener


def _sentence(host: str, port: int, refused: Exception) -> str:
    number = getattr(refused, "errno", None)
    if number == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use; stop the other program, or choose another port "
            "(0 takes any free one)."
        )
    if number in {errno.EACCES, errno.EPERM}:
        return f"Port {port} on {host} may not be used by this user; choose one above 1023."
    return f"{host} port {port} cannot be listened on ({refused}); correct host and port."


def url_of(host: str, port: int) -> str:
    """Return where a server on *host* answers, as a program on this machine would call it."""
    nearest = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{nearest}]:{port}" if ":" in nearest else f"http://{nearest}:{port}"
