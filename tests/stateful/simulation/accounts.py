"""What must add up of one order, between its document and the books of others."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

from oms_core.domain.events import Change
from oms_core.domain.fulfillment import FulfillmentState
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.order import ReservationState
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.payment import PaymentStatus, TransferState
from oms_core.domain.saga_position import SagaPhase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from oms_adapters.payments.simulated import OperationAudit, PaymentAudit
    from oms_core.domain.inventory import StockMovement
    from oms_core.domain.line_item import LineQuantity
    from oms_core.domain.order import Order
    from oms_core.domain.saga_position import SagaPosition

Move: TypeAlias = "tuple[OrderStatus, OrderStatus]"

GIVES_ALL_BACK: Final = ("place_order", "cancel_order", "check_payment")
"""Sagas that may return money without a refund of the order's own."""


def moves_of(order: Order) -> Iterator[Move]:
    """Go through the moves that an order's status made."""
    for entry in order.history[1:]:
        if entry.status_before is not None and entry.status_before is not entry.status_after:
            yield entry.status_before, entry.status_after


def sagas_of(order: Order) -> tuple[SagaPosition, ...]:
    """List all sagas of an order, the present one last."""
    return (*order.past_sagas, order.saga)


# -- quantities --------------------------------------------------------------------------------


def check_quantities(order: Order) -> None:
    """Check that every piece is in one place, and no further than those before it."""
    for one in order.quantities.values():
        assert 0 <= one.returned <= one.delivered <= one.fulfilled, one
        assert one.fulfilled + one.fulfilling + one.cancelled <= one.ordered, one
        assert one.returned + one.returning <= one.delivered, one
        assert 0 <= one.refunded <= one.ordered, one
        assert min(one.to_fulfill, one.to_return, one.to_refund) >= 0, one


# -- money -------------------------------------------------------------------------------------


def check_money_flow(order: Order, audit: PaymentAudit | None) -> None:
    """Check that whatever moved at the provider was written down by the order before.

    Nothing is recorded that did not happen; what happened and is not recorded yet is under way.
    """
    payment = order.payment
    assert 0 <= payment.refunded.minor <= payment.captured.minor
    if order.status not in {OrderStatus.PENDING_PAYMENT, OrderStatus.FAILED}:
        assert payment.captured <= order.total
    if audit is None:
        assert not payment.captured
        return
    if audit.authorized.currency != order.currency:
        return
    assert payment.captured <= audit.captured, "I2: recorded a capture that did not happen"
    assert payment.refunded <= audit.refunded, "I2: recorded a refund that did not happen"
    if any(one.name in GIVES_ALL_BACK and not one.phase.is_over for one in sagas_of(order)):
        return
    under_way = sum(one.amount.minor for one in payment.captures if one.state.is_open)
    assert audit.captured.minor <= payment.captured.minor + under_way, "I2: taken unasked"
    under_way = sum(one.amount.minor for one in payment.refunds if one.state.is_open)
    assert audit.refunded.minor <= payment.refunded.minor + under_way, "I2: given back unasked"


def check_sums(order: Order, audit: PaymentAudit | None) -> None:
    """Check that at rest the order's sums are the provider's, and the sums of its parts."""
    payment = order.payment
    undone = order.saga.is_parked and order.saga.phase is SagaPhase.COMPENSATING
    if audit is not None and audit.authorized.currency == order.currency and not undone:
        assert payment.captured == audit.captured, "I2: captured is not the provider's sum"
        assert payment.refunded == audit.refunded, "I2: refunded is not the provider's sum"
    if order.status.is_dead or undone:
        return
    took_by_itself = "captured" in payment.reference
    done = sum(one.amount.minor for one in payment.captures if one.state is TransferState.DONE)
    assert took_by_itself or payment.captured.minor == done, "I2: captures do not add up"
    done = sum(one.amount.minor for one in payment.refunds if one.state is TransferState.DONE)
    assert payment.refunded.minor == done, "I2: refunds do not add up"
    if order.status is OrderStatus.REFUNDED:
        assert payment.status is PaymentStatus.REFUNDED
        assert payment.refunded == payment.captured


def generations_of(order: Order, operation: OperationAudit) -> int:
    """Count the keys that the order's journals permit for one operation at the provider."""
    name = operation.operation_id or ""
    if operation.operation == "authorize":
        return _generations([sagas_of(order)[0]], "run")
    if found := re.search(r":(?:capture|refund|renewal)/([0-9a-f-]{36})$", name):
        return _generations(
            [one for one in sagas_of(order) if str(one.operation) == found[1]], "run"
        )
    if operation.operation == "refund":
        return 1  # its generation is part of its name
    undoing = [one for one in sagas_of(order) if one.name in GIVES_ALL_BACK]
    return _generations(undoing, "undo", "run")


def _generations(sagas: Iterable[SagaPosition], *actions: str) -> int:
    journals = (one for saga in sagas for one in saga.journal if one.action in actions)
    return max((one.generations for one in journals), default=1)


