"""Operations of one order that come close together: none takes, gives or sends anything twice."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from oms_core import Change, OrderStatus, PlaceOrderSettings
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    DeliverGoods,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.payment_policy import CapturePolicy
from oms_core.domain.operation import OperationKind, OperationState
from oms_core.domain.payment import PaymentState, TransferState
from oms_core.domain.saga_position import SagaPhase
from oms_core.errors import NotPossible, OutcomeUnknown
from oms_core.ports.payments import Cancel, Capabilities, Capture, OperationResult, OperationStatus
from oms_core.testing.faults import Fault, FaultPlan
from tests.support.order_life import OrderLife
from tests.support.scripted_payments import PENDING, a_snapshot
from tests.support.shop import SOFT

ALL = FulfillOrder()


def partly_paid_and_completed() -> OrderLife:
    """Complete an order of which 10.00 of 64.96 are captured, and the rest is held."""
    shop = OrderLife(CapturePolicy.MANUAL)
    shop.confirmed()
    shop.ask_and_work("capture", CapturePayment("10.00"))
    shop.ask_and_work("fulfill", ALL)
    (parcel,) = shop.order().fulfillments
    shop.ask("deliver", parcel.id, DeliverGoods())
    shop.ask("complete", CompleteOrder())
    return shop


# -- captures and refunds ----------------------------------------------------------------------


def test_nothing_is_taken_for_an_order_that_is_refunded() -> None:
    """A refunded order is over: what were taken for it could never be given back."""
    shop = partly_paid_and_completed()
    shop.ask_and_work("refund", RefundPayment())

    assert shop.order().status is OrderStatus.REFUNDED
    with pytest.raises(NotPossible, match="The order is refunded; no money is taken for it"):
        shop.ask("capture", CapturePayment())


def test_a_capture_that_waits_behind_the_refund_of_everything_takes_nothing() -> None:
    shop = partly_paid_and_completed()
    shop.ask("refund", RefundPayment())
    waiting = shop.ask("capture", CapturePayment()).operation.id

    shop.oms.run_until_idle()

    capture = shop.operation(waiting)
    assert shop.order().status is OrderStatus.REFUNDED
    assert capture.state is OperationState.REFUSED
    assert capture.refusal is not None
    assert capture.refusal.code == "order_is_over"
    assert shop.books() == ("64.96", "10.00", "0.00", "10.00")


def test_a_hold_is_not_seen_to_for_an_order_that_is_refunded() -> None:
    """Nobody is told to capture what must not be captured."""
    shop = partly_paid_and_completed()
    shop.ask_and_work("refund", RefundPayment())

    for _ in range(8):
        shop.pass_time(86_400.0)

    assert shop.order().saga.attention is None


def test_goods_leave_although_a_person_took_less_for_good() -> None:
    """A final capture releases the rest: there is nothing to take for the goods any more."""
    shop = OrderLife()
    shop.confirmed()
    shop.ask_and_work("capture", CapturePayment("10.00", final=True))

    sent = shop.ask_and_work("fulfill", ALL)

    assert sent.state is OperationState.DONE
    assert shop.order().status is OrderStatus.FULFILLED
    assert shop.books() == ("64.96", "10.00", "54.96", "0.00")


def test_a_look_at_the_payment_takes_nothing_back_that_settled_while_it_looked() -> None:
    """What was asked first is older than what was asked next: only one order is right."""
    shop = OrderLife()
    shop.delivered("sim_refund_pending")
    shop.ask("complete", CompleteOrder())
    shop.ask_and_work("refund", RefundPayment())
    shop.clock.advance(9.0)

    def slowly(ask: Callable[..., object], *what: object) -> object:
        answer = ask(*what)
        shop.clock.advance(2.0)
        return answer

    shop.instead |= {"lookup": slowly, "find_operation": slowly}
    for _ in range(2):
        shop.oms.payment_changed(shop.scope, shop.order().id)
        shop.oms.run_until_idle()

    order = shop.order()
    assert Change.PAYMENT_CORRECTED not in {entry.change for entry in order.history}
    assert order.payment.refunded == order.total
    assert order.status is OrderStatus.REFUNDED


# -- what the provider does not decide -------------------------------------------------------


def test_a_refund_that_is_not_decided_for_weeks_does_not_make_the_order_grow() -> None:
    """Each look is remembered, so they become rarer: an order must fit its document."""
    shop = OrderLife()
    shop.delivered()
    shop.ask("complete", CompleteOrder())
    shop.instead |= {"refund": answers(PENDING), "find_operation": answers(PENDING)}
    shop.ask_and_work("refund", RefundPayment())

    for _ in range(30 * 24):
        shop.pass_time(3_600.0)

    looks = [one for one in shop.order().operations if one.kind is OperationKind.CHECK_PAYMENT]
    assert 30 <= len(looks) <= 60
    assert looks[-1].due_at is not None
    assert looks[-1].due_at - shop.clock.now() <= timedelta(days=1)


def test_a_capture_that_is_never_confirmed_is_not_sent_anew_once_its_key_is_forgotten() -> None:
    """The provider accepted it: what it has forgotten would be a second capture."""
    shop = OrderLife()
    shop.confirmed()
    sent: list[str] = []

    def accept(_: object, command: Capture) -> OperationResult:
        sent.append(command.key)
        return PENDING

    shop.instead |= {"capture": accept, "find_operation": answers(None)}
    shop.ask_and_work("capture", CapturePayment())
    for _ in range(3 * 24):
        shop.pass_time(3_600.0)
    before = len(sent)
    for _ in range(24):
        shop.pass_time(3_600.0)

    attention = shop.order().saga.attention
    assert len(set(sent)) == 1
    assert len(sent) == before
    assert attention is not None
    assert attention.code == "capture_pending"


def test_the_release_of_money_that_came_late_is_awaited_however_long_it_takes() -> None:
    """A dead order's money is not forgotten because its release takes long."""
    shop = OrderLife()
    shop.confirmed()
    shop.ask_and_work("cancel", CancelOrder())
    order = shop.order()
    held = a_snapshot(PaymentState.AUTHORIZED, authorized=6_496, order_id=order.id)
    shop.instead |= {"lookup": answers(held), "cancel": answers(PENDING)}
    shop.oms.payment_changed(shop.scope, order.id)

    for _ in range(30):
        shop.pass_time(600.0)

    waiting = shop.order().saga
    assert (waiting.name, waiting.phase) == ("check_payment", SagaPhase.RUNNING)
    assert waiting.attention is not None
    assert waiting.attention.code == "release_pending"
    shop.instead.clear()
    shop.pass_time(600.0)
    assert shop.order().saga.phase is SagaPhase.COMPLETED
    assert shop.order().saga.attention is None


