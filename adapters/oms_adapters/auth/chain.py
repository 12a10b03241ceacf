"""Several authenticators as one: a token is good if any of them verifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.errors import AuthenticationFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.ports.authentication import Authenticator, Principal


class AuthenticatorChain:
    """Asks one authenticator after the other.

    Put the one whose refusals explain most last: if none verifies the token, the caller
    is told what the last one said.
    """

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        """Keep the order; without any, every token is refused."""
        self._authenticators = tuple(authenticators)

    def authenticate(self, token: str) -> Principal:
        """Return what the first that verifies *token* says.

        Raises:
            AuthenticationFailed: none of them verifies it.
            AuthenticationUnavailable: one of them cannot tell now, and none before it could.
        """
        refusal = AuthenticationFailed("No token is accepted here; ask the operator for access.")
        for authenticator in self._authenticators:
            try:
                return authenticator.authenticate(token)
            except AuthenticationFailed as failed:
                refusal = failed
        raise refusal
