"""A subscriber's endpoint that does nothing but answer; under ``/hang`` it never does."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import BufferedReader

HANG: Final = "/hang"
_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_LENGTH: Final = b"content-length:"


def main() -> None:
    """Serve on a free port, which is told on standard output, until the process is ended."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError), connection, connection.makefile("rb") as requests:
        while first := requests.readline():
            _skip_rest(requests)
            if first.split()[1].startswith(HANG.encode()):
                threading.Event().wait()
            connection.sendall(_ANSWER)


def _skip_rest(requests: BufferedReader) -> None:
    length = 0
    while (line := requests.readline()) not in {b"\r\n", b""}:
        if line.lower().startswith(_LENGTH):
            length = int(line[len(_LENGTH) :])
    requests.read(length)


if __name__ == "__main__":
    main()
