"""What went wrong at Adyen, in the words of the port: one total function.

The classes of the SDK's errors tell little (404 and 500 share one, 429 and 502 another), so the
HTTP status, Adyen's error code and the header ``transient-error`` decide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import requests.exceptions as broken
from Adyen.exceptions import AdyenError
from urllib3.exceptions import MaxRetryError, NewConnectionError

from oms_core.errors import (
    CredentialsRejected,
    InProgress,
    InvalidRequest,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
)

BY_CODE: Final[Mapping[str, type[PaymentTrouble]]] = MappingProxyType(
    {
        "704": InProgress,  # request already processed or in progress
        "703": RetryableNotExecuted,  # the store of idempotency keys is down
        "167": PaymentNotFound,  # original pspReference required for this operation
        "901": CredentialsRejected,  # invalid merchant account
        "010": CredentialsRejected,  # not allowed
    }
)
"""Adyen's error codes that mean something of their own, whatever status they come with."""

BY_STATUS: Final[Mapping[int, type[PaymentTrouble]]] = MappingProxyType(
    {
        400: InvalidRequest,
        401: CredentialsRejected,
        403: CredentialsRejected,
        # No such endpoint: a wrong address. It says nothing of the payment.
        404: InvalidRequest,
        405: InvalidRequest,
        409: InProgress,
        413: InvalidRequest,
        415: InvalidRequest,
        422: InvalidRequest,
        429: RetryableNotExecuted,
    }
)
"""What a status means by itself; any other leaves the outcome unknown."""

_NEVER_SENT: Final = (
    broken.InvalidURL,
    broken.InvalidSchema,
    broken.MissingSchema,
    broken.InvalidHeader,
    broken.InvalidProxyURL,
)
_CODE: Final = re.compile(r"[0-9A-Za-z_]{1,16}", re.ASCII)
_RETRY_AFTER: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


def verdict(error: Exception) -> PaymentTrouble:
    """Say what *error*, raised by a call of the SDK, means for the operation.

    What nobody foresaw has an unknown outcome, never a failure.
    """
    match error:
        case AdyenError():
            return _of_answer(error)
        case broken.ConnectTimeout():
            return RetryableNotExecuted(reason="connect_timeout")
        case broken.ReadTimeout():
            return OutcomeUnknown(reason="read_timeout")
        case broken.ConnectionError() if _was_never_connected(error):
            return RetryableNotExecuted(reason="not_connected")
        case broken.RequestException() if isinstance(error, _NEVER_SENT):
            return InvalidRequest(reason="request_cannot_be_sent")
        case _:
            return OutcomeUnknown(reason=type(error).__name__)


def unreadable() -> OutcomeUnknown:
    """Say what an answer of success means that does not say what it should."""
    return OutcomeUnknown(reason="unreadable_answer")


def _of_answer(error: AdyenError) -> PaymentTrouble:
    status = error.status_code if isinstance(error.status_code, int) else 0
    code = error.error_code if isinstance(error.error_code, str) else ""
    code = code if _CODE.fullmatch(code) else ""
    headers = error.headers if isinstance(error.headers, Mapping) else {}
    reason = f"http_{status}" + (f"_{code}" if code else "")
    kind: type[PaymentTrouble] | None = BY_CODE.get(code)
    if kind is None and str(headers.get("transient-error", "")).lower() == "true":
        kind = RetryableNotExecuted
    if kind is None:
        kind = BY_STATUS.get(status, OutcomeUnknown)
    return kind(reason, retry_after_s=_retry_after(headers))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = str(headers.get("Retry-After", "")).strip()
    return float(text) if _RETRY_AFTER.fullmatch(text) else None


def _was_never_connected(error: broken.ConnectionError) -> bool:
    """Tell a refused connection or an unknown host from one that broke later."""
    inner = error.args[0] if error.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)
