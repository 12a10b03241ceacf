"""The provider's word counts: money moved by hand, late money, refusals that had an effect."""

from collections.abc import Callable
from functools import partial

import pytest
from attrs import evolve

from oms_core import Change, Money, OrderStatus
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.payment_policy import CapturePolicy
from oms_core.application.steering import Operator
from oms_core.domain.correcting import correct, differences
from oms_core.domain.operation import Operation, OperationKind, OperationState
from oms_core.domain.payment import PaymentState, PaymentStatus
from oms_core.domain.returning import book_receipt
from oms_core.domain.scope import order_id_for
from oms_core.errors import CredentialsRejected, InvalidState, OutcomeUnknown, PaymentNotFound
from oms_core.ports.payments import Capture, OperationResult, OperationStatus, Refund
from oms_core.testing import NOON, a_scope
from tests.support.order_life import OrderLife
from tests.support.scripted_payments import DONE, PENDING, a_snapshot

REJECTED = OperationResult(OperationStatus.REJECTED, reason="do_not_honor")
ANOTHER = order_id_for(a_scope(), "another")


def one_after_the_other(*answers: object) -> Callable[..., object]:
    """Give these answers, the last one for ever; an error is raised."""
    left = list(answers)

    def answer(*_: object) -> object:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, Exception):
            raise one
        return one

    return answer


def look(shop: OrderLife) -> None:
    """Let the order look at its payment."""
    shop.oms.payment_changed(shop.scope, shop.order().id)
    shop.oms.run_until_idle()


def attention_of(shop: OrderLife) -> str | None:
    """Tell why a person should look at the order."""
    attention = shop.order().saga.attention
    return None if attention is None else attention.code


# -- moved by hand -----------------------------------------------------------------------------


def test_money_taken_by_hand_is_recorded() -> None:
    shop = OrderLife()
    order = shop.confirmed()
    ref = shop.ref("good_card")
    shop.payments.capture(Capture(ref, Money(1_000, "USD"), "by-hand", "by-hand", final=False))

    look(shop)
    look(shop)

    order = shop.order()
    corrected = [one for one in order.history if one.change is Change.PAYMENT_CORRECTED]
    assert [dict(one.facts) for one in corrected] == [
        {"captured": "10.00", "refunded": "0.00", "currency": "USD"}
    ]
    assert order.payment.captured == Money(1_000, "USD")
    assert order.payment.status is PaymentStatus.PARTIALLY_CAPTURED
    assert shop.ask_and_work("fulfill", FulfillOrder()).state is OperationState.DONE
    assert shop.books() == ("64.96", "64.96", "0.00", "0.00")


def test_money_given_back_by_hand_is_recorded_and_cannot_be_given_back_again() -> None:
    shop = OrderLife()
    shop.delivered()
    shop.ask("complete", CompleteOrder())
    shop.payments.refund(Refund(shop.ref("good_card"), Money(6_000, "USD"), "by-hand", "by-hand"))

    look(shop)
    shop.ask_and_work("refund", RefundPayment())

    assert shop.order().payment.refunded == shop.order().total
    assert shop.books()[3] == "64.96"


@pytest.mark.parametrize("open_one", ["capture", "refund"])
def test_what_is_under_way_is_no_difference(open_one: str) -> None:
    shop = OrderLife(CapturePolicy.MANUAL if open_one == "capture" else CapturePolicy.FULFILLMENT)
    if open_one == "capture":
        shop.confirmed()
        shop.ask("capture", CapturePayment())
    else:
        shop.delivered()
        shop.ask("complete", CompleteOrder())
        shop.ask("refund", RefundPayment())
    order, zero = shop.order(), Money(0, "USD")

    assert differences(order, PaymentState.CAPTURED, order.total, order.total) == ()
    assert correct(order, PaymentState.CAPTURED, zero, zero, at=NOON) is order


