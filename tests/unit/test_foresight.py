"""What an operation would cause, told before it is asked for: it is what then happens."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms_core.application.actions import Action
from oms_core.application.foresight import Foresight, StockEffect
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    FulfillOrder,
    Pieces,
    RefundPayment,
)
from oms_core.application.payment_policy import CapturePolicy
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.order import Order
from oms_core.domain.payment import PaymentStatus
from oms_core.errors import InvalidInput, NotPossible, OrderNotFound, VersionMismatch
from oms_core.ports.payments import Capabilities
from oms_core.testing import a_scope
from tests.support.drawn_life import CHAIR, HOW_TO_ASK, LAMP, OrderLife

FORESEEABLE = {
    OperationKind.CANCEL,
    OperationKind.CAPTURE,
    OperationKind.FULFILL,
    OperationKind.REQUEST_RETURN,
    OperationKind.REFUND,
}
CHOICES = st.lists(st.integers(0, 1_000), max_size=16)
REFERENCES = st.sampled_from(
    ["good_card", "sim_asynchronous", "sim_capture_answer_lost_once", "sim_captured"]
)


def foretell(life: OrderLife, request: object) -> Foresight:
    return life.oms.operations.look_ahead(life.scope, life.order_id, request)  # type: ignore[arg-type]


def voided(life: OrderLife) -> int:
    """Tell what the provider's own books say was released, in minor units."""
    rows = [row for row in life.payments.audit() if row.order_id == life.order_id]
    return sum(row.voided.minor for row in rows)


def statuses(order: Order) -> Sequence[object]:
    return (
        order.status,
        order.payment.status,
        order.payment.captured,
        order.payment.refunded,
        order.fulfillment_status,
        order.return_status,
        order.reservation,
    )


@given(
    reference=REFERENCES,
    policy=st.sampled_from(CapturePolicy),
    in_parts=st.booleans(),
    choices=CHOICES,
    last=st.integers(0, 1_000),
    settled=st.booleans(),
)
def test_what_is_foretold_is_what_then_happens(
    reference: str,
    policy: CapturePolicy,
    in_parts: bool,  # noqa: FBT001 - drawn by Hypothesis
    choices: list[int],
    last: int,
    settled: bool,  # noqa: FBT001 - likewise
) -> None:
    life = OrderLife(reference, policy, Capabilities(captures_in_parts=in_parts))
    life.live(choices)
    # A refund that the provider has not decided yet may end after what is asked next.
    settled = settled or reference == "sim_asynchronous"
    if settled:
        life.settle()
    possible = [
        (action, request)
        for action in life.allowed
        if action.kind in FORESEEABLE
        for request in (HOW_TO_ASK[action.kind].default, *HOW_TO_ASK[action.kind].others)
    ]
    assume(possible)
    action, request = possible[last % len(possible)]
    before, stock_before, voided_before = life.order, life.stock(), voided(life)

    foretold = refusal = None
    try:
        foretold = foretell(life, request)
    except NotPossible as refused:
        refusal = refused.sentence
    assert life.order == before, "to foretell changes nothing"
    if foretold is None:
        with pytest.raises(NotPossible) as again:
            life.ask(action, request)
        assert again.value.sentence == refusal
        return
    operation_id = life.ask(action, request).operation.id
    life.settle()

    after = life.order
    operation = after.operation(operation_id)
    assert operation is not None
    assert foretold.operation.state is operation.state
    # A return is asked for at once, and what was asked before it may still be under way then.
    if settled or action.kind is not OperationKind.REQUEST_RETURN:
        assert statuses(foretold.after) == statuses(after)
    if settled:
        assert foretold.captured == after.payment.captured - before.payment.captured
        assert foretold.refunded == after.payment.refunded - before.payment.refunded
        stock_after = life.stock()
        assert list(foretold.stock) == [
            StockEffect(item, on_hand, reserved)
            for item in sorted(stock_before)
            for on_hand, reserved in [
                (
                    stock_after[item][0] - stock_before[item][0],
                    stock_after[item][1] - stock_before[item][1],
                )
            ]
            if on_hand or reserved
        ]
        assert foretold.released.minor == voided(life) - voided_before


def confirmed() -> OrderLife:
    life = OrderLife()
    life.work()
    return life


def test_a_parcel_takes_its_share_of_the_money_and_its_pieces() -> None:
    foretold = foretell(confirmed(), FulfillOrder([Pieces(1, 1)]))

    assert (foretold.captured.amount, foretold.refunded.amount) == ("11.42", "0.00")
    assert foretold.released.amount == "0.00"
    assert foretold.stock == (StockEffect(CHAIR, -1, -1),)


def test_a_final_capture_releases_the_rest_of_the_hold() -> None:
    foretold = foretell(confirmed(), CapturePayment("30.00", final=True))

    assert (foretold.captured.amount, foretold.released.amount) == ("30.00", "9.99")


def test_a_cancellation_gives_stock_and_hold_back() -> None:
    foretold = foretell(confirmed(), CancelOrder())

    assert foretold.released.amount == "39.99"
    assert foretold.stock == (StockEffect(CHAIR, 0, -2), StockEffect(LAMP, 0, -3))
    assert foretold.after.payment.status is PaymentStatus.VOIDED


def test_what_was_asked_before_does_not_count() -> None:
    """Or the answer to a small parcel would be the money of the large one before it."""
    life = confirmed()
    life.ask(Action(OperationKind.FULFILL, None), FulfillOrder([Pieces(2, 3)]))

    foretold = foretell(life, FulfillOrder([Pieces(1, 1)]))

    assert foretold.stock == (StockEffect(CHAIR, -1, -1),)
    assert foretold.captured.amount == "11.43"
    assert foretold.before.status.value == "partially_fulfilled"


def test_behind_an_order_that_is_stuck_an_operation_would_wait_and_it_says_why() -> None:
    life = confirmed()
    life.oms.inventory.release(life.scope, str(life.order_id))
    life.ask(Action(OperationKind.FULFILL, None), FulfillOrder([Pieces(1, 1)]))
    life.work()

    foretold = foretell(life, CapturePayment("1.00"))

    assert life.order.saga.attention is not None
    assert foretold.operation.state is OperationState.QUEUED
    assert foretold.why == life.order.saga.attention.message


def test_a_stale_version_a_foreign_order_and_an_unknown_line_are_refused() -> None:
    life = confirmed()
    look_ahead = life.oms.operations.look_ahead

    with pytest.raises(VersionMismatch):
        look_ahead(life.scope, life.order_id, CancelOrder(), if_version=life.order.version - 1)
    with pytest.raises(OrderNotFound):
        look_ahead(a_scope("globex", "globex-furniture"), life.order_id, CancelOrder())
    with pytest.raises(InvalidInput, match="no line 7"):
        foretell(life, FulfillOrder([Pieces(7, 1)]))
    with pytest.raises(NotPossible, match="money is given back once"):
        foretell(life, RefundPayment())