def test_money_that_came_late_is_released_under_a_new_key_if_the_first_answers_for_ever() -> None:
    """A provider may replay a stored error for a key: F15."""
    shop = OrderLife()
    shop.confirmed()
    shop.ask_and_work("cancel", CancelOrder())
    order = shop.order()
    held = a_snapshot(PaymentState.AUTHORIZED, authorized=6_496, order_id=order.id)
    keys: list[str] = []

    def refuse_the_first_key(_: object, command: Cancel) -> OperationResult:
        keys.append(command.key)
        if command.key == keys[0]:
            raise OutcomeUnknown(reason="http_500")
        return OperationResult(OperationStatus.DONE)

    shop.instead |= {"lookup": answers(held), "cancel": refuse_the_first_key}
    shop.oms.payment_changed(shop.scope, order.id)
    for _ in range(30):
        shop.pass_time(20.0)

    assert len(set(keys)) == 2
    assert shop.order().saga.phase is SagaPhase.COMPLETED


# -- flags, and what waits behind them -------------------------------------------------------


def test_a_hold_that_cannot_be_made_anew_is_told_although_something_else_is_to_be_done() -> None:
    shop = OrderLife(CapturePolicy.MANUAL, capabilities=Capabilities(can_reauthorize=False))
    shop.confirmed("sim_short_hold")
    shop.clock.advance(31.0)
    shop.ask("fulfill", FulfillOrder([Pieces(1, 1)]))

    shop.oms.run_until_idle()

    attention = shop.order().saga.attention
    assert attention is not None
    assert attention.code == "authorization_expires"