def test_differences_are_said_in_words() -> None:
    order = OrderLife(CapturePolicy.MANUAL).confirmed()
    paid = Money(1_000, "USD")

    said = [str(one) for one in differences(order, PaymentState.EXPIRED, paid, paid)]

    assert said == [
        "captured: the order says 0.00 USD, the provider 10.00 USD",
        "refunded: the order says 0.00 USD, the provider 10.00 USD",
        "hold: the order says authorized, the provider expired",
    ]


# -- unknown, late, another's ------------------------------------------------------------------


def test_a_payment_that_the_provider_no_longer_knows_calls_a_person() -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.instead["lookup"] = one_after_the_other(PaymentNotFound())

    look(shop)

    assert attention_of(shop) == "payment_unknown"
    assert shop.order().payment.status is PaymentStatus.AUTHORIZED


def test_a_dead_order_whose_payment_is_unknown_calls_nobody() -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.ask_and_work("cancel", CancelOrder())
    shop.instead["lookup"] = one_after_the_other(PaymentNotFound())

    look(shop)

    assert attention_of(shop) is None


def test_money_under_a_dead_orders_reference_is_touched_only_if_it_is_the_orders() -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.ask_and_work("cancel", CancelOrder())
    touched: list[object] = []

    def touch(*what: object) -> OperationResult:
        touched.append(what)
        return DONE

    shop.instead["cancel"] = touch
    held = a_snapshot(PaymentState.AUTHORIZED, authorized=6_496)

    shop.instead["lookup"] = one_after_the_other(evolve(held, order_id=ANOTHER))
    look(shop)
    of_another = attention_of(shop), len(touched)
    shop.instead["lookup"] = one_after_the_other(held)
    look(shop)
    of_nobody = attention_of(shop), len(touched)
    returned = a_snapshot(PaymentState.CAPTURED, authorized=9, captured=9, refunded=9)
    shop.instead["lookup"] = one_after_the_other(returned)
    look(shop)

    assert of_another == (None, 0)
    assert of_nobody == ("money_of_a_dead_order", 0)
    assert (attention_of(shop), len(touched)) == (None, 0)


def test_an_order_that_costs_nothing_asks_no_provider() -> None:
    shop = OrderLife()
    shop.oms.place_order(shop.scope, evolve(shop.request(price="0"), adjustments=[]))
    shop.oms.run_until_idle()
    shop.instead["lookup"] = one_after_the_other(AssertionError("it was asked"))

    look(shop)

    assert shop.ask_and_work("fulfill", FulfillOrder()).state is OperationState.DONE
    assert attention_of(shop) is None


# -- refused, and yet --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "captured", "state"),
    [
        ((DONE,), "64.96", OperationState.DONE),
        ((None, DONE), "64.96", OperationState.REFUSED),
        ((None,), "0.00", OperationState.REFUSED),
        ((REJECTED,), "0.00", OperationState.REFUSED),
        ((PaymentNotFound(),), "0.00", OperationState.REFUSED),
    ],
)
def test_a_refused_capture_counts_as_what_it_left_at_the_provider(
    found: tuple[object, ...], captured: str, state: OperationState
) -> None:
    """The refusal may be the echo of our own call, whose answer was lost."""
    shop = OrderLife(CapturePolicy.MANUAL)
    shop.confirmed()
    shop.instead |= {
        "capture": one_after_the_other(InvalidState(reason="already_captured")),
        "find_operation": one_after_the_other(*found),
        "lookup": lambda *_: a_snapshot(
            PaymentState.AUTHORIZED,
            authorized=6_496,
            captured=shop.order().payment.captured.minor,
            order_id=shop.order().id,
        ),
    }

    asked = shop.ask_and_work("capture", CapturePayment())

    assert asked.state is state
    assert shop.order().payment.captured.amount == captured
    assert not any(one.state.is_open for one in shop.order().payment.captures)


