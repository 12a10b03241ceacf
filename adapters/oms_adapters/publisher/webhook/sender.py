"""The webhook sender port over HTTP/1.1."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from http.client import HTTPException
from typing import Final
from urllib.parse import SplitResult, urlsplit

from oms_adapters.publisher.webhook.addresses import ForbiddenAddress, is_forbidden_literal
from oms_adapters.publisher.webhook.connection import Answer, EndpointConnection, Origin
from oms_adapters.publisher.webhook.deadlines import Deadlines
from oms_adapters.publisher.webhook.resolver import LookUp, NotResolvedInTime, Resolver, look_up
from oms_core.ports.webhook_sender import Attempt, AttemptOutcome

IDLE_MAX_S: Final = 15.0
"""How long an unused connection is kept; most servers keep theirs longer."""
IDLE_PER_ORIGIN_MAX: Final = 4
_SECONDS: Final = re.compile(r"[0-9]{1,6}", re.ASCII)
_OK: Final = range(200, 300)
_REDIRECT: Final = range(300, 400)
_GONE: Final = 410


class HttpWebhookSender:
    """Posts to endpoints; implements ``WebhookSender``. Safe to use from any thread.

    ``allow_private`` also lets it connect to private, loopback and link-local addresses, and
    ``allow_http`` to plain HTTP: for tests, and for endpoints in one's own network. Proxies of
    the environment are not used: they would resolve names themselves, unchecked.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        allow_http: bool = False,
        allow_private: bool = False,
        tls: ssl.SSLContext | None = None,
        look_up: LookUp = look_up,
    ) -> None:
        self._timeout_s = timeout_s
        self._allow_http = allow_http
        self._allow_private = allow_private
        self._tls = tls
        self._deadlines = Deadlines()
        self._resolver = Resolver(look_up)
        self._lock = threading.Lock()
        self._idle: defaultdict[Origin, list[tuple[float, EndpointConnection]]] = defaultdict(list)

    def mistake_in(self, url: str) -> str | None:
        """Say what is wrong with *url*; see ``WebhookSender.mistake_in``."""
        try:
            parts = urlsplit(url)
            port, host = parts.port, parts.hostname
        except ValueError:
            return "is not a URL"
        if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
            return "must have only printable ASCII characters; write others as %-escapes"
        if parts.scheme != "https" and not (self._allow_http and parts.scheme == "http"):
            return "must begin with https://"
        if not host or port == 0:
            return "must name a host, and a port above 0 if any"
        if parts.username is not None or parts.password is not None:
            return "must not hold a user or a password; messages are signed instead"
        if parts.fragment:
            return "must not have a fragment (#)"
        if not self._allow_private and is_forbidden_literal(host):
            return "must name a host with a public address"
        return None

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Post *body*; see ``WebhookSender.send``."""
        wrong = self.mistake_in(url)
        if wrong is not None:
            # The configuration may have become stricter since the subscription was made.
            return _not_taken(f"the URL {wrong}")
        parts = urlsplit(url)
        origin = _origin_of(parts)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        idle = self._idle_connection(origin)
        connection = idle or self._new_connection(origin)
        try:
            try:
                answer = connection.post(target, headers, body)
            except (ConnectionError, HTTPException):
                if idle is None or connection.was_cut:
                    raise
                # The endpoint closed it while it was idle.
                connection.close()
                connection = self._new_connection(origin)
                answer = connection.post(target, headers, body)
        except (OSError, HTTPException, ValueError) as error:
            connection.close()
            return _not_taken(self._sentence(error, connection, origin))
        if answer.is_reusable:
            self._keep(origin, connection)
        else:
            connection.close()
        return _verdict(answer)

    def close(self) -> None:
        """Close idle connections; see ``WebhookSender.close``."""
        with self._lock:
            idle = [connection for each in self._idle.values() for _, connection in each]
            self._idle.clear()
        for connection in idle:
            connection.close()
        self._deadlines.close()

    # ------------------------------------------------------------------------------------

    def _new_connection(self, origin: Origin) -> EndpointConnection:
        return EndpointConnection(
            origin,
            tls=self._tls_context() if origin.is_tls else None,
            timeout_s=self._timeout_s,
            allow_private=self._allow_private,
            deadlines=self._deadlines,
            resolver=self._resolver,
        )

    def _tls_context(self) -> ssl.SSLContext:
        """Read the system's certificates once, and only where there is somebody to send to."""
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return self._tls

    def _idle_connection(self, origin: Origin) -> EndpointConnection | None:
        now = time.monotonic()
        with self._lock:
            idle = self._idle.get(origin, [])
            while idle:
                since, connection = idle.pop()
                if now - since < IDLE_MAX_S:
                    return connection
                connection.close()
            self._idle.pop(origin, None)
        return None

    def _keep(self, origin: Origin, connection: EndpointConnection) -> None:
        now = time.monotonic()
        with self._lock:
            idle = self._idle[origin]
            if len(idle) < IDLE_PER_ORIGIN_MAX:
                idle.append((now, connection))
                return
        connection.close()

    def _sentence(self, error: Exception, connection: EndpointConnection, origin: Origin) -> str:
        """Say what happened without the system's words, which may say too much of us."""
        if isinstance(error, NotResolvedInTime):
            return f"{origin.host} could not be resolved within {self._timeout_s:g} s"
        if connection.was_cut or isinstance(error, TimeoutError):
            return f"no whole answer within {self._timeout_s:g} s"
        match error:
            case ForbiddenAddress():
                return f"{origin.host} has an address that is not public"
            case socket.gaierror():
                return f"{origin.host} cannot be resolved"
            case ssl.SSLCertVerificationError():
                return f"the certificate of {origin.host} cannot be verified"
            case ssl.SSLError():
                return f"no TLS with {origin.host}"
            case ConnectionRefusedError():
                return f"{origin.host} refuses connections at port {origin.port}"
            case ConnectionError():
                return "the connection ended before the answer"
            case HTTPException():
                return "the answer was not HTTP, or the connection ended before it"
            case _:
                return f"{origin.host} cannot be reached"


def _origin_of(parts: SplitResult) -> Origin:
    is_tls = parts.scheme == "https"
    return Origin(is_tls, parts.hostname or "", parts.port or (443 if is_tls else 80))


def _verdict(answer: Answer) -> Attempt:
    status = answer.status
    if status in _OK:
        return Attempt(AttemptOutcome.TAKEN)
    if status == _GONE:
        return Attempt(AttemptOutcome.GONE, f"answered {status}")
    if status in _REDIRECT:
        return _not_taken(f"answered {status}; redirects are not followed")
    asked = answer.retry_after or ""
    retry_after_s = float(asked) if _SECONDS.fullmatch(asked) else None
    return Attempt(AttemptOutcome.NOT_TAKEN, f"answered {status}", retry_after_s)


def _not_taken(error: str) -> Attempt:
    return Attempt(AttemptOutcome.NOT_TAKEN, error)
