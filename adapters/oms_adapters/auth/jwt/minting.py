"""Makes tokens with a shared secret: for operators, demonstrations and tests."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt

from oms_adapters.auth.jwt.claims import ClaimNames
from oms_adapters.auth.jwt.keys import Algorithm

if TYPE_CHECKING:
    from datetime import datetime

    from oms_core.ports.authentication import Principal


def mint_token(
    secret: bytes,
    principal: Principal,
    *,
    now: datetime,
    lifetime_s: float,
    issuer: str | None = None,
    audience: str | None = None,
    claims: ClaimNames | None = None,
) -> str:
    """Make an HS256 token for *principal* that is good for *lifetime_s* seconds from *now*."""
    names = claims or ClaimNames()
    content: dict[str, Any] = {
        names.subject: principal.subject,
        names.tenant: str(principal.scope.tenant_id),
        names.org: str(principal.scope.org_id),
        names.role: principal.role.value,
        "iat": now,
        "exp": now + timedelta(seconds=lifetime_s),
    }
    if issuer is not None:
        content["iss"] = issuer
    if audience is not None:
        content["aud"] = audience
    return jwt.encode(content, secret, algorithm=Algorithm.HS256)
