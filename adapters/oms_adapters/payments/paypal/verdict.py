"""What an answer of PayPal means: one total function from all of them to the port's errors.

PayPal: an error has a ``name`` and, in ``details[0].issue``, the exact code. The issue decides
if it is known, else the status does; whatever is not known at all may have happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final

import requests
import urllib3.exceptions

from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InProgress,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
)


class Declined(InvalidState):
    """PayPal, a bank or a rule says no: a business outcome, which the operation tells as one."""


class ActionRequired(InvalidState):
    """The buyer must go back to PayPal first: likewise."""


class Lapsed(InvalidState):
    """The order or the authorization is too old: likewise."""


_NEVER_CONNECTED: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)
RETRY_AFTER_MAX_S: Final = 86_400.0
_REASON_LENGTH_MAX: Final = 100

_ISSUES: Final[Mapping[type[PaymentTrouble], str]] = {
    InProgress: "PREVIOUS_REQUEST_IN_PROGRESS ORDER_COMPLETION_IN_PROGRESS",
    # Nothing happens until the capture has settled or the balance is filled up.
    RetryableNotExecuted: "PENDING_CAPTURE REFUND_FAILED_INSUFFICIENT_FUNDS",
    ActionRequired: """
        ORDER_NOT_APPROVED PAYER_ACTION_REQUIRED REDIRECT_PAYER_FOR_ALTERNATE_FUNDING
        ORDER_IS_PENDING_APPROVAL
    """,
    Lapsed: "AUTHORIZATION_EXPIRED ORDER_EXPIRED",
    Declined: """
        INSTRUMENT_DECLINED TRANSACTION_REFUSED PAYER_CANNOT_PAY AUTHORIZATION_DENIED
        PAYMENT_DENIED CARD_EXPIRED REFERENCED_CARD_EXPIRED COMPLIANCE_VIOLATION
        DECLINED_DUE_TO_RELATED_TXN PAYER_ACCOUNT_LOCKED_OR_CLOSED PAYER_ACCOUNT_RESTRICTED
        PAYEE_BLOCKED_TRANSACTION TRANSACTION_BLOCKED_BY_PAYEE TRANSACTION_LIMIT_EXCEEDED
        TRANSACTION_RECEIVING_LIMIT_EXCEEDED MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED
        PAYMENT_SOURCE_DECLINED_BY_PROCESSOR ALIAS_DECLINED_BY_PROCESSOR
        BILLING_AGREEMENT_NOT_FOUND AGREEMENT_ALREADY_CANCELLED DOMESTIC_TRANSACTION_REQUIRED
        PAYMENT_SOURCE_CANNOT_BE_USED PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED
        REFUND_NOT_ALLOWED REFUND_IS_RESTRICTED REFUND_TIME_LIMIT_EXCEEDED TRANSACTION_DISPUTED
        REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK PARTIAL_REFUND_NOT_ALLOWED
        MAX_NUMBER_OF_REFUNDS_EXCEEDED REFUND_AMOUNT_TOO_LOW
    """,
    InvalidState: """
        AUTHORIZATION_ALREADY_CAPTURED PREVIOUSLY_CAPTURED PREVIOUSLY_VOIDED
        AUTHORIZATION_VOIDED CANNOT_BE_VOIDED ORDER_ALREADY_AUTHORIZED ORDER_ALREADY_CAPTURED
        ORDER_ALREADY_COMPLETED ORDER_COMPLETED_OR_VOIDED ACTION_DOES_NOT_MATCH_INTENT
        CAPTURE_FULLY_REFUNDED REFUND_AMOUNT_EXCEEDED MAX_CAPTURE_AMOUNT_EXCEEDED
        MAX_CAPTURE_COUNT_EXCEEDED MAX_AUTHORIZATION_COUNT_EXCEEDED
        AUTHORIZATION_AMOUNT_EXCEEDED REAUTHORIZATION_TOO_SOON REAUTHORIZATION_NOT_SUPPORTED
        INVALID_PATCH_OPERATION NOT_PATCHABLE FIELD_NOT_PATCHABLE
    """,
    PaymentNotFound: "RESOURCE_NOT_FOUND INVALID_RESOURCE_ID",
    IdempotencyMismatch: "PAYPAL_REQUEST_ID_ALREADY_USED DUPLICATE_REQUEST_ID",
    # The merchant's own account or its rights: a person corrects it, orders wait meanwhile.
    CredentialsRejected: """
        AUTHENTICATION_FAILURE NOT_AUTHORIZED PERMISSION_DENIED CONSENT_NEEDED
        INVALID_ACCOUNT_STATUS PAYEE_ACCOUNT_INVALID PAYEE_ACCOUNT_LOCKED_OR_CLOSED
        PAYEE_ACCOUNT_RESTRICTED PAYEE_ACCOUNT_NOT_VERIFIED AUTH_CAPTURE_NOT_ENABLED
        NOT_ENABLED_FOR_CARD_PROCESSING NOT_ELIGIBLE_FOR_TOKEN_PROCESSING
    """,
    InvalidRequest: """
        DUPLICATE_INVOICE_ID AMOUNT_MISMATCH AUTHORIZATION_CURRENCY_MISMATCH
        AUTH_CAPTURE_CURRENCY_MISMATCH AUTH_CURRENCY_MISMATCH CURRENCY_MISMATCH
        REFUND_CAPTURE_CURRENCY_MISMATCH CANNOT_BE_NEGATIVE CANNOT_BE_ZERO_OR_NEGATIVE
        DECIMALS_NOT_SUPPORTED DECIMAL_PRECISION INVALID_CURRENCY_CODE MAX_VALUE_EXCEEDED
        AMOUNT_CANNOT_BE_SPECIFIED INCOMPATIBLE_PARAMETER_VALUE INVALID_PARAMETER_SYNTAX
        INVALID_PARAMETER_VALUE INVALID_STRING_LENGTH INVALID_STRING_MAX_LENGTH
        MALFORMED_REQUEST_JSON MISSING_REQUIRED_PARAMETER NOT_SUPPORTED
        PAYPAL_REQUEST_ID_REQUIRED INVALID_JSON_POINTER_FORMAT INVALID_PARAMETER
        PATCH_PATH_REQUIRED PATCH_VALUE_REQUIRED REFERENCE_ID_NOT_FOUND REFERENCE_ID_REQUIRED
        UNSUPPORTED_INTENT UNSUPPORTED_INTENT_FOR_PAYMENT_SOURCE
        PAYMENT_TYPE_NOT_SUPPORTED_FOR_INTENT UNSUPPORTED_PATCH_PARAMETER_VALUE
        PERMISSION_DENIED_FOR_DONATION_ITEMS SHIPPING_ADDRESS_INVALID
        APPLE_PAY_AMOUNT_MISMATCH BILLING_AGREEMENT_ID_MISMATCH CANCEL_URL_REQUIRED
        CARD_BRAND_NOT_SUPPORTED CARD_EXPIRY_REQUIRED CARD_NUMBER_REQUIRED INVALID_COUNTRY_CODE
        INVALID_PICKUP_ADDRESS INVALID_PREVIOUS_TRANSACTION_REFERENCE INVALID_SECURITY_CODE_LENGTH
        MERCHANT_INITIATED_WITH_AUTHENTICATION_RESULTS
        MERCHANT_INITIATED_WITH_MULTIPLE_PURCHASE_UNITS MERCHANT_INITIATED_WITH_SECURITY_CODE
        MISMATCHED_VAULT_ID_TO_PAYMENT_SOURCE MISSING_CRYPTOGRAM MISSING_PREVIOUS_REFERENCE
        NOT_ELIGIBLE_FOR_PAYPAL_TRANSACTION_ID_PROCESSING NOT_ELIGIBLE_FOR_PNREF_PROCESSING
        ORDER_CANNOT_BE_SAVED PAYEE_FX_RATE_ID_EXPIRED PAYMENT_SOURCE_MISMATCH
        PAYPAL_TRANSACTION_ID_EXPIRED PAYPAL_TRANSACTION_ID_NOT_FOUND PLATFORM_FEE_EXCEEDED
        PLATFORM_FEE_NOT_ENABLED PNREF_EXPIRED PNREF_NOT_FOUND PREFERRED_PAYMENT_SOURCE_MISMATCH
        PREVIOUS_TRANSACTION_REFERENCE_HAS_CHARGEBACK PREVIOUS_TRANSACTION_REFERENCE_VOIDED
        REQUIRED_PARAMETER_FOR_CUSTOMER_INITIATED_PAYMENT RETURN_URL_REQUIRED
        SAVE_ORDER_NOT_SUPPORTED TOKEN_EXPIRED TOKEN_ID_NOT_FOUND VAULT_INSTRUCTION_REQUIRED
    """,
}

BY_ISSUE: Final[Mapping[str, type[PaymentTrouble]]] = MappingProxyType(
    {issue: kind for kind, issues in _ISSUES.items() for issue in issues.split()}
)

BY_STATUS: Final[Mapping[int, type[PaymentTrouble]]] = MappingProxyType(
    {
        400: InvalidRequest,
        401: CredentialsRejected,
        403: CredentialsRejected,
        404: PaymentNotFound,
        405: InvalidRequest,
        406: InvalidRequest,
        413: InvalidRequest,
        415: InvalidRequest,
        429: RetryableNotExecuted,
    }
)
"""What a status means whose issue says nothing more. A 408, 409, 422 or 5xx tells nothing."""

_WHOEVER_SAYS_IT: Final = frozenset({401, 403, 429})
"""Turned away at the door. Any other refusal counts only in PayPal's own words: the page of a
gateway that is being deployed says 404 as well, and the payment is not gone."""


def judge_answer(
    status: int, headers: Mapping[str, str], document: object, *, now: datetime | None = None
) -> PaymentTrouble:
    """Say what an answer that is not a success means, whatever it is.

    *document* is the body, or ``None`` if that could not be read.
    """
    issue, name = _issue_of(document)
    kind = None
    # A gateway's or PayPal's own failure says nothing of the effect, whatever words it adds; and
    # too many requests are too many whatever they were about.
    if status not in {401, 429} and status < 500:  # noqa: PLR2004 - HTTP's classes
        kind = BY_ISSUE.get(issue) or BY_ISSUE.get(name)
    if kind is None and (issue or name or status in _WHOEVER_SAYS_IT):
        kind = BY_STATUS.get(status)
    kind = kind or OutcomeUnknown
    return kind(
        reason=issue or name or f"http_{status}",
        retry_after_s=_retry_after_s(headers, now or datetime.now(UTC)),
    )


def judge_failure(error: requests.RequestException) -> PaymentTrouble:
    """Say what it means that no answer came, whatever the reason."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    never_sent = (
        isinstance(error, requests.ConnectTimeout)
        or isinstance(reason, _NEVER_CONNECTED)
        or (
            isinstance(error, requests.exceptions.SSLError)
            and "CERTIFICATE_VERIFY_FAILED" in str(reason)
        )
    )
    if never_sent:
        return RetryableNotExecuted(reason="cannot_connect")
    if isinstance(error, requests.ReadTimeout):
        return OutcomeUnknown(reason="read_timeout")
    return OutcomeUnknown(reason="connection_lost")


def _issue_of(document: object) -> tuple[str, str]:
    """Find the codes in an error: those that are words of a code's form, never free text."""
    if not isinstance(document, Mapping):
        return "", ""
    details: Any = document.get("details")
    first = details[0] if isinstance(details, list) and details else None
    issue = first.get("issue") if isinstance(first, Mapping) else None
    # The token endpoint and an invalid token answer as OAuth 2 says.
    return _code(issue), _code(document.get("name") or document.get("error"))


def _code(value: object) -> str:
    if (
        isinstance(value, str)
        and len(value) <= _REASON_LENGTH_MAX
        and value.isascii()
        and value.replace("_", "").isalnum()
    ):
        return value
    return ""


def _retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read ``Retry-After`` (RFC 9110): seconds, or a moment."""
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), RETRY_AFTER_MAX_S)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)
