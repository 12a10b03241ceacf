"""waitress, stricter about what may be smuggled past it, and with problems instead of plain text.

What a proxy in front and the server behind it read differently is how requests are smuggled
(RFC 9112, 11.2). waitress 3.0 lets some of it pass; here it is refused, and the connection
closed, before the application sees anything.
"""

from __future__ import annotations

from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask

from oms_entrypoints.http.headers import new_request_id
from oms_entrypoints.http.problems import PROBLEM_TYPE, problem_of_status, title_of

_FOLDED: Final = (b"\r\n ", b"\r\n\t")


class StrictParser(HTTPRequestParser):
    """Refuses what two readers could read in two ways."""

    def parse_header(self, header_plus: bytes) -> None:
        """Parse, then judge.

        Raises:
            ParsingError: answered with a 400; the connection is closed.
        """
        if any(fold in header_plus for fold in _FOLDED):
            raise ParsingError("A header is folded over several lines")
        try:
            super().parse_header(header_plus)
        except ValueError as wrong:
            # An address or a length that Python's own readers choke on.
            raise ParsingError("The request line or a length is invalid") from wrong
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding are both given")
        if self.version == "1.0" and "TRANSFER_ENCODING" in self.headers:
            raise ParsingError("Transfer-Encoding is not part of HTTP/1.0")
        host = self.headers.get("HOST")
        if self.version == "1.1" and (host is None or "," in host):
            raise ParsingError("There must be one Host")


class ProblemTask(ErrorTask):
    """Answers what never reaches the application, in the application's form."""

    # waitress' published types say something else than its code.
    request: Any
    response_headers: Any

    def execute(self) -> None:
        """Send a problem with the status that waitress chose, and close."""
        error = self.request.error
        status = 500 if error is None else error.code
        request_id = new_request_id()
        body = problem_of_status(status).to_json(request_id)
        self.status = f"{status} {title_of(status)}"
        self.response_headers.extend(
            [
                ("Content-Type", PROBLEM_TYPE),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Request-ID", request_id),
            ]
        )
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class WholeTask(WSGITask):
    """Sends the head of an answer with the first piece of its body, not before it.

    Two pieces are two calls of the system, and after each the thread queues for Python's lock.
    """

    channel: Any

    def write(self, data: bytes) -> None:
        """Send *data*, and before it the head if that has not been sent."""
        if self.wrote_header:
            super().write(data)
            return
        channel, gathered = self.channel, _Gathering(self.channel)
        self.channel = gathered
        try:
            super().write(data)
        finally:
            self.channel = channel
        channel.write_soon(b"".join(gathered.pieces))


class _Gathering:
    """A connection that keeps what is written to it."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self.pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def write_soon(self, piece: bytes) -> int:
        self.pieces.append(piece)
        return len(piece)


class StrictChannel(HTTPChannel):
    """A connection that uses all of them."""

    parser_class = StrictParser
    task_class = WholeTask
    error_task_class = ProblemTask
