"""Examples for the document, made by the code that makes the answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from attrs import evolve

from oms_core import errors
from oms_core.application.actions import actions_of
from oms_core.application.chronicle import chronicle_of
from oms_core.application.foresight import Foresight, look_ahead
from oms_core.application.payment_directory import PaymentDirectory
from oms_core.application.place_order import PlaceOrder
from oms_core.application.request_reader import read
from oms_core.application.saga_settings import PlaceOrderSettings
from oms_core.application.webhooks import NewSecret, NewSubscription
from oms_core.domain.delivery import DeadLetter, DeliveryProgress
from oms_core.domain.event_envelope import envelope_of
from oms_core.domain.fulfilling import request_fulfillment
from oms_core.domain.inventory import Reserved, StockItem, StockLevel, StockMovement
from oms_core.domain.operation import (
    Operation,
    OperationKind,
    OperationState,
    operation_id_for,
)
from oms_core.domain.order import Order
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import Authorization
from oms_core.domain.saga_position import Attention, SagaPhase, SagaPosition
from oms_core.domain.scope import Scope, order_id_for
from oms_core.domain.subscription import SigningSecret, Subscription
from oms_core.ports.event_log import LoggedEvent
from oms_core.ports.inventory import StockPage
from oms_core.ports.storage import OrderPage
from oms_core.ports.subscriptions import Subscribed
from oms_entrypoints.http.openapi.rule_schemas import example_of
from oms_entrypoints.http.order_operations import path_of
from oms_entrypoints.http.problems import Problem, problem_of, problem_of_status
from oms_entrypoints.http.readiness_view import ready_view
from oms_entrypoints.http.saga_views import saga_list_view, steered_order_view
from oms_entrypoints.http.views import (
    action_list_view,
    booked_view,
    chronicle_view,
    dead_letter_list_view,
    event_page_view,
    foresight_view,
    health_view,
    ledger_view,
    new_secret_view,
    new_subscription_view,
    operation_view,
    order_page_view,
    order_view,
    placed_view,
    replayed_view,
    reservation_answer_view,
    stock_level_view,
    stock_page_view,
    subscription_list_view,
    subscription_view,
)

_SCOPE: Final = Scope(
    UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")
)
_AT: Final = datetime(2031, 5, 4, 12, 0, tzinfo=UTC)
_REQUEST_ID: Final = "4f1c2b7a90d34e5f8a6b7c8d9e0f1a2b"
_LEVEL: Final = StockLevel(StockItem("CRUNCHY-ARMCHAIR"), on_hand=100, reserved=2)
_MOVEMENT: Final = StockMovement(
    "delivery-4711", _LEVEL.item, 100, "delivery 4711", _AT, "pat@example.com"
)

_SECRET: Final = SigningSecret.of_bytes(b"an example, not to be used at it")
_SUBSCRIBED: Final = Subscribed(
    Subscription(
        UUID("33333333-3333-4333-8333-333333333333"),
        _SCOPE,
        "https://shop.example.com/hooks/orders",
        (),
        (_SECRET,),
        _AT,
    ),
    DeliveryProgress(4),
)

TENANT: Final = str(_SCOPE.tenant_id)
ORG: Final = str(_SCOPE.org_id)


def answers() -> dict[str, Any]:
    """Return an example of each kind of answer, by the name of its view."""
    order = _a_confirmed_order()
    views = {
        "Placed": placed_view(order.id, OrderStatus.PENDING_PAYMENT),
        "Order": order_view(order),
        "OrderPage": order_page_view(OrderPage((order,)), limit=50, offset=0),
        "StockLevel": stock_level_view(_LEVEL),
        "ReservationAnswer": reservation_answer_view(Reserved()),
        "BookingAnswer": booked_view(_LEVEL),
        "Ledger": ledger_view((_MOVEMENT,)),
        "StockPage": stock_page_view(StockPage((_LEVEL,)), limit=50),
        "EventPage": event_page_view(_events_of(order), after=0),
        "Subscription": subscription_view(_SUBSCRIBED),
        "NewSubscription": new_subscription_view(NewSubscription(_SUBSCRIBED, _SECRET.value)),
        "NewSecret": new_secret_view(NewSecret(_SUBSCRIBED, _SECRET.value)),
        "SubscriptionList": subscription_list_view([_SUBSCRIBED]),
        "DeadLetterList": dead_letter_list_view([_dead_letter_of(order)]),
        "Replayed": replayed_view(1),
        "SteeredOrder": steered_order_view(_a_stuck_order(order)),
        "SagaList": saga_list_view([_a_stuck_order(order)], limit=50),
        "Health": health_view(),
        "Operation": operation_view(_an_operation(order)),
        "Foresight": foresight_view(_what_would_leave(order)),
        "ActionList": action_list_view(
            order.id, actions_of(order), lambda action: path_of(order.id, action)
        ),
        "Chronicle": chronicle_view(order.id, chronicle_of(order, ())),
        "Ready": ready_view([]),
    }
    return {name: _as_json(view) for name, view in views.items()}


def _an_operation(order: Order) -> Operation:
    return Operation(
        operation_id_for(order.id, "parcel-1"),
        OperationKind.FULFILL,
        OperationState.QUEUED,
        requested_at=_AT + timedelta(hours=1),
        actor="pat@example.com",
    )


def _what_would_leave(order: Order) -> Foresight:
    """Look ahead to a parcel with all that is ordered."""
    operation = _an_operation(order)
    at = operation.requested_at
    return look_ahead(
        order,
        request_fulfillment(order, operation, (), None, at=at),
        operation.id,
        payments=PaymentDirectory({}),
        settings=PlaceOrderSettings(),
        at=at,
    )


def _a_stuck_order(order: Order) -> Order:
    """Make one that stopped at the first step of its way."""
    since = _AT + timedelta(seconds=2)
    attention = Attention(
        "reservation_lost",
        "The inventory says that this order's reservation was released or committed by somebody "
        "else. Compare order and inventory, then retry the order.",
        since,
    )
    placed = evolve(order, history=order.history[:1], status=OrderStatus.PENDING_PAYMENT, version=2)
    saga = SagaPosition("place_order", 1, SagaPhase.RUNNING, "confirm_order", None)
    saga = saga.noting("confirm_order", "run", "stuck", at=since)
    return evolve(placed, saga=saga).call_for_attention(attention)


def _dead_letter_of(order: Order) -> DeadLetter:
    event = order.events()[0]
    return DeadLetter(
        1,
        event.event_id,
        event.event_type,
        order.id,
        order.id,
        event.sequence,
        attempts=80,
        since=_AT,
        at=_AT + timedelta(days=3),
        error="answered 500",
    )


def _events_of(order: Order) -> list[LoggedEvent]:
    return [
        LoggedEvent(position, envelope_of(event))
        for position, event in enumerate(order.events(), 1)
    ]


def problem(error: errors.OmsError) -> dict[str, Any]:
    """Return the answer to an error of the core."""
    return _written(problem_of(error))


def problem_with_status(status: int) -> dict[str, Any]:
    """Return the answer to a refusal of the framework or the server."""
    return _written(problem_of_status(status))


def _written(a_problem: Problem) -> dict[str, Any]:
    written: dict[str, Any] = orjson.loads(a_problem.to_json(_REQUEST_ID))
    return written


def _as_json(view: object) -> Any:
    return orjson.loads(orjson.dumps(view, option=orjson.OPT_UTC_Z))


def _a_confirmed_order() -> Order:
    """Make the order that the example of a request becomes."""
    request = read(PlaceOrder, example_of(PlaceOrder))
    placed = Order.place(
        order_id=order_id_for(_SCOPE, request.idempotency_key),
        scope=_SCOPE,
        idempotency_key=request.idempotency_key,
        fingerprint=request.fingerprint,
        currency=request.currency,
        lines=request.lines,
        provider=request.payment_provider,
        payment_reference=request.payment_reference,
        saga=SagaPosition("place_order", 1, SagaPhase.RUNNING, "reserve_inventory", _AT),
        at=_AT,
        actor="shop@example.com",
        channel=request.channel,
    )
    saga = placed.saga
    for step in ("reserve_inventory", "authorize_payment", "confirm_order"):
        saga = saga.noting(step, "run", "done", at=_AT + timedelta(milliseconds=40))
    held = Authorization(placed.total, expires_at=_AT + timedelta(days=7), provider_id="auth_4711")
    confirmed = (
        placed.record_reservation(at=_AT + timedelta(milliseconds=20))
        .authorize_payment(held, at=_AT + timedelta(milliseconds=30))
        .confirm(at=_AT + timedelta(milliseconds=40))
    )
    return evolve(
        confirmed,
        version=4,
        saga=evolve(saga, phase=SagaPhase.COMPLETED, step=None, due_at=None),
    )