@pytest.mark.parametrize(
    ("found", "refunded", "state"),
    [
        ((DONE,), "64.96", OperationState.DONE),
        ((None, DONE), "64.96", OperationState.REFUSED),
        ((None,), "0.00", OperationState.REFUSED),
        ((REJECTED,), "0.00", OperationState.REFUSED),
    ],
)
def test_a_refused_refund_counts_as_what_it_left_at_the_provider(
    found: tuple[object, ...], refunded: str, state: OperationState
) -> None:
    shop = OrderLife()
    shop.delivered()
    shop.ask("complete", CompleteOrder())
    shop.instead |= {
        "refund": one_after_the_other(InvalidState(reason="already_refunded")),
        "find_operation": one_after_the_other(*found),
        "lookup": lambda *_: a_snapshot(
            PaymentState.CAPTURED,
            authorized=6_496,
            captured=6_496,
            refunded=shop.order().payment.refunded.minor,
            order_id=shop.order().id,
        ),
    }

    asked = shop.ask_and_work("refund", RefundPayment())

    assert asked.state is state
    assert shop.order().payment.refunded.amount == refunded
    assert shop.order().status is (
        OrderStatus.REFUNDED if refunded == "64.96" else OrderStatus.COMPLETED
    )


# -- goods that come back ----------------------------------------------------------------------


def test_pieces_of_one_line_that_come_back_in_two_parcels_are_both_in_stock_again() -> None:
    shop = OrderLife()
    shop.delivered()
    asked = shop.ask("request_return", RequestReturn([Pieces(1, 2)])).operation.id
    shop.ask("approve_return", asked, DecideReturn())

    for _ in range(2):
        shop.ask_and_work("receive_return", asked, ReceiveReturn([PiecesReceived(1, 1)]))

    assert shop.level().on_hand == 10
    assert shop.order().quantities[1].returned == 2


def test_a_receipt_that_is_booked_is_not_booked_again() -> None:
    shop = OrderLife()
    shop.delivered()
    asked = shop.ask("request_return", RequestReturn([Pieces(1, 2)])).operation.id
    shop.ask("approve_return", asked, DecideReturn())
    booked = shop.ask_and_work("receive_return", asked, ReceiveReturn([PiecesReceived(1, 1)]))

    order = shop.order()

    assert book_receipt(order, booked.id, at=NOON) is order


# -- retried by a person -----------------------------------------------------------------------

PAT = Operator("pat", "the provider is back")
SILENT = OutcomeUnknown(reason="http_503")


def retry(shop: OrderLife) -> None:
    """Have a person retry the order, and do what is due then; no time passes."""
    shop.oms.steering.retry(shop.scope, shop.order().id, PAT)
    shop.oms.run_until_idle()


def waiting_looks(shop: OrderLife) -> list[Operation]:
    return [one for one in shop.order().operations if one.state is OperationState.QUEUED]


def fallen_silent(shop: OrderLife, method: str) -> None:
    """Let the provider be silent for so long that the order is flagged."""
    shop.instead[method] = one_after_the_other(SILENT)
    while attention_of(shop) is None:
        shop.pass_time(60.0)
    assert attention_of(shop) == "provider_silent"


def test_a_retry_looks_at_once_at_a_provider_that_was_silent() -> None:
    """Not when the look that was put off is due: that may be a day later."""
    shop = OrderLife()
    shop.confirmed()
    shop.payments.capture(Capture(shop.ref("good_card"), shop.order().total, "hand", "hand"))
    shop.oms.payment_changed(shop.scope, shop.order().id)
    fallen_silent(shop, "lookup")
    del shop.instead["lookup"]

    retry(shop)

    assert attention_of(shop) is None
    assert shop.order().payment.status is PaymentStatus.CAPTURED
    assert OperationKind.CHECK_PAYMENT not in {one.kind for one in waiting_looks(shop)}


def test_a_retry_makes_a_hold_anew_at_once_that_a_silent_provider_did_not() -> None:
    shop = OrderLife()
    before = shop.confirmed().payment.authorization
    fallen_silent(shop, "reauthorize")
    del shop.instead["reauthorize"]

    retry(shop)

    after = shop.order().payment.authorization
    assert before is not None
    assert after is not None
    assert before.expires_at is not None
    assert after.expires_at is not None
    assert after.expires_at > before.expires_at
    assert attention_of(shop) is None


