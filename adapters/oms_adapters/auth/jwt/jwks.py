"""An issuer's keys from the one URL that is configured (RFC 7517)."""

from __future__ import annotations

import json
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt
from attrs import frozen
from jwt.exceptions import PyJWTError

from oms_adapters.auth.jwt.keys import VerificationKey, pinned
from oms_core.errors import AuthenticationUnavailable, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

DOCUMENT_BYTES_MAX: Final = 262_144
KEYS_MAX: Final = 100
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@frozen
class _Fetched:
    by_id: Mapping[str, VerificationKey]
    without_id: tuple[VerificationKey, ...]

    @property
    def all(self) -> tuple[VerificationKey, ...]:
        return (*self.by_id.values(), *self.without_id)


class JwksKeys:
    """Fetches an issuer's keys, keeps them, and fetches them again when they may have changed.

    Only the configured URL is ever asked, without redirects: what a token names (``jku``,
    ``x5u``, ``jwk``) is ignored. A token with an unknown ``kid`` leads to a new look, but at
    most once in ``pause_s``, so that nobody can make this server flood the issuer. While the
    issuer does not answer, the known keys are good for ``stale_s`` more.
    """

    def __init__(
        self,
        url: str,
        *,
        lifetime_s: float = 300.0,
        stale_s: float = 3_600.0,
        pause_s: float = 15.0,
        timeout_s: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remember where; the first token leads to the first look.

        Raises:
            ConfigurationError: not an https URL. http is for this machine alone.
        """
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise ConfigurationError(
                ["The JWKS URL must begin with https://; http is for this machine alone."]
            )
        self._url = url
        self._lifetime_s = lifetime_s
        self._stale_s = stale_s
        self._pause_s = pause_s
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._opener = build_opener(_NoRedirects)
        self._lock = threading.Lock()
        self._keys: _Fetched | None = None
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._generation = 0

    @property
    def generation(self) -> int:
        """Rises when the issuer's keys have changed, or are too old to be trusted.

        Looks again when it is time to, since a verified token that is remembered must not
        outlive the key that signed it.
        """
        if self._monotonic() - self._fetched_at > self._lifetime_s and self._keys is not None:
            self._refresh()
        return self._generation

    def candidates(self, key_id: str | None) -> Sequence[VerificationKey]:
        """Return the key with that id; without an id the only key, if there is only one.

        Raises:
            AuthenticationUnavailable: the issuer has not answered yet, or for too long.
        """
        keys = self._keys
        if keys is None or self._find(keys, key_id) == ():
            self._refresh()
            keys = self._keys
        if keys is None:
            raise AuthenticationUnavailable(reason="jwks_unreachable", retry_after_s=self._pause_s)
        return self._find(keys, key_id)

    @staticmethod
    def _find(keys: _Fetched, key_id: str | None) -> Sequence[VerificationKey]:
        if key_id is not None and key_id in keys.by_id:
            return (keys.by_id[key_id],)
        fallback = keys.all if key_id is None else keys.without_id
        return fallback if len(fallback) == 1 else ()

    def _refresh(self) -> None:
        """Ask the issuer, unless somebody just did; threads that know keys do not wait."""
        if not self._lock.acquire(blocking=self._keys is None):
            return
        try:
            now = self._monotonic()
            if self._tried_at is not None and now - self._tried_at < self._pause_s:
                return
            self._tried_at = now
            fetched = self._fetch()
            if fetched is not None:
                self._fetched_at = now
            elif self._keys is None or now - self._fetched_at < self._lifetime_s + self._stale_s:
                return
            if fetched != self._keys:
                self._keys = fetched
                self._generation += 1
        finally:
            self._lock.release()

    def _fetch(self) -> _Fetched | None:
        """Return the issuer's keys; ``None`` if it gave no answer that can be read."""
        request = Request(self._url, headers={"Accept": "application/json"})  # noqa: S310 - checked above
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                body = _read_within(answer, self._monotonic, self._timeout_s)
            document = json.loads(body)
            return _keys_of(document["keys"])
        except (
            OSError,
            URLError,
            HTTPException,
            ValueError,
            KeyError,
            TypeError,
            RecursionError,
        ):
            return None


class _NoRedirects(HTTPRedirectHandler):
    """The configured URL, and no other that it may name."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: the answer counts as an error."""
        return


def _read_within(answer: IO[bytes], monotonic: Callable[[], float], within_s: float) -> bytes:
    """Read a body of bounded size in bounded time, however slowly it trickles in."""
    ends_at = monotonic() + within_s
    body = b""
    while chunk := answer.read1(16_384):  # type: ignore[attr-defined]  # an HTTPResponse has it
        body += chunk
        if len(body) > DOCUMENT_BYTES_MAX or monotonic() > ends_at:
            message = "too large or too slow"
            raise ValueError(message)
    return body


def _keys_of(entries: object) -> _Fetched:
    """Keep the keys that sign with an accepted algorithm; leave out all others.

    A key for encryption, or a symmetric one that an issuer should never have shown, verifies
    nothing.
    """
    by_id: dict[str, VerificationKey] = {}
    without_id: list[VerificationKey] = []
    for entry in entries[:KEYS_MAX] if isinstance(entries, list) else ():
        key = _key_of(entry)
        if key is None:
            continue
        key_id = entry.get("kid")
        if isinstance(key_id, str):
            by_id[key_id] = key
        else:
            without_id.append(key)
    return _Fetched(by_id, tuple(without_id))


def _key_of(entry: object) -> VerificationKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    if entry.get("kty") not in {"RSA", "EC"} or "d" in entry:
        return None
    try:
        key = pinned(jwt.PyJWK(entry).key)
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    return key if entry.get("alg", key.algorithm) == key.algorithm else None
