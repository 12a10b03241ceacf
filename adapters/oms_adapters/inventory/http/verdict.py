"""What every answer but the one that was hoped for means to whoever called."""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from oms_core.errors import InvalidInput, InventoryUnavailable, InventoryUnusable, Mistake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oms_adapters.inventory.http.connection import Answer
    from oms_core.errors import OmsError

RETRY_AFTER_MAX_S: Final = 3_600.0
"""A service that asks for a longer pause is asked again after this one."""

_REFUSES_US: Final = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    }
)
_PASSES: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
"""Refusals that say of themselves that the same request may be sent again."""
_REDIRECTS: Final = range(300, 400)
_OF_THE_CLIENT: Final = range(400, 500)
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


def verdict(answer: Answer) -> OmsError:
    """Translate any answer that is not a success of the contract.

    Only what the service itself clearly refuses is beyond retrying. Whatever else answers in
    its place (a gateway's page while the service starts, half an answer) leaves the outcome
    unknown. What the answer says in words is left out: it may hold anything.
    """
    status, code = answer.status, _code_of(answer)
    if status in _REFUSES_US:
        return InventoryUnusable(
            f"The inventory service refuses our credentials (status {status}{_named(code)}). "
            "Correct inventory.token or inventory.signing_secret, or the rights they give."
        )
    if status in _REDIRECTS:
        return InventoryUnusable(
            f"The inventory service is not at inventory.url (status {status}, a redirect, which "
            "is not followed with a token). Correct the URL."
        )
    if code is not None and _is_refusal(status):
        return InventoryUnusable(
            f"The inventory service refuses a request as wrong (status {status}{_named(code)}). "
            "See that it keeps the same version of the contract."
        )
    return InventoryUnavailable(
        f"inventory service: status {status}{_named(code)}", retry_after_s(answer.headers)
    )


def refused_cursor(answer: Answer) -> InvalidInput | None:
    """Return the refusal of a cursor, which is the caller's mistake and not ours."""
    if answer.status != HTTPStatus.BAD_REQUEST or _code_of(answer) != InvalidInput.code:
        return None
    match answer.document:
        case {"errors": [{"pointer": "/cursor"}]}:
            sentence = "is not a cursor of this listing; begin with the first page"
            return InvalidInput([Mistake("/cursor", sentence)])
        case _:
            return None


def not_of_the_contract(answer: Answer) -> InventoryUnavailable:
    """Tell of a success that says nothing: it may have been said by anybody."""
    return InventoryUnavailable(
        f"inventory service: an answer (status {answer.status}) that is not of the contract"
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read ``Retry-After``: seconds, or a moment by the service's own clock (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_MAX_S)
    try:
        moment = parsedate_to_datetime(text)
        wait_s = (moment - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_MAX_S) if math.isfinite(wait_s) else None


def _is_refusal(status: int) -> bool:
    if status == HTTPStatus.NOT_IMPLEMENTED:
        return True
    return status in _OF_THE_CLIENT and status not in _PASSES


def _code_of(answer: Answer) -> str | None:
    """Return the code of a problem of the contract; ``None``: somebody else is speaking."""
    match answer.document:
        case {"code": str(code)} if _CODE.fullmatch(code):
            return code
        case _:
            return None


def _named(code: str | None) -> str:
    return f", {code}" if code else ""
