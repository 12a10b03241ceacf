"""One HTTP connection to an endpoint: to a checked address, for a bounded time."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from typing import Final

from attrs import frozen

from oms_adapters.publisher.webhook.addresses import fit
from oms_adapters.publisher.webhook.deadlines import Deadlines
from oms_adapters.publisher.webhook.resolver import Resolver

ANSWER_MAX_BYTES: Final = 1_024
"""More of an answer's body is not read; the connection ends there."""


@frozen
class Origin:
    """Where connections go: what of a URL decides whether one can be used again."""

    is_tls: bool
    host: str
    port: int


@frozen
class Answer:
    """What of an answer matters."""

    status: int
    retry_after: str | None
    is_reusable: bool


class EndpointConnection(HTTPConnection):
    """Connects to addresses that were checked after the name was resolved.

    TLS is verified against the name. Socket time-outs begin anew with every byte, so an endpoint
    that sends one byte now and then could hold a thread for hours: an alarm of our own cuts the
    connection when the whole exchange has had its time.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        allow_private: bool,
        deadlines: Deadlines,
        resolver: Resolver,
    ) -> None:
        super().__init__(origin.host, origin.port, timeout=timeout_s)
        self._origin = origin
        self._tls = tls
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._deadlines = deadlines
        self._resolver = resolver
        self._ends_at = 0.0
        self.was_cut = False

    def connect(self) -> None:
        """Connect to the first address that answers."""
        origin = self._origin
        left_s = self._ends_at - time.monotonic()
        addresses = self._resolver.addresses(origin.host, origin.port, timeout_s=left_s)
        plain = self._connected(fit(addresses, allow_private=self._allow_private))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = plain
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(plain, server_hostname=origin.host)

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Post *body* and return the answer.

        Raises:
            OSError: the endpoint cannot be reached, or did not answer in time (``was_cut``).
            HTTPException: what it answered is not HTTP.
        """
        self._ends_at = time.monotonic() + self._timeout_s
        with self._deadlines.until(self._ends_at, self):
            self.request("POST", target, body=body, headers=dict(headers))
            answer = self.getresponse()
            with suppress(OSError, HTTPException):  # the status says it all
                answer.read(ANSWER_MAX_BYTES)
            is_reusable = answer.isclosed() and not answer.will_close and not self.was_cut
            return Answer(answer.status, answer.getheader("Retry-After"), is_reusable)

    def _connected(self, addresses: Sequence[str]) -> socket.socket:
        failure = OSError("no address")
        for address in addresses:
            left_s = max(0.001, self._ends_at - time.monotonic())
            try:
                return socket.create_connection((address, self._origin.port), left_s)
            except OSError as error:
                failure = error
        raise failure

    def cut(self) -> None:
        """End the exchange from another thread."""
        self.was_cut = True
        sock = self.sock
        if sock is not None:
            with suppress(OSError):  # it may be gone already
                sock.shutdown(socket.SHUT_RDWR)
