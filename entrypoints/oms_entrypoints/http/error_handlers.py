"""Turns whatever is raised while a request is answered into a problem, and logs what we broke."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import falcon
import structlog

from oms_core.errors import OmsError
from oms_entrypoints.http.problems import (
    PROBLEM_TYPE,
    Problem,
    Refusal,
    problem_of,
    problem_of_refusal,
    problem_of_status,
)

if TYPE_CHECKING:
    from falcon import App, Request, Response
    from structlog.typing import FilteringBoundLogger


class ErrorHandlers:
    """Falcon's error handlers; the framework takes the one for the nearest class."""

    def __init__(self) -> None:
        """Keep a log for what is our fault."""
        self._log: FilteringBoundLogger = structlog.get_logger().bind()

    def add_to(self, app: App[Request, Response]) -> None:
        """Handle everything that *app* may raise."""
        app.add_error_handler(Exception, self.unexpected)
        app.add_error_handler(falcon.HTTPError, self.from_framework)
        app.add_error_handler(Refusal, self.refusal)
        app.add_error_handler(OmsError, self.from_core)

    def from_core(self, req: Request, resp: Response, error: OmsError, _: dict[str, Any]) -> None:
        """Answer with the status that the table says; log trouble of ours."""
        problem = problem_of(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._log.error(
                "request failed",
                request_id=req.context.request_id,
                code=error.code,
                reason=getattr(error, "reason", None),
                exc_info=error,
            )
        _send(req, resp, problem)

    def refusal(self, req: Request, resp: Response, error: Refusal, _: dict[str, Any]) -> None:
        """Answer with the refusal's own status."""
        _send(req, resp, problem_of_refusal(error))

    def from_framework(
        self, req: Request, resp: Response, error: falcon.HTTPError, _: dict[str, Any]
    ) -> None:
        """Answer with the framework's status and headers, in our form and words."""
        # Pairs or a mapping: what a framework's error came with, made one thing.
        headers: dict[str, str] = {}
        headers.update(error.headers or {})
        _send(req, resp, problem_of_status(error.status_code, headers))

    def unexpected(self, req: Request, resp: Response, error: Exception, _: dict[str, Any]) -> None:
        """Answer that the server is to blame, and tell only the log why."""
        self._log.error("unexpected error", request_id=req.context.request_id, exc_info=error)
        _send(req, resp, problem_of_status(HTTPStatus.INTERNAL_SERVER_ERROR))


def _send(req: Request, resp: Response, problem: Problem) -> None:
    req.context.code = problem.code
    resp.status = problem.status
    resp.content_type = PROBLEM_TYPE
    resp.set_headers(dict(problem.headers))
    resp.data = problem.to_json(req.context.request_id)
