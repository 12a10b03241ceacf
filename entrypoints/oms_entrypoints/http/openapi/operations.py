"""Every call of the API: what goes in, what may come out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from oms_core import errors
from oms_core.application.adjust_stock import AdjustStock
from oms_core.application.place_order import PlaceOrder
from oms_core.application.steering import Steer
from oms_core.application.webhooks import ChangeSubscription, ReplayDeadLetters, Subscribe
from oms_core.errors import Mistake
from oms_core.ports.authentication import Role
from oms_entrypoints.bulk.forms import CSV, NDJSON
from oms_entrypoints.http import (
    documents,
    events,
    health,
    inventory,
    order_export,
    orders,
    sagas,
    stock_service,
    subscriptions,
    webhooks,
)
from oms_entrypoints.http.headers import IDEMPOTENCY_KEY
from oms_entrypoints.http.openapi.call import Answer, HeaderParameter, Operation
from oms_entrypoints.http.openapi.order_calls import ORDER_OPERATIONS
from oms_entrypoints.http.query import EventListing, OrderExport, OrderListing, StockListing
from oms_entrypoints.http.readiness_view import ReadyView
from oms_entrypoints.http.saga_views import SagaListView, SteeredOrderView
from oms_entrypoints.http.stock_requests import (
    BookMovement,
    CommitPart,
    CommitReservation,
    LedgerListing,
    LookUpLevels,
    NameReservation,
    ReserveStock,
)
from oms_entrypoints.http.views import (
    BookingAnswerView,
    DeadLetterListView,
    EventPageView,
    HealthView,
    LedgerView,
    NewSecretView,
    NewSubscriptionView,
    OrderPageView,
    OrderView,
    PlacedView,
    ReplayedView,
    ReservationAnswerView,
    StockLevelView,
    StockPageView,
    SubscriptionListView,
    SubscriptionView,
)

RESPONSE_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-ID": {
        "description": "Names the request in the server's log: yours, if you sent a fit one.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where it is.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotent-Replayed": {
        "description": "`true` if the key named this already. Missing the first time.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {
        "description": "The order's version, for `If-None-Match` and `If-Match`.",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Retry-After": {
        "description": "How many seconds to wait before the same request again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {
        "description": "What kind of token is needed (RFC 6750).",
        "schema": {"type": "string"},
    },
}

STATUSES_WITH_A_TOKEN: Final = (429,)
STATUSES_WITH_A_BODY: Final = (413, 415)
STATUSES_WITH_A_FOREIGN_BODY: Final = (413,)
STATUSES_OF_ALL: Final = (400, 431, 500)
"""What the server itself may say to any request."""

HEADERS_OF_STATUS: Final = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}

WITH_A_TOKEN: Final[tuple[errors.OmsError, ...]] = (
    errors.InvalidInput((Mistake("/X-Tenant-ID", "is a required header and must be a UUID"),)),
    errors.AuthenticationFailed("The token has expired; ask for a new one."),
    errors.PermissionDenied("The token's role is VIEWER; this needs EDITOR or above."),
    errors.AuthenticationUnavailable(),
)
_STORE: Final = (errors.StoreUnavailable(), errors.StoreUnusable("told to the operator alone"))
_STOCK: Final = (
    errors.InventoryUnavailable(),
    errors.InventoryUnusable("told to the operator alone"),
)
_INVALID_ORDER: Final = errors.InvalidInput(
    (
        Mistake("/line_items/0/quantity", "must be from 1 to 1 000 000"),
        Mistake("/payment_reference", "is required"),
    )
)
_INVALID_ENTRY: Final = errors.InvalidInput((Mistake("/quantity_delta", "must not be 0"),))
_INVALID_NAME: Final = errors.InvalidInput((Mistake("/reservation_id", "must not be empty"),))
_INVALID_URL: Final = errors.InvalidInput((Mistake("/url", "must begin with https://"),))
_OF_ONE_SUBSCRIPTION: Final = (
    errors.SubscriptionNotFound(UUID(int=0)),
    errors.FeedSwitchedOff(),
    *_STORE,
)
_INVALID_REASON: Final = errors.InvalidInput((Mistake("/reason", "is required"),))
_OF_ONE_SAGA: Final = (_INVALID_REASON, errors.OrderNotFound(UUID(int=0)), *_STORE)
_KEY_SAYS: Final = (
    "Allowed beside the body's `idempotency_key`; it must then be the same, or the answer is 400."
)
SERVICE: Final = "inventory service"
SERVICE_IS_READY: Final = Operation(
    "GET",
    health.READYZ,
    "isReady",
    "server",
    "Whether the store can be used now.",
    answers=(Answer(int(HTTPStatus.OK), "It can, whatever else the body says."),),
    refusals=_STORE,
)
"""What anybody's inventory service must answer."""
_JSON_200: Final = int(HTTPStatus.OK)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "POST",
        orders.ORDERS,
        "placeOrder",
        "orders",
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
        headers=(HeaderParameter("Idempotency-Key", _KEY_SAYS, IDEMPOTENCY_KEY),),
        answers=(
            Answer(
                201,
                "Accepted, now or before.",
                PlacedView,
                headers=("Location", "Idempotent-Replayed"),
            ),
        ),
        refusals=(
            _INVALID_ORDER,
            errors.PaymentReferenceInUse(),
            errors.IdempotencyKeyReused(),
            *_STORE,
        ),
    ),
    Operation(
        "GET",
        orders.ORDERS,
        "listOrders",
        "orders",
        "List orders, newest first.",
        role=Role.VIEWER,
        query=OrderListing,
        answers=(Answer(_JSON_200, "A page of orders.", OrderPageView),),
        refusals=(
            errors.InvalidInput((Mistake("/limit", "must be from 1 to 100"),)),
            *_STORE,
        ),
    ),
    Operation(
        "GET",
        order_export.EXPORT,
        "exportOrders",
        "orders",
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
                _JSON_200,
                "The orders, one record each, and the record of the end.",
                media_type=NDJSON,
                or_media_type=CSV,
            ),
        ),
        refusals=(
            errors.InvalidInput((Mistake("/format", "must be one of ndjson, csv, requests"),)),
            *_STORE,
        ),
    ),
    Operation(
        "GET",
        orders.ORDER,
        "getOrder",
        "orders",
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
            Answer(_JSON_200, "The order.", OrderView, headers=("ETag",)),
            Answer(304, "The order has not changed.", media_type=None, headers=("ETag",)),
        ),
        refusals=(errors.OrderNotFound(UUID(int=0)), *_STORE),
    ),
    *ORDER_OPERATIONS,
    Operation(
        "POST",
        inventory.ADJUST,
        "adjustStock",
        "inventory",
        "Book stock in or out, once per key.",
        says=(
            "Adds one entry to the ledger of one sku at one location. Entries are never "
            "changed: book the opposite to correct one. The same key with the same entry is "
            "answered with the present level and changes nothing."
        ),
        role=Role.EDITOR,
        body=AdjustStock,
        headers=(
            HeaderParameter(
                "Idempotency-Key",
                "Names the ledger entry within tenant and organization, for ever.",
                IDEMPOTENCY_KEY,
                required=True,
            ),
        ),
        answers=(Answer(_JSON_200, "The level after it.", StockLevelView),),
        refusals=(
            _INVALID_ENTRY,
            errors.InsufficientStock("CRUNCHY-ARMCHAIR", "default", 98),
            errors.IdempotencyKeyReused(),
            *_STOCK,
            *_STORE,
        ),
    ),
    Operation(
        "GET",
        inventory.LEVELS,
        "listStockLevels",
        "inventory",
        "List stock on hand, promised and available.",
        role=Role.VIEWER,
        query=StockListing,
        answers=(Answer(_JSON_200, "A page of stock levels.", StockPageView),),
        refusals=(
            errors.InvalidInput((Mistake("/limit", "must be from 1 to 100"),)),
            *_STOCK,
            *_STORE,
        ),
    ),
    Operation(
        "POST",
        stock_service.RESERVATIONS,
        "reserveStock",
        SERVICE,
        "Reserve all of some pieces or none, once per name.",
        says=(
            "The first answer under a name is the answer for ever: `out_of_stock` too, and what "
            "was released is never reserved again. A soft reservation that has lapsed may be "
            "reserved again, for the same pieces."
        ),
        role=Role.ADMIN,
        body=ReserveStock,
        answers=(Answer(_JSON_200, "What became of it.", ReservationAnswerView),),
        refusals=(_INVALID_NAME, *_STOCK, *_STORE),
    ),
    Operation(
        "POST",
        stock_service.HARDEN,
        "hardenReservation",
        SERVICE,
        "Make a soft reservation permanent.",
        says=(
            "One that has lapsed is taken again if the stock is still there, else it is "
            "`out_of_stock`. An unknown one is `already_released`: nothing is promised."
        ),
        role=Role.ADMIN,
        body=NameReservation,
        answers=(Answer(_JSON_200, "What became of it.", ReservationAnswerView),),
        refusals=(_INVALID_NAME, *_STOCK, *_STORE),
    ),
    Operation(
        "POST",
        stock_service.RELEASE,
        "releaseReservation",
        SERVICE,
        "Make the pieces of a reservation available again.",
        says=(
            "`already_released` is success, now and on every repeat, for an unknown one too, "
            "which can never be made from then on. `already_committed`: the goods have left, "
            "and nothing was changed. It is never anything else."
        ),
        role=Role.ADMIN,
        body=NameReservation,
        answers=(Answer(_JSON_200, "What became of it.", ReservationAnswerView),),
        refusals=(_INVALID_NAME, *_STOCK, *_STORE),
    ),
    Operation(
        "POST",
        stock_service.COMMIT,
        "commitReservation",
        SERVICE,
        "Let the goods of a reservation leave.",
        says=(
            "On hand and reserved drop together, with one ledger entry a stock item. "
            "`already_committed` is success, now and on every repeat; otherwise nothing left. "
            "It is never `reserved`."
        ),
        role=Role.ADMIN,
        body=CommitReservation,
        answers=(Answer(_JSON_200, "What became of it.", ReservationAnswerView),),
        refusals=(_INVALID_NAME, *_STOCK, *_STORE),
    ),
    Operation(
        "POST",
        stock_service.COMMIT_PART,
        "commitPart",
        SERVICE,
        "Let a part of the goods of a reservation leave, once per name.",
        says=(
            "The rest stays promised; with the last part the reservation is committed. "
            "`already_committed` is success, now and on every repeat of the part's name. "
            "`out_of_stock`: the part is more than the reservation holds by now, and nothing left. "
            "It is never `reserved`."
        ),
        role=Role.ADMIN,
        body=CommitPart,
        answers=(Answer(_JSON_200, "What became of it.", ReservationAnswerView),),
        refusals=(_INVALID_NAME, *_STOCK, *_STORE),
    ),
    Operation(
        "POST",
        stock_service.MOVEMENTS,
        "bookMovement",
        SERVICE,
        "Add an entry to the ledger as it is given, once per name.",
        says=(
            "The same name again with the same item, quantity and reason changes nothing and is "
            "answered with the present level."
        ),
        role=Role.ADMIN,
        body=BookMovement,
        answers=(Answer(_JSON_200, "What became of it.", BookingAnswerView),),
        refusals=(
            errors.InvalidInput((Mistake("/movement_id", "must not be empty"),)),
            *_STOCK,
            *_STORE,
        ),
    ),
    Operation(
        "GET",
        stock_service.MOVEMENTS,
        "listMovements",
        SERVICE,
        "Read the ledger of one stock item, oldest entries first.",
        role=Role.VIEWER,
        query=LedgerListing,
        answers=(Answer(_JSON_200, "A part of it.", LedgerView),),
        refusals=(
            errors.InvalidInput((Mistake("/sku", "is required"),)),
            *_STOCK,
            *_STORE,
        ),
    ),
    Operation(
        "POST",
        inventory.LEVELS,
        "lookUpStockLevels",
        SERVICE,
        "Look up stock on hand, promised and available, by any names.",
        says="As the list, for names that do not fit into an address, and for many at once.",
        role=Role.VIEWER,
        body=LookUpLevels,
        answers=(Answer(_JSON_200, "A page of stock levels.", StockPageView),),
        refusals=(
            errors.InvalidInput((Mistake("/limit", "must be from 1 to 100"),)),
            *_STOCK,
            *_STORE,
        ),
    ),
    Operation(
        "POST",
        webhooks.WEBHOOKS,
        "receiveWebhook",
        "payment providers",
        "Notify what happened to a payment.",
        says=(
            "For payment providers, to be configured at them. There is no token: the signature "
            "is verified, over the body as it comes. The answer comes when the notification is "
            "stored durably; the order hears of it afterwards. A repeat is acknowledged and "
            "changes nothing. Any other answer means that nothing was kept: send it again after "
            "a 503, or when the reason for a 4xx is mended."
        ),
        foreign_body="What the provider sends, as its own documents say.",
        answers=(Answer(204, "Stored, now or before.", media_type=None),),
        refusals=(
            errors.InvalidInput((Mistake("", "the body ended after 17 of 512 bytes"),)),
            errors.WebhookRejected(),
            errors.ProviderNotFound(),
            errors.RetryableNotExecuted(),
            *_STORE,
        ),
    ),
    Operation(
        "GET",
        events.EVENTS,
        "readEvents",
        "events",
        "Read what happened, in order, from any position on.",
        says=(
            "Positions count 1, 2, 3 … per tenant and organization. None is missing, and none "
            "appears below one that was read before: whoever reads on from `next_after` misses "
            "nothing. An empty page means that nothing has happened since."
        ),
        role=Role.VIEWER,
        query=EventListing,
        answers=(Answer(_JSON_200, "The next events.", EventPageView),),
        refusals=(
            errors.InvalidInput((Mistake("/limit", "must be from 1 to 100"),)),
            errors.FeedSwitchedOff(),
            *_STORE,
        ),
    ),
    Operation(
        "POST",
        subscriptions.SUBSCRIPTIONS,
        "subscribe",
        "webhooks",
        "Have events posted to an address.",
        says=(
            "The answer alone shows the secret that messages are signed with (Standard "
            "Webhooks): keep it. If the answer was lost, send the request again under the same "
            "`Idempotency-Key`, then make a new secret."
        ),
        role=Role.ADMIN,
        body=Subscribe,
        headers=(
            HeaderParameter(
                "Idempotency-Key",
                "The same request again answers with the same subscription, without its secret.",
                IDEMPOTENCY_KEY,
            ),
        ),
        answers=(
            Answer(
                201,
                "Subscribed.",
                NewSubscriptionView,
                headers=("Location", "Idempotent-Replayed"),
            ),
        ),
        refusals=(
            _INVALID_URL,
            errors.FeedSwitchedOff(),
            errors.IdempotencyKeyReused(),
            *_STORE,
        ),
    ),
    Operation(
        "GET",
        subscriptions.SUBSCRIPTIONS,
        "listSubscriptions",
        "webhooks",
        "List subscriptions with how their deliveries are.",
        role=Role.ADMIN,
        answers=(Answer(_JSON_200, "All of them.", SubscriptionListView),),
        refusals=(errors.FeedSwitchedOff(), *_STORE),
    ),
    Operation(
        "GET",
        subscriptions.SUBSCRIPTION,
        "getSubscription",
        "webhooks",
        "Read a subscription with how its deliveries are.",
        role=Role.ADMIN,
        answers=(Answer(_JSON_200, "The subscription.", SubscriptionView),),
        refusals=_OF_ONE_SUBSCRIPTION,
    ),
    Operation(
        "PATCH",
        subscriptions.SUBSCRIPTION,
        "changeSubscription",
        "webhooks",
        "Change a subscription, switch it off, or let it go on after a stop.",
        role=Role.ADMIN,
        body=ChangeSubscription,
        answers=(Answer(_JSON_200, "The subscription after it.", SubscriptionView),),
        refusals=(_INVALID_URL, *_OF_ONE_SUBSCRIPTION),
    ),
    Operation(
        "DELETE",
        subscriptions.SUBSCRIPTION,
        "unsubscribe",
        "webhooks",
        "Send nothing any more, and forget what waits.",
        role=Role.ADMIN,
        answers=(Answer(204, "Forgotten.", media_type=None),),
        refusals=_OF_ONE_SUBSCRIPTION,
    ),
    Operation(
        "POST",
        subscriptions.SECRET,
        "rotateSecret",
        "webhooks",
        "Sign with a new secret.",
        says=(
            "For 24 hours messages carry the signatures of the new secret and of the one "
            "before, so that receivers can change over without losing any."
        ),
        role=Role.ADMIN,
        answers=(Answer(_JSON_200, "The subscription with its new secret.", NewSecretView),),
        refusals=_OF_ONE_SUBSCRIPTION,
    ),
    Operation(
        "GET",
        subscriptions.DEAD_LETTERS,
        "listDeadLetters",
        "webhooks",
        "List the events that were sent for three days in vain.",
        role=Role.ADMIN,
        answers=(Answer(_JSON_200, "All of them.", DeadLetterListView),),
        refusals=_OF_ONE_SUBSCRIPTION,
    ),
    Operation(
        "POST",
        subscriptions.REPLAY,
        "replayDeadLetters",
        "webhooks",
        "Send dead letters again, one or all.",
        role=Role.ADMIN,
        body=ReplayDeadLetters,
        answers=(Answer(_JSON_200, "They are on their way.", ReplayedView),),
        refusals=(
            errors.InvalidInput((Mistake("/event_id", "must be a UUID"),)),
            *_OF_ONE_SUBSCRIPTION,
        ),
    ),
    Operation(
        "GET",
        sagas.SAGAS,
        "listSagas",
        "sagas",
        "List orders whose work is under way, waits, is stuck or paused; oldest first.",
        role=Role.ADMIN,
        query=sagas.SagaListing,
        answers=(Answer(_JSON_200, "The oldest of them.", SagaListView),),
        refusals=(
            errors.InvalidInput((Mistake("/limit", "must be from 1 to 100"),)),
            *_STORE,
        ),
    ),
    Operation(
        "POST",
        sagas.RETRY,
        "retrySaga",
        "sagas",
        "Let an order that is stuck go on, after its cause was mended.",
        says="The step it stopped at is tried again at once, with all its attempts. So is a look "
        "at the payment that was put off while the provider was silent.",
        role=Role.ADMIN,
        body=Steer,
        answers=(Answer(_JSON_200, "It goes on.", SteeredOrderView),),
        refusals=(
            errors.NothingToSteer(UUID(int=0)),
            errors.NotPossible("retry", "The order is paused, and nothing of it needs mending."),
            *_OF_ONE_SAGA,
        ),
    ),
    Operation(
        "POST",
        sagas.SKIP,
        "skipStep",
        "sagas",
        "Say that a person did the step outside, or undid it.",
        says=(
            "Only for a step that is stuck, or one of a paused order, and only where a person can "
            "do the same: at the provider, or with the goods. The step is recorded as done by "
            "hand, and the next one follows. What is said of money is compared with the provider "
            "some minutes later, and the provider's word counts."
        ),
        role=Role.ADMIN,
        body=Steer,
        answers=(Answer(_JSON_200, "The next step follows.", SteeredOrderView),),
        refusals=(
            errors.NotPossible("skip", "A worker is at step capture_payment just now."),
            *_OF_ONE_SAGA,
        ),
    ),
    Operation(
        "POST",
        sagas.COMPENSATE,
        "compensateSaga",
        "sagas",
        "Have everything taken back that the order's saga has done.",
        says=(
            "For a saga that waits, is stuck or paused. It begins with the present step, which "
            "may have had its effect. An order that was being placed fails; an operation that was "
            "asked of it later is refused."
        ),
        role=Role.ADMIN,
        body=Steer,
        answers=(Answer(_JSON_200, "It is being taken back.", SteeredOrderView),),
        refusals=(
            errors.NotPossible("compensate", "Step ship_goods cannot be taken back; retry it."),
            *_OF_ONE_SAGA,
        ),
    ),
    Operation(
        "POST",
        sagas.PAUSE,
        "pauseSaga",
        "sagas",
        "Let nothing of the order begin, timers too.",
        says=(
            "What a worker has under way is still recorded when it ends. What is asked of the "
            "order meanwhile is accepted, and waits."
        ),
        role=Role.ADMIN,
        body=Steer,
        answers=(Answer(_JSON_200, "It is paused.", SteeredOrderView),),
        refusals=(
            errors.NotPossible("pause", "The order is paused already; resume it to let it go on."),
            *_OF_ONE_SAGA,
        ),
    ),
    Operation(
        "POST",
        sagas.RESUME,
        "resumeSaga",
        "sagas",
        "Let a paused order go on at once.",
        role=Role.ADMIN,
        body=Steer,
        answers=(Answer(_JSON_200, "It goes on.", SteeredOrderView),),
        refusals=(
            errors.NotPossible("resume", "The order is not paused: it moves by itself."),
            *_OF_ONE_SAGA,
        ),
    ),
    Operation(
        "GET",
        health.HEALTHZ,
        "isAlive",
        "server",
        "Whether the process lives.",
        answers=(Answer(_JSON_200, "It does.", HealthView),),
    ),
    Operation(
        "GET",
        health.READYZ,
        "isReady",
        "server",
        "Whether the store can be used now, and which payment providers refuse the server.",
        answers=(Answer(_JSON_200, "It can.", ReadyView),),
        refusals=_STORE,
    ),
    Operation(
        "GET",
        health.METRICS,
        "getMetrics",
        "server",
        "Figures for Prometheus.",
        answers=(Answer(_JSON_200, "All figures, counted now.", media_type="text/plain"),),
    ),
    Operation(
        "GET",
        documents.OPENAPI,
        "getDocument",
        "server",
        "This document.",
        answers=(Answer(_JSON_200, "An OpenAPI 3.1 document."),),
    ),
    Operation(
        "GET",
        documents.DOCS,
        "getDocumentation",
        "server",
        "This document as a page for people.",
        answers=(Answer(_JSON_200, "A page without scripts.", media_type="text/html"),),
    ),
)
