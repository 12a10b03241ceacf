"""The calls that place orders and read them."""

from __future__ import annotations

from typing import Final

from oms_core import errors
from oms_core.application.place_order import PlaceOrder
from oms_core.errors import Mistake
from oms_core.ports.authentication import Role
from oms_entrypoints.bulk.forms import CSV, NDJSON
from oms_entrypoints.http import order_export, orders
from oms_entrypoints.http.headers import IDEMPOTENCY_KEY
from oms_entrypoints.http.openapi.call import Answer, HeaderParameter, Operation
from oms_entrypoints.http.openapi.refusals import LIMIT, NOBODYS, STORE, invalid
from oms_entrypoints.http.query import OrderExport, OrderListing
from oms_entrypoints.http.views import OrderPageView, OrderView, PlacedView

_TAG: Final = "orders"

ORDER_CALLS: Final = (
    Operation(
        "POST",
        orders.ORDERS,
        "placeOrder",
        _TAG,
        "Place an order, once and only once.",
        says=(
            "The order is stored durably when the answer comes, and worked on afterwards. "
            "Send the same request again whenever you are not sure: the same key with the same "
            "request gives the same answer, for ever, and never a second order. The same key "
            "with a different request is refused. A request that failed validation is not "
            "remembered: correct it and use the key again."
        ),
        role=Role.EDITOR,
        body=PlaceOrder,
        headers=(
            HeaderParameter(
                "Idempotency-Key",
                "Allowed beside the body's `idempotency_key`; it must then be the same, or the "
                "answer is 400.",
                IDEMPOTENCY_KEY,
            ),
        ),
        answers=(
            Answer(
                201,
                "Accepted, now or before.",
                PlacedView,
                headers=("Location", "Idempotent-Replayed"),
            ),
        ),
        refusals=(
            errors.InvalidInput(
                (
                    Mistake("/line_items/0/quantity", "must be from 1 to 1 000 000"),
                    Mistake("/payment_reference", "is required"),
                )
            ),
            errors.PaymentReferenceInUse(),
            errors.IdempotencyKeyReused(),
            *STORE,
        ),
    ),
    Operation(
        "GET",
        orders.ORDERS,
        "listOrders",
        _TAG,
        "List orders, newest first.",
        role=Role.VIEWER,
        query=OrderListing,
        answers=(Answer(200, "A page of orders.", OrderPageView),),
        refusals=(LIMIT, *STORE),
    ),
    Operation(
        "GET",
        order_export.EXPORT,
        "exportOrders",
        _TAG,
        "Export all orders, newest first, as a stream.",
        says=(
            "The answer has no length and comes in pieces, a few orders at a time. Its last "
            'record says that it is whole: `{"end":{"orders":3}}` in NDJSON, and a row whose '
            "`record` is `end` and whose `number` counts the orders in CSV. Without it the "
            "answer was cut off: ask again. Orders that are accepted meanwhile do not come. A "
            "server sends two at once, and answers 429 to a third."
        ),
        role=Role.VIEWER,
        query=OrderExport,
        headers=(
            HeaderParameter(
                "Accept",
                "Chooses between `application/x-ndjson` and `text/csv`, if `format` does not.",
                example="text/csv",
            ),
        ),
        answers=(
            Answer(
                200,
                "The orders, one record each, and the record of the end.",
                media_type=NDJSON,
                or_media_type=CSV,
            ),
        ),
        refusals=(invalid("/format", "must be one of ndjson, csv, requests"), *STORE),
    ),
    Operation(
        "GET",
        orders.ORDER,
        "getOrder",
        _TAG,
        "Read an order with everything that happened to it.",
        role=Role.VIEWER,
        headers=(
            HeaderParameter(
                "If-None-Match",
                "The `ETag` you know: the answer is 304 if the order has not changed since.",
                example='"4"',
            ),
        ),
        answers=(
            Answer(200, "The order.", OrderView, headers=("ETag",)),
            Answer(304, "The order has not changed.", media_type=None, headers=("ETag",)),
        ),
        refusals=(errors.OrderNotFound(NOBODYS), *STORE),
    ),
)
