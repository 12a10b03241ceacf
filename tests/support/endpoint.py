"""A subscriber's endpoint: a real HTTP server on the loopback that does as it is told."""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from attrs import frozen

PATIENCE_S = 30.0


@frozen
class Delivery:
    """What came, whether it was taken or not."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = orjson.loads(self.body)
        return event


class Endpoint:
    """Answers 204 unless a behaviour says otherwise; remembers everything it received.

    A behaviour is told of each delivery and returns a status, or one of the words below.
    """

    HANG = "hang"
    """Answer nothing until the test ends."""
    DRIP = "drip"
    """Send one byte of an answer now and then, for ever."""
    DROP = "drop"
    """Do the work, and close the connection without an answer."""
    FLOOD = "flood"
    """Answer 204's cousin 200 with a body that never ends."""

    def __init__(self) -> None:
        self.received: list[Delivery] = []
        self.behaviour: Callable[[Delivery], int | str] = lambda _: 204
        self.headers: dict[str, str] = {}
        self.hangs_up = False
        """Close every connection after the answer, without saying so."""
        self.released = threading.Event()
        self.connections = 0
        self._lock = threading.Lock()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with endpoint._lock:
                    endpoint.connections += 1

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    self.close_connection = True
                    return  # the sender was killed in the middle of it
                headers = {name.lower(): value for name, value in self.headers.items()}
                delivery = Delivery(headers, body)
                with endpoint._lock:
                    endpoint.received.append(delivery)
                answer = endpoint.behaviour(delivery)
                hangs_up = endpoint.hangs_up
                if isinstance(answer, int):
                    self.send_response(answer)
                    for name, value in endpoint.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    self.close_connection = hangs_up
                    return
                self.close_connection = True
                with suppress(OSError):
                    endpoint._misbehave(answer, self.connection)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
                """Say nothing."""

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        self.port = int(self._server.server_port)
        self.url = f"http://127.0.0.1:{self.port}/hooks?shop=7"

    def script(self, *answers: int | str) -> None:
        """Answer with these, one after the other, and then 204."""
        left = deque(answers)
        self.behaviour = lambda _: left.popleft() if left else 204

    @property
    def events(self) -> list[dict[str, Any]]:
        return [delivery.event for delivery in self.received]

    @property
    def positions_by_order(self) -> dict[str | None, list[int]]:
        """The sequences that came, by order, repeats left out; those of no order under ``None``."""
        found: dict[str | None, list[int]] = {}
        for event in self.events:
            sequences = found.setdefault(event["order_id"], [])
            if event["sequence"] not in sequences:
                sequences.append(event["sequence"])
        return found

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _misbehave(self, word: str, connection: socket.socket) -> None:
        if word == self.HANG:
            self.released.wait(PATIENCE_S)
        elif word == self.DRIP:
            for byte in b"HTTP/1.1 204 No Content\r\n" + b"x" * 1_000:
                connection.sendall(bytes([byte]))
                if self.released.wait(0.05):
                    return
        elif word == self.FLOOD:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while not self.released.is_set():
                connection.sendall(b"x" * 65_536)


class _QuietServer(ThreadingHTTPServer):
    """A server whose clients may be killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that broke."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def an_endpoint() -> Iterator[Endpoint]:
    """Run one for the length of a ``with`` block."""
    endpoint = Endpoint()
    try:
        yield endpoint
    finally:
        endpoint.close()
