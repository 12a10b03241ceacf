"""A client of the HTTP API, in as many words as a client needs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

    from oms_core.domain.scope import Scope

ORDERS: Final = "/api/v1/oms/orders"
ADJUST: Final = "/api/v1/inventory/adjust"
LEVELS: Final = "/api/v1/inventory/levels"
_TIMEOUT_S: Final = 30.0
# The server is on this machine: a proxy that the environment names is not for it.
_OPENER: Final = build_opener(ProxyHandler({}))


@frozen
class Answer:
    """What the server answered."""

    status: int
    headers: Message = field(repr=False)
    document: Any
    """``None`` if there is no body."""


@frozen
class ApiClient:
    """Sends requests for one organization of one tenant."""

    url: str
    token: str = field(repr=False)
    scope: Scope

    def get(self, path: str, *, etag: str | None = None) -> Answer:
        """Read; with *etag*, only what has changed since (else the status is 304)."""
        return self._send("GET", path, None, {"If-None-Match": etag} if etag else {})

    def post(
        self, path: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send *body* as JSON."""
        return self._send("POST", path, json.dumps(body).encode(), headers or {})

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        request = Request(  # noqa: S310 - our own server's address
            self.url + path,
            data=body,
            method=method,
            headers={
                "Authorization": f"Bearer {self.token}",
                "X-Tenant-ID": str(self.scope.tenant_id),
                "X-Org-ID": str(self.scope.org_id),
                **({"Content-Type": "application/json"} if body is not None else {}),
                **headers,
            },
        )
        try:
            with _OPENER.open(request, timeout=_TIMEOUT_S) as response:
                return _answer(response.status, response.headers, response.read())
        except HTTPError as refused:
            with refused:
                return _answer(refused.code, refused.headers, refused.read())


def _answer(status: int, headers: Message, content: bytes) -> Answer:
    return Answer(status, headers, json.loads(content) if content else None)
