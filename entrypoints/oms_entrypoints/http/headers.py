"""Request headers, read as strictly as the body."""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import Final
from uuid import UUID

from oms_core.domain.rules import Text
from oms_core.errors import AuthenticationFailed, Mistake

IDEMPOTENCY_KEY: Final = Text(example="delivery-4711")
"""The same rule as for the key in the body of an order."""
IF_MATCH: Final = Text(
    pattern=r'(?:[*]|(?:W/)?"[!#-~]*"(?: *, *(?:W/)?"[!#-~]*")*)',
    says='must be the ETag of the order, such as "4", or *',
    example='"4"',
)
"""Entity tags (RFC 9110, 8.8.3), or any."""
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._~:+=-]{1,128}", re.ASCII)

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_UUID_CHARS: Final = 36
_ETAG: Final = re.compile(r'(?:W/)?("[!#-~]*")', re.ASCII)
_STRONG_ETAG: Final = re.compile(r'(?<!W/)"([!#-~]*)"', re.ASCII)
_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def request_id_of(given: str | None) -> str:
    """Return the caller's request id if it is fit for headers and logs, else a new one."""
    if given is not None and REQUEST_ID.fullmatch(given):
        return given
    return new_request_id()


def new_request_id() -> str:
    """Make one that no other request has. It is no secret: whoever sent the request is told."""
    # From the operating system it would cost a call, and a turn of Python's lock.
    return f"{random.getrandbits(128):032x}"


def bearer_token_of(authorization: str | None) -> str:
    """Return what claims to be a token in an ``Authorization: Bearer`` header (RFC 6750).

    Raises:
        AuthenticationFailed: there is none.
    """
    if not authorization:
        raise AuthenticationFailed('Send a token: "Authorization: Bearer <token>".')
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationFailed('The header must be "Authorization: Bearer <token>".')
    return token


def uuid_of(text: str | None) -> UUID | None:
    """Return the UUID in its canonical form (RFC 9562) only; ``None``: it is none."""
    if text is None or len(text) != _UUID_CHARS:
        return None
    return _canonical_uuid(text)


@lru_cache(maxsize=4_096)
def _canonical_uuid(text: str) -> UUID | None:
    return UUID(text) if _UUID.fullmatch(text) else None


def text_of(value: str) -> str:
    """Return a header's value as its sender meant it.

    WSGI hands bytes over as Latin-1 (PEP 3333); clients send UTF-8 if they send more than ASCII.
    """
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def optional_key_of(header: str | None, mistakes: list[Mistake]) -> str | None:
    """Read the header ``Idempotency-Key`` where it may be left out, or add to *mistakes*."""
    if header is None:
        return None
    key = text_of(header)
    wrong = IDEMPOTENCY_KEY.mistake(key)
    if wrong:
        mistakes.append(Mistake("/Idempotency-Key", wrong))
    return key


def etag_of(version: int) -> str:
    """Return the entity tag of an order's version."""
    return f'"{version}"'


def names_etag(if_none_match: str, etag: str) -> bool:
    """Tell whether ``If-None-Match`` names *etag* (RFC 9110, 13.1.2: weak comparison)."""
    return if_none_match.strip() == "*" or etag in _ETAG.findall(if_none_match)


def idempotency_key_of(header: str | None, mistakes: list[Mistake]) -> str:
    """Read the header ``Idempotency-Key`` where it is required, or add to *mistakes*."""
    key = "" if header is None else text_of(header)
    wrong = "is a required header" if header is None else IDEMPOTENCY_KEY.mistake(key)
    if wrong:
        mistakes.append(Mistake("/Idempotency-Key", wrong))
    return key


def versions_of(if_match: str | None, mistakes: list[Mistake]) -> frozenset[int] | None:
    """Return the versions that ``If-Match`` names, or add to *mistakes*; ``None``: any will do.

    By strong comparison (RFC 9110, 13.1.1): a weak entity tag names none, and neither does one
    that was not given out here.
    """
    if if_match is None:
        return None
    given = if_match.strip()
    wrong = IF_MATCH.mistake(given)
    if wrong:
        mistakes.append(Mistake("/If-Match", wrong))
    if wrong or given == "*":
        return None
    tags = _STRONG_ETAG.findall(given)
    return frozenset(int(tag) for tag in tags if _VERSION.fullmatch(tag))
