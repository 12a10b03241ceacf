"""Who is calling: keys and tokens, made as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oms_core.domain.scope import Scope
from oms_core.errors import ConfigurationError
from oms_core.ports.authentication import Role
from oms_entrypoints import signing_secret
from oms_entrypoints.bootstrap.mistakes import Mistakes
from oms_entrypoints.bootstrap.stores import CLOCK

if TYPE_CHECKING:
    from oms_adapters.auth.jwt import ClaimNames, KeySource
    from oms_core.ports.authentication import Authenticator, Principal
    from oms_entrypoints.config import Config, JwtKey


def make_authenticator(config: Config) -> Authenticator:
    """Make what tells who is calling; with no keys and no tokens, the secret beside the store.

    Raises:
        ConfigurationError: a key or token is malformed, or the secret cannot be made.
    """
    from oms_adapters.auth.chain import AuthenticatorChain
    from oms_adapters.auth.jwt import JwtAuthenticator, SharedSecret

    auth = config.auth
    mistakes = Mistakes()
    keys: list[KeySource] = []
    for name, key in auth.keys.items():
        with mistakes.of(f"auth.keys.{name}"):
            keys.append(key_source(key))
    tokens: Authenticator | None = None
    with mistakes.of("auth.tokens"):
        tokens = static_tokens(config)
    mistakes.refuse()
    if _uses_own_secret(config):
        keys.append(SharedSecret(signing_secret.read_or_make(config.storage.secret_file)))
    chain: list[Authenticator] = [] if tokens is None else [tokens]
    if keys:
        # Last, because its refusals explain most.
        chain.append(
            JwtAuthenticator(
                keys,
                issuer=auth.issuer,
                audience=auth.audience,
                leeway_s=auth.leeway_s,
                claims=_claim_names(config),
            )
        )
    return chain[0] if len(chain) == 1 else AuthenticatorChain(chain)


def mint_token(config: Config, principal: Principal, *, lifetime_s: float) -> str:
    """Make a token that this configuration accepts.

    Raises:
        ConfigurationError: no configured key is a shared secret: the issuer alone can sign.
    """
    from oms_adapters.auth.jwt import mint_token as mint

    if _uses_own_secret(config):
        secret = signing_secret.read_or_make(config.storage.secret_file)
    else:
        shared = [key.secret for key in config.auth.keys.values() if key.secret is not None]
        if not shared:
            sentence = (
                "No key in [auth.keys] is a shared secret, so only the issuer can sign tokens; "
                "get one there, or configure a static token (oms token --static)."
            )
            raise ConfigurationError([sentence])
        secret = shared[0].value.encode()
    return mint(
        secret,
        principal,
        now=CLOCK.now(),
        lifetime_s=lifetime_s,
        issuer=config.auth.issuer,
        audience=config.auth.audience,
        claims=_claim_names(config),
    )


def new_static_token() -> tuple[str, str]:
    """Make a static token and the hash under which it is configured."""
    from oms_adapters.auth.static_tokens import hash_of, new_token

    token = new_token()
    return token, hash_of(token)


def _uses_own_secret(config: Config) -> bool:
    return not config.auth.keys and not config.auth.tokens


def key_source(key: JwtKey) -> KeySource:
    """Make what verifies tokens signed with *key*.

    Raises:
        ValueError: the key is malformed, or no key of the kind it should be.
    """
    from oms_adapters.auth.jwt import JwksKeys, PublicKey, SharedSecret

    if key.secret is not None:
        return SharedSecret(key.secret.value.encode())
    if key.public_key is not None:
        return PublicKey(key.public_key.value.encode())
    return JwksKeys(key.jwks_url or "")


def static_tokens(config: Config) -> Authenticator | None:
    """Make what knows the static tokens; ``None`` if there are none."""
    if not config.auth.tokens:
        return None
    from oms_adapters.auth.static_tokens import (
        StaticToken,
        StaticTokenAuthenticator,
    )

    return StaticTokenAuthenticator(
        [
            StaticToken(token.hash, name, Scope(token.tenant, token.org), Role(token.role))
            for name, token in config.auth.tokens.items()
        ]
    )


def _claim_names(config: Config) -> ClaimNames:
    from oms_adapters.auth.jwt import ClaimNames

    auth = config.auth
    return ClaimNames(auth.tenant_claim, auth.org_claim, auth.role_claim, auth.subject_claim)
