"""The authentication port: who is calling, and what may they do?"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from oms_core.domain.scope import Scope


class Role(StrEnum):
    """What a caller may do: VIEWER reads, EDITOR also writes, ADMIN everything."""

    VIEWER = "VIEWER"
    EDITOR = "EDITOR"
    ADMIN = "ADMIN"

    def includes(self, other: Role) -> bool:
        """Tell whether this role may do all that *other* may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@frozen
class Principal:
    """A caller whose token verified. The scope is the token's: the authority."""

    subject: str
    scope: Scope
    role: Role


class Authenticator(Protocol):
    """Turns a bearer token into a principal."""

    def authenticate(self, token: str) -> Principal:
        """Verify *token*.

        Raises:
            AuthenticationFailed: unknown, malformed, expired or not verifiable. The
                sentence never repeats the token.
            AuthenticationUnavailable: the keys that would tell cannot be fetched now.
        """
        ...
