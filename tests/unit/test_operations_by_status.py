"""Every operation in every status: what is possible is listed, and all else is refused."""

from collections.abc import Callable, Mapping
from typing import Final
from uuid import UUID, uuid4

import pytest
from attrs import evolve

from oms_core import Order, OrderStatus
from oms_core.domain.cancelling import request_cancellation, why_not_cancel
from oms_core.domain.capturing import request_capture, why_not_capture
from oms_core.domain.fulfilling import (
    complete,
    deliver,
    request_fulfillment,
    why_not_complete,
    why_not_deliver,
    why_not_fulfill,
)
from oms_core.domain.fulfillment import Fulfillment, FulfillmentState
from oms_core.domain.line_item import LineItem, LineQuantity
from oms_core.domain.money import Money
from oms_core.domain.operation import Operation, OperationKind, OperationState
from oms_core.domain.order_status import TRANSITIONS
from oms_core.domain.payment import Authorization, PaymentStatus
from oms_core.domain.refunding import request_refund, why_not_refund
from oms_core.domain.returning import (
    announce_receipt,
    approve_return,
    reject_return,
    request_return,
    why_not_decide,
    why_not_receive,
    why_not_return,
)
from oms_core.domain.returns import Condition, ReceivedLine, Return, ReturnState
from oms_core.errors import NotPossible
from oms_core.testing import NOON, an_order, with_status
from oms_core.testing.orders import finished

_S = OrderStatus
EVERY: Final = frozenset(OrderStatus)
PARCEL, ASKED, COMING = uuid4(), uuid4(), uuid4()
LINES: Final = (
    LineItem(1, "CRUNCHY-ARMCHAIR", 4, Money(1_000, "USD")),
    LineItem(2, "SILENT-DRUM", 1, Money(250, "USD")),
)

POSSIBLE: Final[Mapping[OperationKind, frozenset[OrderStatus]]] = {
    OperationKind.CANCEL: frozenset(
        {_S.PENDING_PAYMENT, _S.PAYMENT_AUTHORIZED, _S.CONFIRMED, _S.PROCESSING}
    ),
    OperationKind.CAPTURE: EVERY - {_S.CANCELLED, _S.FAILED, _S.REFUNDED},
    OperationKind.FULFILL: frozenset({_S.CONFIRMED, _S.PROCESSING, _S.PARTIALLY_FULFILLED}),
    # What was shipped may arrive, whatever has become of the order since.
    OperationKind.DELIVER: EVERY,
    OperationKind.COMPLETE: frozenset({_S.DELIVERED}),
    OperationKind.REQUEST_RETURN: frozenset(
        {_S.DELIVERED, _S.COMPLETED, _S.RETURN_REQUESTED, _S.PARTIALLY_RETURNED}
    ),
    # A decision is about a return that was asked for in time.
    OperationKind.APPROVE_RETURN: EVERY,
    OperationKind.REJECT_RETURN: EVERY,
    OperationKind.RECEIVE_RETURN: frozenset(
        {_S.RETURN_REQUESTED, _S.PARTIALLY_RETURNED, _S.PARTIALLY_REFUNDED}
    ),
    OperationKind.REFUND: frozenset(
        {_S.COMPLETED, _S.PARTIALLY_RETURNED, _S.RETURNED, _S.PARTIALLY_REFUNDED}
    ),
}
"""In which statuses each can be asked for, if nothing but the status speaks against it."""


def ready(status: OrderStatus, *fulfillments: Fulfillment) -> Order:
    """Make an order of which a part is captured and the rest is held."""
    order = finished(an_order(lines=LINES))
    payment = evolve(
        order.payment,
        status=PaymentStatus.PARTIALLY_CAPTURED,
        authorization=Authorization(order.total),
        captured=Money(1_250, "USD"),
    )
    order = evolve(order, payment=payment, fulfillments=fulfillments)
    return with_status(order, status)


