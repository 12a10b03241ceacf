"""An HTTP server on a real socket whose answers get lost, late, cut, or replaced.

Knows no provider: what a request does and how it is answered is the *answer* function it is
given. A planned fault stands between that function and the wire, before or after the effect.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self, cast
from urllib.parse import parse_qsl, urlsplit

from attrs import evolve, field, frozen

_PATIENCE_S: Final = 30.0
"""How long a silent server waits for its client to give up, at most."""
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on and for no time: closing then sends RST."""
_PAGE: Final = b"<!DOCTYPE html><html><body><h1>Something went wrong</h1></body></html>"


@frozen
class HttpRequest:
    """A request as it arrived."""

    method: str
    path: str
    """Without the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = b""
    query: Mapping[str, str] = field(factory=dict)

    @property
    def form(self) -> dict[str, str]:
        """The body, if it is ``application/x-www-form-urlencoded``."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@frozen
class HttpAnswer:
    """An answer as it leaves, with ``Content-Length`` added."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=lambda: {"Content-Type": "application/json"})


class Harm(Enum):
    """What is done to an answer on the wire."""

    RESET = "the connection is reset instead"
    SILENCE = "nothing is said until the client gives up"
    CUT = "half of the body, as if that were all"
    BROKEN_OFF = "half of the body, then the connection is reset"
    REPLACED = "another answer is given instead"


@frozen
class HttpFault:
    """One thing that goes wrong with one request."""

    name: str
    harm: Harm
    executed: bool
    """Whether the request has its effect."""
    answer: HttpAnswer | None = None
    """What is answered instead, if it is ``REPLACED``."""


LOST_BEFORE: Final = HttpFault("reset_before", Harm.RESET, executed=False)
LOST_ANSWER: Final = HttpFault("reset_after", Harm.RESET, executed=True)
LATE_BEFORE: Final = HttpFault("silent_before", Harm.SILENCE, executed=False)
LATE_ANSWER: Final = HttpFault("silent_after", Harm.SILENCE, executed=True)
CUT_JSON: Final = HttpFault("cut_json", Harm.CUT, executed=True)
BROKEN_OFF: Final = HttpFault("broken_off", Harm.BROKEN_OFF, executed=True)


def answers(
    status: int,
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    *,
    executed: bool = False,
) -> HttpFault:
    """Answer with *status* and *body* instead, before the effect or after it (*executed*)."""
    when = "after" if executed else "before"
    given = {"Content-Type": "application/json", **(headers or {})}
    return HttpFault(f"{status}_{when}", Harm.REPLACED, executed, HttpAnswer(status, body, given))


def html(status: int = 200, *, executed: bool = True) -> HttpFault:
    """Answer with a page of HTML, as a gateway in between would."""
    fault = answers(status, _PAGE, {"Content-Type": "text/html"}, executed=executed)
    return evolve(fault, name=f"html_{fault.name}")


Answering = Callable[[HttpRequest], HttpAnswer]
Matching = Callable[[HttpRequest], bool]


class FaultyHttpServer:
    """Serves *answer* on a free port of 127.0.0.1, and plays the faults that are planned.

    All requests are kept in ``requests``, in order of arrival, whatever became of them.
    """

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._planned: list[tuple[HttpFault, Matching]] = []
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        self.requests: list[HttpRequest] = []
        self.after_effect: Callable[[HttpRequest], object] = lambda _: None
        """What happens between the effect of a request and its answer."""
        self.connections = 0
        """How many were opened."""
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def plan(self, fault: HttpFault, on: Matching = lambda _: True, *, times: int = 1) -> None:
        """Let the next *times* requests that *on* accepts meet *fault*."""
        with self._lock:
            self._planned += [(fault, on)] * times

    def forget_faults(self) -> None:
        """Let nothing go wrong that has not yet."""
        with self._lock:
            self._planned.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, hang up, and wait for all threads to end."""
        self._closing.set()
        self._server.shutdown()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join(10)

    def opened(self, connection: socket.socket) -> None:
        """Take note of a connection."""
        with self._lock:
            self._open.add(connection)
            self.connections += 1

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._open.discard(connection)

    def respond(self, request: HttpRequest) -> tuple[HttpAnswer | None, HttpFault | None]:
        """Have the request answered, and say what goes wrong with the answer."""
        with self._lock:
            self.requests.append(request)
            fault = self._next_fault(request)
        if fault is not None and not fault.executed:
            return fault.answer, fault
        answer = self._answer(request)
        self.after_effect(request)
        if fault is not None and fault.answer is not None:
            return fault.answer, fault
        return answer, fault

    def _next_fault(self, request: HttpRequest) -> HttpFault | None:
        for i, (fault, on) in enumerate(self._planned):
            if on(request):
                del self._planned[i]
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, owner: FaultyHttpServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _owner(self) -> FaultyHttpServer:
        return cast("_Server", self.server).owner

    def setup(self) -> None:
        super().setup()
        self._owner.opened(self.connection)

    def finish(self) -> None:
        self._owner.closed(self.connection)
        with suppress(OSError, ValueError):
            super().finish()

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the stdlib's name
        """Say nothing: what arrived is kept in ``requests``."""

    def _respond(self) -> None:
        url = urlsplit(self.path)
        request = HttpRequest(
            method=self.command,
            path=url.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
        )
        answer, fault = self._owner.respond(request)
        match fault.harm if fault else None:
            case Harm.RESET:
                self._reset()
            case Harm.SILENCE:
                self._wait_for_the_client_to_give_up()
            case Harm.CUT if answer:
                self._send(evolve(answer, body=answer.body[: len(answer.body) // 2]))
            case Harm.BROKEN_OFF if answer:
                self._send(answer, cut_at=len(answer.body) // 2)
                self._reset()
            case _ if answer:
                self._send(answer)
            case _:
                self._reset()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 - the stdlib's names

    def _send(self, answer: HttpAnswer, *, cut_at: int | None = None) -> None:
        status = HTTPStatus(answer.status)
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines += [f"Content-Length: {len(answer.body)}", "", ""]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + answer.body[:cut_at])

    def _reset(self) -> None:
        self.close_connection = True
        self._owner.closed(self.connection)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        # The files made of the socket would keep it open after ``close``.
        os.close(self.connection.detach())

    def _wait_for_the_client_to_give_up(self) -> None:
        self.close_connection = True
        self.connection.settimeout(_PATIENCE_S)
        with suppress(OSError):
            self.connection.recv(1)
