"""What every request passes, once on the way in and once on the way out.

In: a request id; then, for all but the public addresses, the token, the scope that the headers
name, the role and the tenant's rate. Out: the headers that every answer has, one log line, the
figures. This is on the path of every order, so it does nothing twice.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from oms_core.errors import InvalidInput, Mistake, PermissionDenied
from oms_core.ports.authentication import Role
from oms_entrypoints.http.headers import bearer_token_of, request_id_of, uuid_of
from oms_entrypoints.http.metrics import UNMATCHED
from oms_entrypoints.http.problems import Refusal

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.ports.authentication import Authenticator, Principal
    from oms_entrypoints.http.metrics import Metrics
    from oms_entrypoints.http.rate_limit import RateLimit
    from oms_entrypoints.http.resource import Resource

_ALLOWED: Final = {
    needed: frozenset(role for role in Role if role.includes(needed)) for needed in Role
}


class Gate:
    """Falcon middleware; see above."""

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: Metrics,
        *,
        rate_limit: RateLimit | None,
        access_log: bool,
    ) -> None:
        """Take what decides; the log's configuration at this moment is the one that counts."""
        self._authenticator = authenticator
        self._metrics = metrics
        self._rate_limit = rate_limit
        self._log = structlog.get_logger().bind() if access_log else None

    def process_request(self, req: Request, resp: Response) -> None:  # noqa: ARG002 - Falcon's
        """Name the request and look at the clock."""
        context = req.context
        context.started_at = perf_counter()
        context.request_id = request_id_of(req.env.get("HTTP_X_REQUEST_ID"))
        context.principal = context.code = None

    def process_resource(
        self,
        req: Request,
        resp: Response,  # noqa: ARG002 - Falcon's
        resource: object,
        params: dict[str, Any],  # noqa: ARG002 - Falcon's
    ) -> None:
        """Let the request in, or refuse it.

        A method that the resource does not know is not judged here: it gets a 405.
        """
        needed = cast("Resource", resource).permits.get(req.method)
        if needed is not None:
            self._admit(req, needed)

    def process_response(
        self,
        req: Request,
        resp: Response,
        resource: object,  # noqa: ARG002 - Falcon's
        req_succeeded: bool,  # noqa: ARG002, FBT001 - Falcon's
    ) -> None:
        """Finish the answer, count it and log it."""
        context = req.context
        resp.set_headers(
            {
                "X-Request-ID": context.request_id,
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "no-store",
            }
        )
        duration_s = perf_counter() - context.started_at
        route = req.uri_template or UNMATCHED
        status = resp.status_code
        self._metrics.answered(req.method, route, status, duration_s)
        if self._log is not None:
            principal: Principal | None = context.principal
            self._log.info(
                "request",
                method=req.method,
                route=route,
                status=status,
                duration_ms=round(duration_s * 1_000, 3),
                request_id=context.request_id,
                tenant_id=None if principal is None else str(principal.scope.tenant_id),
                code=context.code,
            )

    def _admit(self, req: Request, needed: Role) -> None:
        env = req.env
        principal = self._authenticator.authenticate(bearer_token_of(env.get("HTTP_AUTHORIZATION")))
        scope = principal.scope
        tenant_id = uuid_of(env.get("HTTP_X_TENANT_ID"))
        org_id = uuid_of(env.get("HTTP_X_ORG_ID"))
        if tenant_id is None or org_id is None:
            raise InvalidInput(
                tuple(
                    Mistake(f"/{name}", "is a required header and must be a UUID")
                    for name, value in (("X-Tenant-ID", tenant_id), ("X-Org-ID", org_id))
                    if value is None
                )
            )
        if tenant_id != scope.tenant_id or org_id != scope.org_id:
            raise PermissionDenied(
                "The token is for another tenant or organization than the headers name."
            )
        if principal.role not in _ALLOWED[needed]:
            raise PermissionDenied(
                f"The token's role is {principal.role}; this needs {needed} or above."
            )
        req.context.principal = principal
        if self._rate_limit is not None:
            wait_s = self._rate_limit.refused_for_s(scope.tenant_id)
            if wait_s is not None:
                raise Refusal(429, headers={"Retry-After": str(wait_s)})