def a_parcel(state: FulfillmentState, quantity: int = 2) -> Fulfillment:
    """Make a fulfillment of some armchairs."""
    return Fulfillment(PARCEL, (LineQuantity(1, quantity),), state, NOON)


def sent_back(status: OrderStatus) -> Order:
    """Make an order with a return that is to be decided and one that is to be received."""
    order = ready(status, a_parcel(FulfillmentState.DELIVERED, 4))
    one = (LineQuantity(1, 1),)
    asked = Return(ASKED, one, ReturnState.REQUESTED, NOON)
    return evolve(order, returns=(asked, Return(COMING, one, ReturnState.APPROVED, NOON)))


def asking(kind: OperationKind) -> Operation:
    """Make the operation that is asked for."""
    return Operation(uuid4(), kind, OperationState.QUEUED, NOON, "pat@example.com")


def _asked_for(kind: OperationKind, status: OrderStatus) -> tuple[str | None, Callable[[], Order]]:
    """Say why not, and ask: of an order to which only its status may be an obstacle."""
    poor = ready(status)
    shipped = ready(status, a_parcel(FulfillmentState.SHIPPED))
    delivered = ready(status, a_parcel(FulfillmentState.DELIVERED))
    back = sent_back(status)
    now = asking(kind)
    part = (LineQuantity(1, 1),)
    received = (ReceivedLine(1, 1, Condition.NEW, restock=True),)
    match kind:
        case OperationKind.CANCEL:
            return why_not_cancel(poor), lambda: request_cancellation(
                poor, now, reason=None, at=NOON
            )
        case OperationKind.CAPTURE:
            return why_not_capture(poor), lambda: request_capture(
                poor, now, None, final=False, at=NOON
            )
        case OperationKind.FULFILL:
            return why_not_fulfill(poor), lambda: request_fulfillment(
                poor, now, part, None, at=NOON
            )
        case OperationKind.DELIVER:
            return why_not_deliver(shipped), lambda: deliver(shipped, now, PARCEL, at=NOON)
        case OperationKind.COMPLETE:
            return why_not_complete(poor), lambda: complete(poor, now, at=NOON)
        case OperationKind.REQUEST_RETURN:
            return why_not_return(delivered), lambda: request_return(
                delivered, now, part, reason=None, at=NOON
            )
        case OperationKind.APPROVE_RETURN:
            return why_not_decide(back), lambda: approve_return(
                back, now, ASKED, note=None, at=NOON
            )
        case OperationKind.REJECT_RETURN:
            return why_not_decide(back), lambda: reject_return(back, now, ASKED, note=None, at=NOON)
        case OperationKind.RECEIVE_RETURN:
            return why_not_receive(back), lambda: announce_receipt(
                back, now, COMING, received, at=NOON
            )
        case _:
            return why_not_refund(poor), lambda: request_refund(
                poor, now, amount=None, lines=part, reason=None, at=NOON
            )


def test_all_that_can_be_asked_for_is_listed() -> None:
    by_itself = {OperationKind.RENEW_AUTHORIZATION, OperationKind.CHECK_PAYMENT}

    assert set(POSSIBLE) == set(OperationKind) - by_itself


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("kind", POSSIBLE)
def test_an_operation_is_possible_in_its_statuses_and_refused_in_all_others(
    kind: OperationKind, status: OrderStatus
) -> None:
    why, ask = _asked_for(kind, status)

    if status in POSSIBLE[kind]:
        asked = ask()

        assert why is None
        assert asked.operations[-1].kind is kind
        assert asked.status is status or asked.status in TRANSITIONS[status]
    else:
        assert why
        with pytest.raises(NotPossible) as refused:
            ask()
        assert why in str(refused.value.sentence)


def test_ids_of_parts_are_those_of_their_operations() -> None:
    """A repeat finds what it asked for by the id that its key gives."""
    order = ready(OrderStatus.CONFIRMED)
    now = asking(OperationKind.FULFILL)

    ids: list[UUID] = [
        one.id for one in request_fulfillment(order, now, (), None, at=NOON).fulfillments
    ]

    assert ids == [now.id]