def test_the_retry_of_a_flag_takes_it_down_and_begins_nothing() -> None:
    shop = OrderLife(capabilities=Capabilities(can_reauthorize=False))
    shop.confirmed("sim_short_hold")
    shop.pass_time(31.0)
    before = shop.order()

    shop.oms.retry_saga(shop.scope, before.id, reason="I know", actor="pat")
    shop.oms.run_until_idle()

    after = shop.order()
    assert before.saga.attention is not None
    assert (after.saga.attention, after.saga.due_at) == (None, None)
    assert after.past_sagas == before.past_sagas
    assert shop.ask_and_work("fulfill", ALL).state is OperationState.DONE


def test_what_is_asked_while_the_provider_cannot_be_looked_up_is_done_all_the_same() -> None:
    """A look that fails for long is put off; captures and parcels do not wait for a person."""
    shop = OrderLife(CapturePolicy.MANUAL)
    shop.confirmed()
    shop.instead |= {"lookup": raises(OutcomeUnknown(reason="http_503"))}
    shop.oms.payment_changed(shop.scope, shop.order().id)
    for _ in range(30):
        shop.pass_time(61.0)

    sent = shop.ask_and_work("fulfill", ALL)

    assert sent.state is OperationState.DONE
    shop.instead.clear()
    for _ in range(4):
        shop.pass_time(400.0)
    last = [o for o in shop.order().operations if o.kind is OperationKind.CHECK_PAYMENT][-1]
    assert last.state is OperationState.DONE


def answers(answer: object) -> Callable[..., object]:
    """Answer this, whatever is asked."""
    return lambda *_: answer


def raises(error: Exception) -> Callable[..., object]:
    """Fail like this, whatever is asked."""

    def fail(*_: object) -> object:
        raise error

    return fail


# -- what was sent and not heard of ----------------------------------------------------------


@pytest.mark.parametrize("method", ["capture", "refund"])
def test_what_was_sent_and_not_heard_of_is_sent_again_under_its_key(method: str) -> None:
    """Some providers only tell by notifications: that nothing came does not mean that it will."""
    shop = OrderLife(CapturePolicy.MANUAL if method == "capture" else CapturePolicy.FULFILLMENT)
    if method == "capture":
        shop.confirmed()
    else:
        shop.delivered()
        shop.ask("complete", CompleteOrder())
    keys: list[str] = []

    def lose_for_a_minute(there: Callable[..., object], command: Capture) -> object:
        keys.append(command.key)
        if shop.clock.now() < began_at + timedelta(seconds=60):
            raise OutcomeUnknown(reason="read_timeout")
        return there(command)

    began_at = shop.clock.now()
    sent = OperationResult(OperationStatus.PENDING, reason="sent_and_not_heard_of")
    shop.instead |= {method: lose_for_a_minute, "find_operation": answers(sent)}
    asked = shop.ask_and_work(method, CapturePayment() if method == "capture" else RefundPayment())
    for _ in range(30):
        shop.pass_time(10.0)

    assert shop.operation(asked.id).state is OperationState.DONE
    assert len(set(keys)) == 1
    assert shop.order().payment.captured.amount == "64.96"
    assert shop.order().payment.refunded.amount == ("64.96" if method == "refund" else "0.00")


# -- cancelling ------------------------------------------------------------------------------


