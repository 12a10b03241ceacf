"""The keys that verify tokens: each is for one algorithm, whatever a token asks for."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from attrs import field, frozen
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from oms_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET_BYTES_MIN: Final = 32
"""HS256 is as strong as its secret: at least as long as the hash (RFC 7518, 3.2)."""
RSA_BITS_MIN: Final = 2_048
"""RFC 7518, 3.3."""

KeyMaterial: TypeAlias = bytes | RSAPublicKey | EllipticCurvePublicKey


class Algorithm(StrEnum):
    """The signatures that are accepted."""

    HS256 = "HS256"
    RS256 = "RS256"
    ES256 = "ES256"


@frozen
class VerificationKey:
    """A key and the one algorithm it is for (RFC 8725, 3.1)."""

    algorithm: Algorithm
    material: KeyMaterial = field(repr=False)


class KeySource(Protocol):
    """Where the keys for a token come from."""

    @property
    def generation(self) -> int:
        """Rises when a key was added or taken away: what was verified before is stale."""
        ...

    def candidates(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Return the keys that may have signed a token with the header ``kid`` *key_id*.

        Raises:
            AuthenticationUnavailable: the keys cannot be had now.
        """
        ...


class SharedSecret:
    """A secret for HS256. Whoever can verify with it can also mint."""

    generation: int = 0
    """It never changes."""

    def __init__(self, secret: bytes) -> None:
        """Take the secret.

        Raises:
            ConfigurationError: shorter than 32 bytes, or no secret but a public key.
        """
        if len(secret) < SECRET_BYTES_MIN:
            raise ConfigurationError(
                [f"The secret for HS256 is shorter than {SECRET_BYTES_MIN} bytes; make a new one."]
            )
        try:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
        except InvalidKeyError:
            raise ConfigurationError(
                ["The secret for HS256 is a public key or certificate; everybody may know it."]
            ) from None
        self._keys = (VerificationKey(Algorithm.HS256, secret),)

    def candidates(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Return the secret: there is no other, so a ``kid`` says nothing."""
        del key_id
        return self._keys


class PublicKey:
    """A public key in PEM for RS256 or ES256; its type decides which."""

    generation: int = 0
    """It never changes."""

    def __init__(self, pem: bytes) -> None:
        """Read the key.

        Raises:
            ConfigurationError: no PEM public key, or none of RSA (2048 bits or more) or P-256.
        """
        try:
            material = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise ConfigurationError(
                ['The public key is not in PEM; it must begin with "-----BEGIN PUBLIC KEY-----".']
            ) from None
        try:
            key = pinned(material)
        except ValueError as unfit:
            raise ConfigurationError([f"The public key {unfit}."]) from None
        self.algorithm: Final = key.algorithm
        self._keys = (key,)

    def candidates(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Return the key: there is no other, so a ``kid`` says nothing."""
        del key_id
        return self._keys


def pinned(material: object) -> VerificationKey:
    """Tell which algorithm a public key is for.

    Raises:
        ValueError: none that is accepted; the text goes on after "the public key".
    """
    if isinstance(material, RSAPublicKey):
        if material.key_size < RSA_BITS_MIN:
            message = f"has {material.key_size} bits; RSA needs {RSA_BITS_MIN} or more"
            raise ValueError(message)
        return VerificationKey(Algorithm.RS256, material)
    if isinstance(material, EllipticCurvePublicKey) and isinstance(material.curve, SECP256R1):
        return VerificationKey(Algorithm.ES256, material)
    message = "must be RSA (for RS256) or on the curve P-256 (for ES256)"
    raise ValueError(message)
