"""The clients of an HTTP load, all in one thread: cheap, so that the server is what is measured."""

from __future__ import annotations

import re
import selectors
import socket
import sys
import time
from statistics import median, quantiles
from typing import Any, Final

from benchmarks.child import answer, arguments_of_child
from benchmarks.order_body import BODY_BYTES, OrderBody

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEADERS_END: Final = b"\r\n\r\n"
_CREATED: Final = b"HTTP/1.1 201 "
_SILENCE_MAX_S: Final = 30.0


class Client:
    """One connection: a request out, its answer in, and again."""

    def __init__(self, port: int, head: bytes) -> None:
        """Connect."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_SILENCE_MAX_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._head = head
        self._received = b""
        self.sent_at = 0.0

    def send(self, body: bytes) -> None:
        """Send one request; it fits into the socket's buffer, which is empty."""
        request = self._head + body
        sent = self.socket.send(request)
        assert sent == len(request), "a request must go out at once"
        self.sent_at = time.perf_counter()

    def is_answered(self) -> bool:
        """Receive; tell whether the whole answer is there."""
        received = self.socket.recv(65_536)
        if not received:
            sys.exit("the server closed a connection")
        self._received += received
        headers, end, body = self._received.partition(_HEADERS_END)
        if not end:
            return False
        length = _LENGTH.search(headers)
        if length is None:
            sys.exit(f"an answer without a length: {headers.decode(errors='replace')}")
        if len(body) < int(length[1]):
            return False
        if not headers.startswith(_CREATED):
            sys.exit(f"not a 201: {self._received.decode(errors='replace')}")
        self._received = b""
        return True


def main() -> None:
    """Send orders for as long, or as many, as asked; answer with what came of it."""
    asked = arguments_of_child()
    head = _head(asked)
    body = OrderBody()
    clients = [Client(asked["port"], head) for _ in range(asked["clients"])]
    selector = selectors.DefaultSelector()
    most = asked["orders"] or sys.maxsize
    started, accepted = 0, 0
    waits: list[float] = []
    began = time.perf_counter() + asked["warm_up_s"]
    ends = began + asked["seconds"] if asked["orders"] is None else float("inf")
    busy_before: float | None = None
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
        if started < most:
            started += 1
            client.send(body.numbered(started))
    last = began
    while accepted < started:
        ready = selector.select(_SILENCE_MAX_S)
        if not ready:
            sys.exit(f"no answer for {_SILENCE_MAX_S:.0f} seconds")
        for key, _ in ready:
            client = key.data
            if not client.is_answered():
                continue
            now = time.perf_counter()
            accepted += 1
            if began <= now < ends:
                if busy_before is None:
                    busy_before = time.process_time()
                waits.append(now - client.sent_at)
                last = now
            if now < ends and started < most:
                started += 1
                client.send(body.numbered(started))
    seconds = (ends if asked["orders"] is None else last) - began
    assert waits, "nothing was answered after the warm-up"
    answer(
        {
            "answered": len(waits),
            "seconds": seconds,
            "accepted": accepted,
            "p50_ms": median(waits) * 1e3,
            "p99_ms": (quantiles(waits, n=100)[-1] if len(waits) > 1 else waits[0]) * 1e3,
            "busy": (time.process_time() - (busy_before or 0.0)) / seconds,
        }
    )


def _head(asked: dict[str, Any]) -> bytes:
    lines = [
        f"POST {asked['path']} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {BODY_BYTES}",
        *(f"{name}: {value}" for name, value in asked["headers"].items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


if __name__ == "__main__":
    main()
