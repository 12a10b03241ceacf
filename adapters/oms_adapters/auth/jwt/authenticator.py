"""Verifies JSON Web Tokens, and remembers the ones it has verified."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import jwt
from jwt.exceptions import (
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidKeyError,
    MissingRequiredClaimError,
    PyJWTError,
)

from oms_adapters.auth.jwt.claims import ClaimNames, Verified, read_claims
from oms_core.errors import AuthenticationFailed, ConfigurationError
from oms_core.ports.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_adapters.auth.jwt.keys import KeySource, VerificationKey
    from oms_core.ports.authentication import Principal
    from oms_core.ports.clock import Clock

TOKEN_CHARS_MAX: Final = 8_192
LEEWAY_S_MAX: Final = 60.0
REMEMBERED_MAX: Final = 4_096

_MALFORMED: Final = "The token is not a JSON Web Token; send it unchanged as it was issued."
_UNVERIFIED: Final = "The token's signature does not verify with any key that is configured."


class JwtAuthenticator:
    """Verifies tokens that carry the caller's tenant, organization and role.

    A key verifies only the algorithm it is pinned to. ``exp`` is required; ``iss`` and
    ``aud`` must match if they are configured; a token's own ``jku``, ``x5u`` and ``jwk`` are
    ignored.

    Verified tokens are remembered, the most recently used *remembered_max* of them, by the
    whole token: a signature costs more than all else that is done for a request. Whether a
    token has expired is asked every time, and all are forgotten when an issuer's keys change.
    """

    def __init__(
        self,
        keys: Sequence[KeySource],
        *,
        issuer: str | None = None,
        audience: str | None = None,
        leeway_s: float = 30.0,
        claims: ClaimNames | None = None,
        clock: Clock | None = None,
        remembered_max: int = REMEMBERED_MAX,
    ) -> None:
        """Take the keys, in the order in which they are tried.

        Raises:
            ConfigurationError: a leeway below 0 or above 60 seconds.
        """
        if not 0 <= leeway_s <= LEEWAY_S_MAX:
            raise ConfigurationError([f"The leeway must be from 0 to {LEEWAY_S_MAX:.0f} seconds."])
        self._keys = tuple(keys)
        self._issuer = issuer
        self._audience = audience
        self._leeway_s = leeway_s
        self._claims = claims or ClaimNames()
        self._clock = clock or SystemClock()
        self._verified = lru_cache(maxsize=remembered_max)(self._verify)

    def authenticate(self, token: str) -> Principal:
        """Verify *token* and tell whose it is.

        Raises:
            AuthenticationFailed: it does not verify; the sentence says why, without it.
            AuthenticationUnavailable: the issuer's keys cannot be had now.
        """
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            raise AuthenticationFailed(_MALFORMED)
        verified = self._verified(token, sum(source.generation for source in self._keys))
        now_s = self._clock.now().timestamp()
        if now_s >= verified.expires_at_s + self._leeway_s:
            raise AuthenticationFailed("The token has expired; ask for a new one.")
        if now_s < verified.not_before_s - self._leeway_s:
            raise AuthenticationFailed("The token is not valid yet; use it later.")
        return verified.principal

    def _verify(self, token: str, generation: int) -> Verified:
        """Check everything about the token but the time. Refusals are not remembered."""
        del generation  # part of what a verified token is remembered by
        try:
            header = jwt.get_unverified_header(token)
        except (PyJWTError, ValueError):
            raise AuthenticationFailed(_MALFORMED) from None
        key_id = header.get("kid")
        for source in self._keys:
            for key in source.candidates(key_id if isinstance(key_id, str) else None):
                if key.algorithm == header.get("alg"):
                    claims = self._claims_if_signed_by(key, token)
                    if claims is not None:
                        return read_claims(claims, self._claims)
        raise AuthenticationFailed(_UNVERIFIED)

    def _claims_if_signed_by(self, key: VerificationKey, token: str) -> dict[str, Any] | None:
        try:
            return jwt.decode(
                token,
                key.material,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                options={
                    "require": ["exp"],
                    "verify_iss": self._issuer is not None,
                    "verify_aud": self._audience is not None,
                    # Times are checked on every use, by our clock.
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    # Read strictly with the other claims.
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except MissingRequiredClaimError as missing:
            raise AuthenticationFailed(
                f'The token lacks the claim "{missing.claim}"; ask for a new token.'
            ) from None
        except InvalidIssuerError:
            raise AuthenticationFailed(
                "The token comes from another issuer than the one configured."
            ) from None
        except InvalidAudienceError:
            raise AuthenticationFailed("The token is for another audience.") from None
        except jwt.InvalidSignatureError:
            return None
        except InvalidKeyError:
            return None
        except (PyJWTError, ValueError, TypeError):
            raise AuthenticationFailed(_MALFORMED) from None
