"""What a token says, once its signature has verified."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from attrs import field, frozen

from oms_core.domain.scope import Scope
from oms_core.errors import AuthenticationFailed
from oms_core.ports.authentication import Principal, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECT_CHARS_MAX: Final = 255
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@frozen
class ClaimNames:
    """Which claims hold the caller's tenant, organization, role and name."""

    tenant: str = "tenant_id"
    org: str = "org_id"
    role: str = "role"
    subject: str = "sub"
    """May be missing in a token; its caller is then ``unnamed``."""


@frozen
class Verified:
    """A token whose signature and fixed claims are good; only time can spoil it."""

    principal: Principal
    expires_at_s: float
    """Seconds since 1970, as all of a token's times."""
    not_before_s: float = field(default=-math.inf)


def read_claims(claims: Mapping[str, Any], names: ClaimNames) -> Verified:
    """Read what a verified token says.

    Raises:
        AuthenticationFailed: a claim is missing or is not of its form.
    """
    return Verified(
        Principal(
            subject=_subject(claims.get(names.subject, "unnamed"), names.subject),
            scope=Scope(_uuid(claims, names.tenant), _uuid(claims, names.org)),
            role=_role(claims, names.role),
        ),
        expires_at_s=_instant(claims, "exp"),
        not_before_s=_instant(claims, "nbf") if "nbf" in claims else -math.inf,
    )


def _uuid(claims: Mapping[str, Any], name: str) -> UUID:
    value = claims.get(name)
    if isinstance(value, str) and _UUID.fullmatch(value):
        return UUID(value)
    raise _wrong(name, "must be a UUID")


def _role(claims: Mapping[str, Any], name: str) -> Role:
    value = claims.get(name)
    if isinstance(value, str) and value in Role.__members__:
        return Role[value]
    raise _wrong(name, f"must be one of {', '.join(Role)}")


def _subject(value: object, name: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= SUBJECT_CHARS_MAX and value.isprintable():
        return value
    raise _wrong(name, f"must be text of 1 to {SUBJECT_CHARS_MAX} printable characters")


def _instant(claims: Mapping[str, Any], name: str) -> float:
    """Read a time. NaN, which JSON readers let through, would never be over."""
    value = claims.get(name)
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < float(1 << 53)
    ):
        return float(value)
    raise _wrong(name, "must be a time in seconds since 1970")


def _wrong(name: str, what: str) -> AuthenticationFailed:
    return AuthenticationFailed(f'The token\'s claim "{name}" {what}; ask for a new token.')
