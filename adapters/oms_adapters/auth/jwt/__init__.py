"""JSON Web Tokens (RFC 7519, RFC 8725): verified with keys that are pinned to one algorithm."""

from oms_adapters.auth.jwt.authenticator import JwtAuthenticator
from oms_adapters.auth.jwt.claims import ClaimNames
from oms_adapters.auth.jwt.jwks import JwksKeys
from oms_adapters.auth.jwt.keys import (
    SECRET_BYTES_MIN,
    Algorithm,
    KeySource,
    PublicKey,
    SharedSecret,
    VerificationKey,
)
from oms_adapters.auth.jwt.minting import mint_token

__all__ = [
    "SECRET_BYTES_MIN",
    "Algorithm",
    "ClaimNames",
    "JwksKeys",
    "JwtAuthenticator",
    "KeySource",
    "PublicKey",
    "SharedSecret",
    "VerificationKey",
    "mint_token",
]
