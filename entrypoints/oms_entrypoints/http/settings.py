"""Everything about the HTTP server that an operator may want to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

BODY_BYTES_MAX: Final = 1_048_576
WsgiApp: TypeAlias = "WSGIApplication"
WsgiServer: TypeAlias = Literal["waitress", "granian"]


@frozen
class HttpSettings:
    """How the server listens, and what it refuses; the defaults suit one machine.

    The values are checked where they are read from: the configuration.
    """

    host: str = "127.0.0.1"
    """Address to listen on; ``0.0.0.0`` for every network."""
    port: int = 8080
    """0 means any free one: ask the running server which."""
    threads: int = 16
    """Requests answered at once. 16 feed a store with group commit better than 4."""
    wsgi: WsgiServer = "waitress"
    body_limit_bytes: int = BODY_BYTES_MAX
    """A larger request body gets a 413."""
    rate_limit: str | None = None
    """Requests per tenant and process, such as ``600/minute``; ``None``: as many as they like."""
    stop_timeout_s: float = 10.0
    """How long a stop waits for requests that are being answered."""
    connection_limit: int = 1_000
    """Open connections. Idle ones count, so a low limit lets slow clients shut everybody out."""
    idle_timeout_s: float = 20.0
    """A connection without any traffic for so long is closed."""
    header_limit_bytes: int = 32_768
    """Longer headers, the request line included, get a 431."""
    access_log: bool = True
    """Whether each request is logged, once, after its answer was made."""
