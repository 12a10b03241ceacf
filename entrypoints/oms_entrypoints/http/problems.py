"""Every refusal as ``application/problem+json`` (RFC 9457), and the table that says which status.

``STATUS_OF`` is the one place where the core's errors meet HTTP. A test compares it with the
tree in ``oms_core.errors``, so an error without a status is noticed before a client sees it.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import field, frozen

from oms_core import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEM_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
"""When to come again if the error does not know better."""
OPERATOR_AFTER_S: Final = 60
"""When to come again if a person must act first."""
MISTAKES_MAX: Final = 500
"""How many mistakes one answer lists; a body of a megabyte can hold far more."""
MISTAKES_IN_DETAIL_MAX: Final = 5


@frozen
class Outcome:
    """How an error is told to a client."""

    status: int
    detail: str | None = None
    """Instead of the error's own sentence, where that would say too much."""


_BROKEN: Final = "The server made a mistake; tell its operator the request_id."
_OPERATOR: Final = "The server cannot do this until its operator acts; tell them the request_id."

STATUS_OF: Final[Mapping[type[errors.OmsError], Outcome]] = MappingProxyType(
    {
        errors.OmsError: Outcome(500, _BROKEN),
        errors.InvalidInput: Outcome(400),
        # One sentence for malformed, unknown and other people's ids: they look the same.
        errors.OrderNotFound: Outcome(404, "There is no such order here; check the id."),
        errors.PartNotFound: Outcome(
            404, "The order has no part with this id; read the order for those that it has."
        ),
        errors.SubscriptionNotFound: Outcome(
            404, "There is no such subscription here; check the id."
        ),
        errors.Conflict: Outcome(409),
        errors.IdempotencyKeyReused: Outcome(422),
        errors.PaymentReferenceInUse: Outcome(409),
        errors.InsufficientStock: Outcome(409),
        errors.IllegalTransition: Outcome(409),
        errors.AmountMismatch: Outcome(409),
        errors.NotPossible: Outcome(409),
        errors.VersionMismatch: Outcome(412),
        errors.NothingToSteer: Outcome(409),
        errors.FeedSwitchedOff: Outcome(409),
        errors.StorageTrouble: Outcome(503, _OPERATOR),
        errors.StoreUnavailable: Outcome(503),
        errors.StaleVersion: Outcome(409),
        errors.LeaseLost: Outcome(409),
        errors.StoreUnusable: Outcome(503, _OPERATOR),
        errors.InventoryUnavailable: Outcome(503),
        errors.InventoryUnusable: Outcome(503, _OPERATOR),
        errors.PaymentTrouble: Outcome(502),
        errors.RetryableNotExecuted: Outcome(503),
        errors.InProgress: Outcome(503),
        errors.OutcomeUnknown: Outcome(503),
        errors.InvalidState: Outcome(409),
        errors.PaymentNotFound: Outcome(409),
        errors.IdempotencyMismatch: Outcome(500, _BROKEN),
        errors.InvalidRequest: Outcome(502),
        errors.CredentialsRejected: Outcome(503, _OPERATOR),
        # One sentence whatever is wrong with it: whoever forges learns nothing.
        errors.WebhookRejected: Outcome(
            400, "The notification is not authentic, too old or malformed; nothing was kept."
        ),
        errors.ProviderNotFound: Outcome(404, "There is nobody to notify here; check the address."),
        errors.AuthenticationFailed: Outcome(401),
        errors.AuthenticationUnavailable: Outcome(503),
        errors.PermissionDenied: Outcome(403),
        errors.ConfigurationError: Outcome(500, _OPERATOR),
    }
)

CODE_OF_STATUS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        400: ("bad_request", "The request is malformed; correct it."),
        404: ("route_not_found", "There is nothing at this address; /openapi.json lists all."),
        405: ("method_not_allowed", "This address does not know the method; see Allow."),
        406: ("not_acceptable", "Only JSON is sent from here."),
        408: ("request_timeout", "The request took too long to arrive; send it again."),
        411: ("length_required", "Send a Content-Length."),
        413: ("body_too_large", "The body is too large; send less at once."),
        414: ("uri_too_long", "The address is too long."),
        415: ("unsupported_media_type", "Send the body as JSON in UTF-8."),
        429: ("rate_limited", "Too many requests; come again after Retry-After seconds."),
        431: ("headers_too_large", "The headers are too large; send less of them."),
        500: ("internal_error", _BROKEN),
        501: ("not_implemented", "The server does not know this way of sending a body."),
        503: ("unavailable", "The server cannot answer now; come again shortly."),
    }
)
"""Code and sentence of refusals that are not the core's: the framework's and the server's."""


class Refusal(Exception):
    """The request is refused by the HTTP layer itself."""

    def __init__(
        self, status: int, detail: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Refuse with the code that belongs to *status*."""
        super().__init__(status)
        self.status = status
        self.code, sentence = CODE_OF_STATUS.get(status, ("refused", "The request is refused."))
        self.detail = detail or sentence
        self.headers = headers or {}


@frozen
class Problem:
    """A refusal, ready to be sent."""

    status: int
    code: str
    detail: str
    mistakes: tuple[errors.Mistake, ...] = ()
    headers: Mapping[str, str] = field(factory=dict)

    def to_json(self, request_id: str) -> bytes:
        """Return the body."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": title_of(self.status),
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "error": self.detail,
            "request_id": request_id,
        }
        if self.mistakes:
            document["errors"] = [
                {"pointer": mistake.pointer, "message": mistake.message}
                for mistake in self.mistakes[:MISTAKES_MAX]
            ]
        return orjson.dumps(document)


def problem_of(error: errors.OmsError) -> Problem:
    """Tell how one of the core's errors, or of an adapter's own beneath one of them, is sent."""
    kind = next(cls for cls in type(error).__mro__ if cls in STATUS_OF)
    outcome = STATUS_OF[kind]
    mistakes: tuple[errors.Mistake, ...] = ()
    detail = outcome.detail or error.sentence
    if isinstance(error, errors.InvalidInput):
        mistakes = error.mistakes
        detail = "; ".join(str(mistake) for mistake in mistakes[:MISTAKES_IN_DETAIL_MAX])
        more = len(mistakes) - MISTAKES_IN_DETAIL_MAX
        if more > 0:
            detail += f"; and {more} more, see errors"
    return Problem(outcome.status, error.code, detail, mistakes, _headers_of(error, outcome.status))


def problem_of_refusal(refusal: Refusal) -> Problem:
    """Tell how a refusal of the HTTP layer is sent."""
    return Problem(refusal.status, refusal.code, refusal.detail, headers=refusal.headers)


def problem_of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """Tell how a refusal of the framework or of the server is sent."""
    return problem_of_refusal(Refusal(status, headers=headers))


def title_of(status: int) -> str:
    """Return the standard's own words for *status*."""
    return HTTPStatus(status).phrase


def _headers_of(error: errors.OmsError, status: int) -> Mapping[str, str]:
    if isinstance(error, errors.AuthenticationFailed):
        return {"WWW-Authenticate": 'Bearer realm="oms", error="invalid_token"'}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        usual_s = RETRY_AFTER_S if error.retryable else OPERATOR_AFTER_S
        wait_s = getattr(error, "retry_after_s", None) or usual_s
        return {"Retry-After": str(max(1, math.ceil(wait_s)))}
    return {}
