"""waitress, stricter about what may be smuggled past it, and with problems instead of plain text.

What a proxy in front and the server behind it read differently is how requests are smuggled
(RFC 9112, 11.2). waitress 3.0 lets some of it pass; here it is refused, and the connection
closed, before the application sees anything.
"""

from __future__ import annotations

import os
from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask

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
        request_id = os.urandom(16).hex()
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


class StrictChannel(HTTPChannel):
    """A connection that uses both."""

    parser_class = StrictParser
    error_task_class = ProblemTask
