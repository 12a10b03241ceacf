"""The calls that ask something of an order after it was placed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oms_core import errors
from oms_core.domain.operation import OperationKind
from oms_core.ports.authentication import Role
from oms_entrypoints.http import order_operations
from oms_entrypoints.http.headers import IDEMPOTENCY_KEY, IF_MATCH
from oms_entrypoints.http.openapi.call import Answer, HeaderParameter, Operation
from oms_entrypoints.http.openapi.refusals import NOBODYS, STORE, invalid
from oms_entrypoints.http.query import DryRun
from oms_entrypoints.http.views import ActionListView, ChronicleView, ForesightView, OperationView

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAG: Final = "order operations"
_WORDS: Final[Mapping[OperationKind, tuple[str, str, str]]] = {
    OperationKind.CANCEL: (
        "cancelOrder",
        "Cancel an order of which nothing has left.",
        (
            "Stock is released, a hold voided, a capture given back. An order that is still being "
            "placed turns back at once."
        ),
    ),
    OperationKind.CAPTURE: (
        "capturePayment",
        "Take money that is held, all or a part.",
        "Beside what is captured by itself before goods leave.",
    ),
    OperationKind.FULFILL: (
        "fulfillOrder",
        "Let goods leave, all or a part.",
        (
            "The share of what leaves is captured first, unless it was before; if that is refused, "
            "nothing leaves."
        ),
    ),
    OperationKind.DELIVER: (
        "deliverFulfillment",
        "Record that the goods of a fulfillment have arrived.",
        "With the last piece of the order, the order is delivered.",
    ),
    OperationKind.COMPLETE: ("completeOrder", "Close an order that was delivered.", ""),
    OperationKind.REQUEST_RETURN: (
        "requestReturn",
        "Ask for delivered goods to be taken back.",
        "The operation's id is the return's.",
    ),
    OperationKind.APPROVE_RETURN: ("approveReturn", "Let the customer send the goods.", ""),
    OperationKind.REJECT_RETURN: ("rejectReturn", "Refuse a return.", ""),
    OperationKind.RECEIVE_RETURN: (
        "receiveReturn",
        "Book goods that came back.",
        (
            "What is to be restocked goes back into the stock that it came from. It counts as "
            "returned once stock knows."
        ),
    ),
    OperationKind.REFUND: (
        "refundPayment",
        "Give captured money back: an amount, the share of some pieces, or all.",
        "Never more than was captured. A provider may take days: the refund is then `pending`.",
    ),
}
_WHY_NOT: Final[Mapping[OperationKind, str]] = {
    OperationKind.CANCEL: "Goods of the order have left; let them come back as a return.",
    OperationKind.CAPTURE: "Only 9.99 USD can be captured, not 10.00 USD.",
    OperationKind.FULFILL: "Line 1 (CRUNCHY-ARMCHAIR) has 1 left to fulfill, not 2.",
    OperationKind.DELIVER: (
        "The fulfillment is delivered; only one that was shipped can be delivered."
    ),
    OperationKind.COMPLETE: "Not everything has been delivered yet.",
    OperationKind.REQUEST_RETURN: "Every piece that was delivered is returned or about to be.",
    OperationKind.APPROVE_RETURN: (
        "The return is rejected; only one that awaits a decision can be decided."
    ),
    OperationKind.REJECT_RETURN: (
        "The return is approved; only one that awaits a decision can be decided."
    ),
    OperationKind.RECEIVE_RETURN: (
        "The return is requested; only goods of an approved one can be received."
    ),
    OperationKind.REFUND: "Only 9.99 USD can be given back, not 10.00 USD.",
}
_KEY_SAYS: Final = (
    "Names the operation within the order, for ever: the same key with the same request is "
    "answered alike, and has no second effect."
)
_KEY_OF_A_DRY_RUN: Final = " Not needed with `dry_run=true`."
_IF_MATCH: Final = HeaderParameter(
    "If-Match",
    "The `ETag` of the order that you decided on: the answer is 412 if it has changed since. A "
    "repeat of what was accepted is answered alike whatever has changed.",
    IF_MATCH,
)


def _call(kind: OperationKind) -> Operation:
    route = order_operations.ROUTES[kind]
    name, summary, says = _WORDS[kind]
    headers = ("Location", "Idempotent-Replayed")
    words = {
        200: "It is done, now or before.",
        201: "It is asked for, now or before.",
        202: "It is written down, now or before, and done as soon as its turn comes.",
    }
    answers = [Answer(route.status, words[route.status], OperationView, headers=headers)]
    if route.can_be_foretold:
        foretold = "With `dry_run=true`: what it would cause. Nothing was changed."
        answers.append(Answer(200, foretold, ForesightView))
    not_found: list[errors.OmsError] = [errors.OrderNotFound(NOBODYS)]
    if route.part is not None:
        not_found.append(errors.PartNotFound(route.part, NOBODYS))
    return Operation(
        "POST",
        route.path,
        name,
        _TAG,
        summary,
        says=says,
        role=Role.EDITOR,
        body=route.request,
        body_is_optional=True,
        query=DryRun if route.can_be_foretold else None,
        headers=(
            HeaderParameter(
                "Idempotency-Key",
                _KEY_SAYS + (_KEY_OF_A_DRY_RUN if route.can_be_foretold else ""),
                IDEMPOTENCY_KEY,
                required=not route.can_be_foretold,
            ),
            _IF_MATCH,
        ),
        answers=tuple(answers),
        refusals=(
            invalid("/Idempotency-Key", "is a required header"),
            *not_found,
            errors.NotPossible(kind, _WHY_NOT[kind]),
            errors.VersionMismatch(NOBODYS, 5),
            errors.IdempotencyKeyReused(),
            errors.StaleVersion(NOBODYS),
            *STORE,
        ),
    )


ORDER_OPERATION_CALLS: Final = (
    *(_call(kind) for kind in order_operations.ROUTES),
    Operation(
        "GET",
        order_operations.OPERATION,
        "getOperation",
        _TAG,
        "See how far something is that was asked.",
        role=Role.VIEWER,
        answers=(Answer(200, "The operation as it is now.", OperationView),),
        refusals=(
            errors.OrderNotFound(NOBODYS),
            errors.PartNotFound("operation", NOBODYS),
            *STORE,
        ),
    ),
    Operation(
        "GET",
        order_operations.ACTIONS,
        "listActions",
        _TAG,
        "List what may be asked of an order now, and why the rest may not.",
        role=Role.VIEWER,
        answers=(Answer(200, "Every action, allowed or not.", ActionListView),),
        refusals=(errors.OrderNotFound(NOBODYS), *STORE),
    ),
    Operation(
        "GET",
        order_operations.TIMELINE,
        "getTimeline",
        _TAG,
        "Read everything that is known of an order's life.",
        says=(
            "Changes, attempts, the payment provider's answers and notifications, and what people "
            "asked: one list, oldest first."
        ),
        role=Role.VIEWER,
        answers=(Answer(200, "All of it.", ChronicleView),),
        refusals=(errors.OrderNotFound(NOBODYS), *STORE),
    ),
)