def test_a_retry_that_meets_silence_again_is_put_off_again_and_once() -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.oms.payment_changed(shop.scope, shop.order().id)
    fallen_silent(shop, "lookup")

    retry(shop)
    while attention_of(shop) is None:
        shop.pass_time(60.0)

    assert attention_of(shop) == "provider_silent"
    kinds = [one.kind for one in waiting_looks(shop)]
    assert kinds.count(OperationKind.CHECK_PAYMENT) == 1


def test_a_paused_order_that_is_flagged_looks_at_once_when_it_is_retried() -> None:
    shop = OrderLife()
    shop.confirmed()
    shop.oms.payment_changed(shop.scope, shop.order().id)
    fallen_silent(shop, "lookup")
    shop.oms.steering.pause(shop.scope, shop.order().id, PAT)

    assert asked_in_a_retry(shop) == ["lookup"]

    assert attention_of(shop) is None


def asked_in_a_retry(shop: OrderLife) -> list[str]:
    """Retry, and tell what the provider is asked then; it answers."""
    asked: list[str] = []

    def noting(name: str, there: Callable[..., object], *what: object) -> object:
        asked.append(name)
        return there(*what)

    shop.instead |= {name: partial(noting, name) for name in ("lookup", "reauthorize")}
    retry(shop)
    return sorted(asked)


def test_a_retry_brings_nothing_forward_that_was_not_put_off() -> None:
    """The hold is made anew in time, and not a week early because a look had failed."""
    shop = OrderLife()
    shop.confirmed()
    shop.oms.payment_changed(shop.scope, shop.order().id)
    fallen_silent(shop, "lookup")

    assert asked_in_a_retry(shop) == ["lookup"]

    assert [one.kind for one in waiting_looks(shop)] == [OperationKind.RENEW_AUTHORIZATION]


def test_a_retry_brings_every_look_forward_that_was_put_off() -> None:
    """The provider was silent to both kinds; the flag is about the later one."""
    shop = OrderLife()
    shop.confirmed()
    shop.oms.payment_changed(shop.scope, shop.order().id)
    fallen_silent(shop, "lookup")
    shop.instead["reauthorize"] = one_after_the_other(SILENT)
    renewal = OperationKind.RENEW_AUTHORIZATION
    while not any(one.kind is renewal and one.is_over for one in shop.order().operations):
        shop.pass_time(60.0)

    assert asked_in_a_retry(shop) == ["lookup", "reauthorize"]


HELD_UP: dict[str, tuple[str, dict[str, object]]] = {
    "capture_pending": ("capture", {"capture": PENDING, "find_operation": PENDING}),
    "release_pending": ("cancel", {"cancel": PENDING}),
    "retrying_for_long": ("cancel", {"cancel": SILENT, "lookup": SILENT}),
    "payment_credentials_rejected": ("capture", {"capture": CredentialsRejected("revoked")}),
}
"""Flags of orders that go on by themselves → what was asked, and what the provider answers."""


@pytest.mark.parametrize("flag", HELD_UP)
def test_a_retry_makes_an_order_that_goes_on_by_itself_try_at_once(flag: str) -> None:
    wish, answers = HELD_UP[flag]
    shop = OrderLife(CapturePolicy.MANUAL)
    shop.confirmed()
    shop.instead |= {name: one_after_the_other(answer) for name, answer in answers.items()}
    shop.ask(wish, {"capture": CapturePayment(), "cancel": CancelOrder()}[wish])
    while attention_of(shop) != flag:
        shop.pass_time(30.0)
    shop.instead.clear()

    retry(shop)

    assert shop.order().saga.phase.is_over
    assert attention_of(shop) is None
    assert shop.books()[1 if wish == "capture" else 2] == "64.96"
