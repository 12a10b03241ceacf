"""Static tokens for machines, kept as their hashes alone."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from oms_core.errors import AuthenticationFailed, ConfigurationError
from oms_core.ports.authentication import Principal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.scope import Scope
    from oms_core.ports.authentication import Role

_PREFIX: Final = "sha256:"
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_RANDOM_BYTES: Final = 32


@frozen
class StaticToken:
    """What a token stands for. The token itself is nowhere: only who holds it knows it."""

    hash: str = field(repr=False)
    """``sha256:`` and 64 hexadecimal digits, as ``hash_of`` makes them."""
    subject: str
    """Who is written down as the actor of what the token does."""
    scope: Scope
    role: Role


def new_token() -> str:
    """Make a token with 256 bits of chance: a plain SHA-256 of it cannot be guessed back."""
    return f"oms_{secrets.token_urlsafe(_RANDOM_BYTES)}"


def hash_of(token: str) -> str:
    """Return the form in which a token is configured."""
    return _PREFIX + _digest(token).hex()


class StaticTokenAuthenticator:
    """Knows tokens by their SHA-256.

    Every configured hash is compared, as bytes and in constant time, so that the time an
    answer takes says neither whether a token came close nor which one it was.
    """

    def __init__(self, tokens: Sequence[StaticToken]) -> None:
        """Read the hashes.

        Raises:
            ConfigurationError: a hash is none, or is given twice.
        """
        mistakes = [
            f"The hash of static token {token.subject!r} must be sha256: and 64 hexadecimal digits."
            for token in tokens
            if _HASH.fullmatch(token.hash) is None
        ]
        if len({token.hash for token in tokens}) < len(tokens):
            mistakes.append("Two static tokens have the same hash; give each client its own token.")
        if mistakes:
            raise ConfigurationError(mistakes)
        self._known = tuple(
            (
                bytes.fromhex(token.hash.removeprefix(_PREFIX)),
                Principal(token.subject, token.scope, token.role),
            )
            for token in tokens
        )

    def authenticate(self, token: str) -> Principal:
        """Find who holds *token*.

        Raises:
            AuthenticationFailed: nobody does.
        """
        digest = _digest(token)
        holder = None
        for known, principal in self._known:
            if hmac.compare_digest(known, digest):
                holder = principal
        if holder is None:
            raise AuthenticationFailed("The token is not known; check it, or ask for a new one.")
        return holder


def _digest(token: str) -> bytes:
    # Whatever a header or a program may hold, lone surrogates included, has a digest.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
