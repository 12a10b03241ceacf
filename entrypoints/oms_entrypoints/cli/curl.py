"""curl commands that can be pasted as they are."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_core.domain.scope import Scope


def curl_get(url: str, *, token: str, scope: Scope) -> str:
    """Write the command that reads *url*."""
    return _command([f"curl -sS {shlex.quote(url)}", *_headers(token, scope)])


def curl_post(
    url: str,
    body: Mapping[str, Any],
    *,
    token: str,
    scope: Scope,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Write the command that sends *body* to *url*."""
    more = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in (headers or {}).items()]
    content = [
        "-H 'Content-Type: application/json'",
        *more,
        f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
    ]
    return _command([f"curl -sS {shlex.quote(url)}", *_headers(token, scope), *content])


def _headers(token: str, scope: Scope) -> list[str]:
    return [
        f"-H {shlex.quote(f'Authorization: Bearer {token}')}",
        f"-H 'X-Tenant-ID: {scope.tenant_id}'",
        f"-H 'X-Org-ID: {scope.org_id}'",
    ]


def _command(parts: list[str]) -> str:
    return " \\\n  ".join(parts)