def test_an_order_that_is_cancelled_while_it_is_confirmed_leaves_no_capture_open() -> None:
    """The confirmation has had its effect, but it asks for nothing that the end would refuse."""
    saga = PlaceOrderSettings(allocation=SOFT)
    calls = OrderLife(CapturePolicy.CONFIRMATION, saga=saga)
    calls.confirmed()
    [hardening] = [one.number for one in calls.plan.calls if one.method == "harden"]
    plan = FaultPlan(
        {hardening: Fault.PAUSE_AFTER}, meanwhile=lambda: shop.ask("cancel", CancelOrder())
    )
    shop = OrderLife(CapturePolicy.CONFIRMATION, saga=saga, plan=plan)
    shop.place()

    shop.oms.run_until_idle()

    order = shop.order()
    assert Change.ORDER_CONFIRMED in {entry.change for entry in order.history}
    assert order.status is OrderStatus.CANCELLED
    assert not order.payment.captures
    assert all(one.kind is OperationKind.CANCEL for one in order.operations)
    assert shop.books() == ("64.96", "0.00", "64.96", "0.00")


# -- what is counted -------------------------------------------------------------------------


def test_pieces_of_a_rejected_refund_can_be_refunded_again() -> None:
    shop = OrderLife()
    shop.delivered("sim_refund_rejected")
    shop.ask("complete", CompleteOrder())
    shop.ask_and_work("refund", RefundPayment(lines=[Pieces(1, 2)]))

    assert shop.order().quantities[1].refunded == 0
    assert shop.ask("refund", RefundPayment(lines=[Pieces(1, 2)])).operation.kind is (
        OperationKind.REFUND
    )


def test_pieces_whose_return_is_under_way_cannot_be_announced_twice() -> None:
    shop = OrderLife()
    shop.delivered()
    shop.ask("request_return", RequestReturn([Pieces(1, 2)]))

    with pytest.raises(NotPossible, match=r"Line 1 \(CRUNCHY-ARMCHAIR\) has 0 left to return"):
        shop.ask("request_return", RequestReturn([Pieces(1, 1)]))


def test_goods_are_paid_before_a_final_capture_that_waits_behind_them() -> None:
    """A capture that is only asked for may be refused: it releases nobody from paying."""
    shop = OrderLife()
    order = shop.confirmed()
    shop.oms.payment_changed(shop.scope, order.id)
    shop.ask("fulfill", FulfillOrder([Pieces(1, 1)]))
    shop.ask("capture", CapturePayment("1.00", final=True))

    shop.oms.run_until_idle()

    order = shop.order()
    [parcel] = order.fulfillments
    paid = order.payment.capture(parcel.id)
    assert paid is not None
    assert paid.state is TransferState.DONE
    assert shop.books() == ("64.96", "22.65", "42.31", "0.00")


def test_goods_that_came_back_are_not_counted_twice_while_they_are_booked() -> None:
    shop = OrderLife()
    shop.delivered()
    asked = shop.ask("request_return", RequestReturn([Pieces(1, 2)])).operation.id
    shop.ask("approve_return", asked, DecideReturn())
    shop.ask("receive_return", asked, ReceiveReturn([PiecesReceived(1, 2)]))

    with pytest.raises(NotPossible, match="came back and are being booked"):
        shop.ask("receive_return", asked, ReceiveReturn([PiecesReceived(1, 1)]))


def test_looks_at_a_provider_that_is_silent_for_days_become_rarer() -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.instead |= {"lookup": raises(OutcomeUnknown(reason="http_503"))}
    shop.oms.payment_changed(shop.scope, shop.order().id)

    for _ in range(5 * 24 * 6):
        shop.pass_time(600.0)

    looks = [one for one in shop.order().operations if one.kind is OperationKind.CHECK_PAYMENT]
    attention = shop.order().saga.attention
    assert 5 <= len(looks) <= 20
    assert all(one.refusal is not None for one in looks[:-1])
    assert attention is not None
    assert attention.code == "provider_silent"
