"""A wire to a MongoDB server on which requests, or their answers, get lost.

It stands between driver and server, on a real socket, and understands MongoDB's messages as far
as needed: docs "MongoDB Wire Protocol". What the driver says about itself gets through.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import MongoClient

from oms_core.errors import InventoryUnavailable, OutcomeUnknown, StoreUnavailable, StoreUnusable

T = TypeVar("T")
Case = TypeVar("Case")

SIDE_BY_SIDE: Final = 8
_HEADER: Final = struct.Struct("<iiii")
_OP_MSG: Final = 2013
_ABOUT_ITSELF: Final = frozenset(
    {"hello", "ismaster", "isMaster", "ping", "endSessions", "abortTransaction", "buildInfo"}
)
_PER_ATTEMPT: Final = ("lsid", "txnNumber", "$clusterTime", "startTransaction")
_CODEC: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD
)


class Loses(Enum):
    """What gets lost."""

    NOTHING = "nothing"
    REQUESTS = "requests"
    """Before the effect."""
    ANSWERS = "answers"
    """After the effect."""


def side_by_side(live: Callable[[Case], T], cases: Iterable[Case]) -> list[T]:
    """Live each of *cases*, a few at a time: they mostly wait. Return the results in order.

    Not all at once: each keeps several threads busy, and transactions that wait for an
    interpreter are ended by the server.
    """
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        return list(threads.map(live, cases))


def with_patience(live: Callable[[int], T]) -> T:
    """Live over a wire that soon gives up; once more with more patience (ms), if that failed.

    A busy machine may be slower than the first: then more gets lost than was meant to be.
    """
    try:
        return live(100)
    except (InventoryUnavailable, OutcomeUnknown, StoreUnavailable, StoreUnusable):
        return live(400)


def patiently(call: Callable[[], T]) -> T:
    """Repeat what is answered with 503, as clients and sagas do."""
    for _ in range(10):
        with suppress(InventoryUnavailable, StoreUnavailable):
            return call()
    raise AssertionError("it stayed unavailable")


class LossyWire:
    """Listens on a port of its own, and passes on to the primary of *uri*.

    Each different command is lost the first *times* it is sent. With ``cut_after`` everything
    ends for good when that many commands have been answered, as if the process had died: its
    connections are closed, and nothing is said any more. All commands are kept in ``sent``.
    *before* hears of each command before it is passed on.
    """

    def __init__(
        self,
        uri: str,
        loses: Loses = Loses.NOTHING,
        *,
        times: int = 1,
        cut_after: int | None = None,
        before: Callable[[dict[str, Any]], None] = lambda _: None,
        patience_ms: int | None = None,
    ) -> None:
        with MongoClient[dict[str, Any]](uri) as client:
            client.admin.command("ping")
            primary = client.primary
        assert primary is not None
        self._server = primary
        self._loses = loses
        self._times = times
        self._cut_after = cut_after
        self._before = before
        self._patience_ms = patience_ms or (10_000 if loses is Loses.NOTHING else 100)
        self._arrivals: Counter[str] = Counter()
        self.answered = 0
        self._lock = threading.Lock()
        self._cut = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.sent: list[dict[str, Any]] = []
        self.lost: Counter[str] = Counter()
        """How many of each kind of command were lost."""

    @property
    def uri(self) -> str:
        """Where to connect. What gets lost is soon given up."""
        port = self._listener.getsockname()[1]
        options = f"directConnection=true&socketTimeoutMS={self._patience_ms}"
        return f"mongodb://127.0.0.1:{port}/?{options}"

    @property
    def is_cut(self) -> bool:
        """The end was reached."""
        return self._cut.is_set()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while not self._cut.is_set():
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                with self._lock:
                    self._open += [client, server]
                doomed: dict[int, bool] = {}
                self._start(self._pass_on, client, server, doomed)
                self._start(self._pass_back, server, client, doomed)

    def _pass_on(
        self, client: socket.socket, server: socket.socket, doomed: dict[int, bool]
    ) -> None:
        with suppress(OSError, EOFError):
            while True:
                number, _, message = _read(client)
                command = _command_of(message)
                name = next(iter(command), "hello")
                if name not in _ABOUT_ITSELF:
                    with self._lock:
                        self.sent.append(command)
                        is_lost = self._is_lost(name, command)
                    doomed[number] = is_lost and self._loses is Loses.ANSWERS
                    if is_lost and self._loses is Loses.REQUESTS:
                        continue
                    self._before(command)
                server.sendall(message)
        _shut(client, server)

    def _pass_back(
        self, server: socket.socket, client: socket.socket, doomed: dict[int, bool]
    ) -> None:
        with suppress(OSError, EOFError):
            while True:
                _, request, message = _read(server)
                if request in doomed:
                    with self._lock:
                        self.answered += 1
                        if self.answered == self._cut_after:
                            self._cut.set()
                    if self._cut.is_set():
                        self._end()
                        return
                    if doomed.pop(request):
                        continue
                client.sendall(message)
        _shut(client, server)

    def _is_lost(self, name: str, command: dict[str, Any]) -> bool:
        if self._loses is Loses.NOTHING:
            return False
        same = {key: value for key, value in command.items() if key not in _PER_ATTEMPT}
        if name == "commitTransaction":
            same |= {key: command[key] for key in ("lsid", "txnNumber")}
        digest = hashlib.sha256(bson.encode(same, codec_options=_CODEC)).hexdigest()
        self._arrivals[digest] += 1
        if self._arrivals[digest] > self._times:
            return False
        self.lost[name] += 1
        return True

    def _end(self) -> None:
        self._cut.set()
        _shut(self._listener, *self._open)

    def _start(self, run: Any, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _read(source: socket.socket) -> tuple[int, int, bytes]:
    """Read one message; return its number, the number of what it answers, and all its bytes."""
    header = _exactly(source, _HEADER.size)
    length, number, answers, _ = _HEADER.unpack(header)
    return number, answers, header + _exactly(source, length - _HEADER.size)


def _exactly(source: socket.socket, count: int) -> bytes:
    parts = b""
    while len(parts) < count:
        part = source.recv(count - len(parts))
        if not part:
            raise EOFError
        parts += part
    return parts


def _command_of(message: bytes) -> dict[str, Any]:
    """Read the command of an OP_MSG, the documents that were sent beside it put back in."""
    if _HEADER.unpack_from(message)[3] != _OP_MSG:
        return {}
    command: dict[str, Any] = {}
    position = _HEADER.size + 4
    while position < len(message):
        kind = message[position]
        (size,) = struct.unpack_from("<i", message, position + 1)
        section = message[position + 1 : position + 1 + size]
        if kind == 0:
            command = bson.decode(section, codec_options=_CODEC) | command
        else:
            end = section.index(b"\x00", 4)
            command[section[4:end].decode()] = list(
                bson.decode_iter(section[end + 1 :], codec_options=_CODEC)
            )
        position += 1 + size
    return command


def _shut(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