def check_nothing_is_corrected(order: Order) -> None:
    """Check that provider and order never differ where nobody moves money behind our back.

    A correction here is a mistake of ours, which looks again at what it has under way.
    """
    changes = {entry.change for entry in order.history}
    assert Change.PAYMENT_CORRECTED not in changes, "I2: corrected what was right"
    lapses = order.payment.reference.startswith("sim_short_hold")
    assert lapses or Change.AUTHORIZATION_LAPSED not in changes, "I2: no hold has lapsed"


# -- goods -------------------------------------------------------------------------------------


def promised(order: Order) -> tuple[Counter[str], Counter[str]]:
    """Count the pieces of each sku that stock holds for the order: at least, and at most."""
    ordered: Counter[str] = Counter()
    for line in order.lines:
        ordered[line.sku] += line.quantity
    saga = order.saga
    if saga.step == "reserve_inventory" and not saga.phase.is_over:
        return Counter(), ordered
    if order.reservation not in {ReservationState.HELD, ReservationState.EARMARKED}:
        return Counter(), Counter()
    if order.status.is_dead:
        return Counter(), Counter()
    left = pieces_of(order, FulfillmentState.SHIPPED, FulfillmentState.DELIVERED)
    leaving = pieces_of(order, FulfillmentState.REQUESTED) if saga.step == "ship_goods" else {}
    most = ordered - left
    return most - Counter(leaving), most


def check_goods_flow(order: Order, sku: str, movements: Sequence[StockMovement]) -> None:
    """Check that what left stock for the order and came back is what the order says."""
    parcels = {f"commit of reservation {one.id}" for one in order.fulfillments}
    left = -sum(one.quantity_delta for one in movements if one.reason in parcels)
    surely = pieces_of(order, FulfillmentState.SHIPPED, FulfillmentState.DELIVERED)[sku]
    present = order.saga.step == "ship_goods"
    perhaps = pieces_of(order, FulfillmentState.REQUESTED)[sku] if present else 0
    assert surely <= left <= surely + perhaps, f"I3: {surely} <= {left} <= +{perhaps} left"
    back = sum(o.quantity_delta for o in movements if o.reason == f"return to order {order.id}")
    booked, announced = restocked_of(order, sku)
    assert booked <= back <= announced, f"I3: {booked} <= {back} <= {announced} came back"


def pieces_of(order: Order, *states: FulfillmentState) -> Counter[str]:
    """Count the pieces of each sku in fulfillments that are in one of *states*."""
    pieces: Counter[str] = Counter()
    for one in order.fulfillments:
        if one.state in states:
            pieces.update(_by_sku(order, one.lines))
    return pieces


def restocked_of(order: Order, sku: str) -> tuple[int, int]:
    """Count what came back into stock: booked for sure, and announced in all."""
    skus = {line.number: line.sku for line in order.lines}
    booked = announced = 0
    for receipt in (receipt for one in order.returns for receipt in one.receipts):
        pieces = sum(
            part.quantity for part in receipt.lines if part.restock and skus[part.line] == sku
        )
        announced += pieces
        booked += pieces if receipt.is_booked else 0
    return booked, announced


def _by_sku(order: Order, lines: Iterable[LineQuantity]) -> Counter[str]:
    skus = {line.number: line.sku for line in order.lines}
    pieces: Counter[str] = Counter()
    for part in lines:
        pieces[skus[part.line]] += part.quantity
    return pieces


# -- rest --------------------------------------------------------------------------------------


def check_rest(order: Order) -> None:
    """Check I6: every operation is over, is appointed for later, or waits for a person."""
    if order.saga.is_parked:
        assert order.saga.attention is not None, "I6: parked, and nobody is told"
        assert order.saga.attention.code in NEEDS_A_PERSON, f"I6: {order.saga.attention}"
        return
    assert order.saga.phase.is_over, f"I6: {order.status} {order.saga}"
    if order.status is OrderStatus.PENDING_PAYMENT:
        raise AssertionError("I6: never decided")
    for one in order.operations:
        if one.is_over:
            assert (one.refusal is None) == (one.state is OperationState.DONE)
            continue
        assert one.state is OperationState.QUEUED, f"I6: {one}"
        assert one.due_at is not None, f"I6: {one} is forgotten"
        assert order.saga.due_at is not None, f"I6: nobody is woken for {one}"
        assert order.saga.due_at <= one.due_at
    assert not any(one.state.is_open for one in order.payment.captures)
    assert not any(one.state.is_open for one in order.payment.refunds)
    assert not any(o.state is FulfillmentState.REQUESTED for o in order.fulfillments)
    assert all(r.is_booked for one in order.returns for r in one.receipts)
    asked = [one for one in order.operations if one.kind is OperationKind.CANCEL]
    if any(one.state is OperationState.DONE for one in asked):
        assert order.status is OrderStatus.CANCELLED


NEEDS_A_PERSON: Final = frozenset({"rest_still_held", "release_rejected"})
"""What no retry mends: somebody must act at the provider first."""
