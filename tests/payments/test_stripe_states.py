"""What Stripe says of a payment is told as it is: states, sums, owners and operations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.payments.stripe.states import EXPIRED_BY_STRIPE, REFUND_STATES, STATES
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import InvalidRequest, InvalidState, OutcomeUnknown, PaymentTrouble
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    OperationStatus,
    PaymentRef,
    PaymentSnapshot,
    Refund,
)
from oms_core.testing import SimulatedClock
from oms_core.testing.at_once import at_once
from tests.support.http_faults import LOST_BEFORE, HttpFault, answers
from tests.support.stripe_double import StripeStage
from tests.support.stripe_double.objects import CARD_NUMBER, CUSTOMER, HOLD_LASTS_S
from tests.support.stripe_double.objects import Refund as StripeRefund
from tests.support.stripe_double.sdk_words import sdk_words

TOTAL = Money(10_000, "USD")


@pytest.fixture
def stage() -> Iterator[StripeStage]:
    stage = StripeStage(SimulatedClock())
    yield stage
    stage.close()


def authorize(stage: StripeStage, ref: PaymentRef, order: Any = None) -> PaymentSnapshot:
    return stage.provider.authorize(Authorize(ref, TOTAL, order or uuid4(), str(uuid4())))


def capture(
    stage: StripeStage, ref: PaymentRef, minor: int = 10_000, *, final: bool = True
) -> None:
    sum_ = Money(minor, "USD")
    stage.provider.capture(Capture(ref, sum_, str(uuid4()), str(uuid4()), final))


# -- the SDK's own lists ---------------------------------------------------------------------


def test_every_status_that_the_sdk_lists_has_a_state() -> None:
    assert set(STATES) == sdk_words(stripe.PaymentIntent, "status")


def test_every_reason_of_a_cancellation_is_somebodys_or_stripes() -> None:
    by_somebody = {
        "abandoned",
        "duplicate",
        "failed_invoice",
        "fraudulent",
        "requested_by_customer",
        "void_invoice",
    }

    assert by_somebody | EXPIRED_BY_STRIPE == sdk_words(stripe.PaymentIntent, "cancellation_reason")


def test_every_status_of_a_refund_has_its_meaning() -> None:
    """The SDK says them in a docstring alone: they are a plain text there."""
    assert set(REFUND_STATES) == {"pending", "requires_action", "succeeded", "failed", "canceled"}


@pytest.mark.parametrize(
    ("status", "more", "state"),
    [
        ("requires_payment_method", {}, PaymentState.REQUIRES_ACTION),
        (
            "requires_payment_method",
            {"error": {"code": "card_declined"}},
            PaymentState.DECLINED,
        ),
        ("requires_confirmation", {}, PaymentState.CONFIRMABLE),
        ("requires_action", {}, PaymentState.REQUIRES_ACTION),
        ("processing", {}, PaymentState.PENDING),
        ("requires_capture", {"amount_capturable": 10_000}, PaymentState.AUTHORIZED),
        (
            "requires_capture",
            {"amount_capturable": 6_000, "amount_received": 4_000},
            PaymentState.PARTIALLY_CAPTURED,
        ),
        ("succeeded", {"amount_received": 10_000}, PaymentState.CAPTURED),
        ("canceled", {}, PaymentState.CANCELLED),
        ("canceled", {"cancellation_reason": "fraudulent"}, PaymentState.CANCELLED),
        ("canceled", {"cancellation_reason": "automatic"}, PaymentState.EXPIRED),
        ("canceled", {"cancellation_reason": "expired"}, PaymentState.EXPIRED),
        ("canceled", {"amount_received": 4_000}, PaymentState.CAPTURED),
        ("requires_reauthorization", {}, PaymentState.PENDING),
        ("expired", {}, PaymentState.PENDING),
    ],
)
def test_every_status_is_told_in_the_ports_words(
    stage: StripeStage, status: str, more: dict[str, Any], state: PaymentState
) -> None:
    ref = stage.a_payment(TOTAL, capture_before=2_000_000_000, status=status, **more)

    seen = stage.provider.lookup(ref)

    assert (seen.state, seen.raw_status) == (state, status)


# -- sums ------------------------------------------------------------------------------------


def test_the_hold_says_when_it_lapses_and_does(stage: StripeStage) -> None:
    ref = stage.a_confirmable_payment(TOTAL)

    held = authorize(stage, ref)

    assert held.expires_at is not None
    left_s = (held.expires_at - stage.clock.now()).total_seconds()
    assert HOLD_LASTS_S - 1 <= left_s <= HOLD_LASTS_S
    stage.clock.advance(HOLD_LASTS_S)
    seen = stage.provider.lookup(ref)
    assert (seen.state, seen.expires_at) == (PaymentState.EXPIRED, None)
    assert (seen.authorized, seen.refunded) == (TOTAL, Money(0, "USD"))


@pytest.mark.parametrize("lists_release", [True, False])
def test_what_a_final_capture_of_a_part_releases_was_not_given_back(
    stage: StripeStage, *, lists_release: bool
) -> None:
    """Stripe may list the release as a refund; counted as one, it would hide money we owe."""
    ref = stage.a_payment(TOTAL, lists_release=lists_release)
    authorize(stage, ref)

    capture(stage, ref, 6_000)

    seen = stage.provider.lookup(ref)
    assert (seen.captured.minor, seen.refunded.minor) == (6_000, 0)
    stage.provider.refund(Refund(ref, Money(6_000, "USD"), "return-1", "key"))
    assert stage.provider.lookup(ref).refunded.minor == 6_000


@pytest.mark.parametrize("lists_release", [True, False])
def test_a_cancelled_payment_gave_nothing_back(stage: StripeStage, *, lists_release: bool) -> None:
    ref, order = stage.a_payment(TOTAL, lists_release=lists_release), uuid4()
    authorize(stage, ref, order)

    stage.provider.cancel(Cancel(ref, order, "void-1", "key"))

    seen = stage.provider.lookup(ref)
    assert (seen.captured.minor, seen.refunded.minor) == (0, 0)


def test_only_refunds_that_succeeded_count_and_those_under_way_are_not_spent_twice(
    stage: StripeStage,
) -> None:
    ref = stage.a_payment(TOTAL, refunds_go="later")
    authorize(stage, ref)
    capture(stage, ref)

    first = stage.provider.refund(Refund(ref, Money(6_000, "USD"), "return-1", "key-1"))

    assert first.status is OperationStatus.PENDING
    assert stage.provider.lookup(ref).refunded.minor == 0
    with pytest.raises(InvalidState):
        stage.provider.refund(Refund(ref, Money(4_001, "USD"), "return-2", "key-2"))
    assert stage.effects(ref, "refund") == 1


@pytest.mark.parametrize("others", [9, 10, 11, 120, 230])
def test_a_refund_is_found_among_however_many(stage: StripeStage, others: int) -> None:
    """Ten come with the payment; the others are read page by page."""
    ref = stage.a_confirmable_payment(TOTAL)
    authorize(stage, ref)
    capture(stage, ref)
    stage.provider.refund(Refund(ref, Money(100, "USD"), "return-1", "key"))
    stage.intent(ref).refunds += [StripeRefund(f"re_other{n}", 10, 1) for n in range(others)]

    found = stage.provider.find_operation(ref, "return-1")

    assert found is not None
    assert found.status is OperationStatus.DONE
    assert stage.provider.lookup(ref).refunded.minor == 100 + 10 * others


def test_a_part_is_captured_for_the_time_being_only_where_stripe_can(stage: StripeStage) -> None:
    """Any other payment would lose the rest of its hold, which nobody asked for."""
    ref = stage.a_payment(TOTAL, multicapture=False)
    authorize(stage, ref)

    with pytest.raises(InvalidRequest):
        capture(stage, ref, 4_000, final=False)

    seen = stage.provider.lookup(ref)
    assert (seen.state, seen.captured.minor) == (PaymentState.AUTHORIZED, 0)


def test_a_payment_under_way_that_cannot_be_cancelled_says_so(stage: StripeStage) -> None:
    ref, order = stage.a_payment(TOTAL, decides="wait", cancelable_while_processing=False), uuid4()
    authorize(stage, ref, order)

    with pytest.raises(InvalidState):
        stage.provider.cancel(Cancel(ref, order, "void-1", "key"))

    assert stage.provider.find_operation(ref, "void-1") is None


# -- whose payment it is ---------------------------------------------------------------------


def test_of_two_orders_that_claim_one_payment_at_once_one_gets_it(stage: StripeStage) -> None:
    """No store of ours stands between two systems that share a Stripe account."""
    for _ in range(5):
        ref = stage.a_confirmable_payment(TOTAL)
        orders = [uuid4() for _ in range(8)]

        def claim(
            number: int, ref: PaymentRef = ref, orders: list[Any] = orders
        ) -> PaymentSnapshot | None:
            try:
                return authorize(stage, ref, orders[number])
            except Exception:  # noqa: BLE001 - told to wait: looks again below
                return None

        at_once(claim, range(len(orders)))

        owner = authorize(stage, ref, orders[0]).order_id
        assert owner in orders
        seen = [authorize(stage, ref, order) for order in orders]
        assert {(one.state, one.order_id) for one in seen} == {(PaymentState.AUTHORIZED, owner)}
        assert stage.effects(ref, "authorize") == 1
        assert stage.intent(ref).payment_details["order_reference"] == f"oms-order.{owner}"


def test_a_payment_that_the_browser_confirmed_is_claimed_and_not_confirmed_again(
    stage: StripeStage,
) -> None:
    ref, order = stage.a_confirmable_payment(TOTAL), uuid4()
    stage.double.confirm_in_the_browser(stage.intent(ref))

    held = authorize(stage, ref, order)

    assert (held.state, held.order_id) == (PaymentState.AUTHORIZED, order)
    assert authorize(stage, ref, uuid4()).order_id == order
    assert stage.effects(ref, "authorize") == 1


def test_after_a_decline_another_order_may_use_the_payment_with_another_card(
    stage: StripeStage,
) -> None:
    """The first order has failed; its mark must not bar the customer's second try."""
    ref, first, second = stage.a_payment_to_be_declined(TOTAL), uuid4(), uuid4()
    assert authorize(stage, ref, first).state is PaymentState.DECLINED
    intent = stage.intent(ref)
    intent.status, intent.error, intent.decides = "requires_confirmation", None, "approve"

    held = authorize(stage, ref, second)

    assert (held.state, held.order_id) == (PaymentState.AUTHORIZED, second)


@pytest.mark.parametrize("keeps", [True, False], ids=["its_reference_stays", "and_does_not"])
def test_an_order_takes_over_what_a_declined_one_left(stage: StripeStage, *, keeps: bool) -> None:
    """Stripe does not say whether a confirm that was declined leaves its reference behind."""
    ref, first, second = stage.a_payment_to_be_declined(TOTAL), uuid4(), uuid4()
    intent = stage.intent(ref)
    intent.keeps_details_of_a_decline = keeps
    assert authorize(stage, ref, first).order_id == (first if keeps else None)
    intent.status, intent.error, intent.decides = "requires_confirmation", None, "approve"

    held = authorize(stage, ref, second)

    assert (held.state, held.order_id) == (PaymentState.AUTHORIZED, second)
    assert authorize(stage, ref, first).order_id == second
    with pytest.raises(InvalidState):
        stage.provider.cancel(Cancel(ref, first, "void-1", "key"))


@pytest.mark.parametrize(
    "written",
    [
        {"order_reference": "CART-17"},
        {"order_reference": "oms-order.CART-17"},
        {"order_reference": f"{uuid4()}"},
        {"customer_reference": "JENNY"},
        {"customer_reference": "JENNY", "order_reference": "CART-17"},
    ],
)
def test_what_the_shop_wrote_for_the_card_networks_stays(
    stage: StripeStage, written: dict[str, str]
) -> None:
    ref, order = stage.a_payment(TOTAL, payment_details=written), uuid4()
    assert stage.provider.lookup(ref).order_id is None

    held = authorize(stage, ref, order)

    assert (held.state, held.order_id) == (PaymentState.AUTHORIZED, order)
    assert stage.intent(ref).payment_details == written
    assert stage.intent(ref).metadata == {"oms_order_id": str(order)}


def test_orders_follow_each_other_on_one_payment_whatever_each_can_write(
    stage: StripeStage,
) -> None:
    """Each is declined and leaves its mark: the last one counts, and also if it comes again."""
    ref = stage.a_payment_to_be_declined(TOTAL)
    intent = stage.intent(ref)
    referenced, marked = [uuid4(), uuid4()], [uuid4(), uuid4(), uuid4()]
    for order in (referenced[0], *marked[:2], referenced[1], marked[2]):
        takes = order in referenced
        stage.double.takes_references = lambda _, takes=takes: takes  # type: ignore[misc]

        assert authorize(stage, ref, order).order_id == order

        intent.status, intent.error = "requires_confirmation", None
    intent.decides, stage.double.takes_references = "approve", lambda _: True

    held = authorize(stage, ref, referenced[1])

    assert (held.state, held.order_id) == (PaymentState.AUTHORIZED, referenced[1])


@pytest.mark.parametrize("captured", [False, True])
def test_money_of_another_order_is_neither_voided_nor_taken_over(
    stage: StripeStage, *, captured: bool
) -> None:
    ref, owner, other = stage.a_confirmable_payment(TOTAL), uuid4(), uuid4()
    authorize(stage, ref, owner)
    if captured:
        capture(stage, ref)
    stage.double.server.requests.clear()

    assert authorize(stage, ref, other).order_id == owner
    with pytest.raises(InvalidState):
        stage.provider.cancel(Cancel(ref, other, "void-1", "key"))

    assert stage.double.operations(ref.reference) == []


def test_an_order_id_that_is_none_of_ours_is_nobodys(stage: StripeStage) -> None:
    ref = stage.a_payment(TOTAL, metadata={"oms_order_id": "4711"})

    assert stage.provider.lookup(ref).order_id is None


def test_metadata_of_the_shop_is_kept(stage: StripeStage) -> None:
    ref = stage.a_payment(TOTAL, metadata={"basket": "4711"})

    authorize(stage, ref)
    capture(stage, ref)

    assert stage.intent(ref).metadata["basket"] == "4711"


# -- answers that are none -------------------------------------------------------------------

_JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)
_FIELDS = [
    *(
        (name,)
        for name in (
            "id",
            "object",
            "amount",
            "amount_capturable",
            "amount_received",
            "cancellation_reason",
            "currency",
            "last_payment_error",
            "latest_charge",
            "metadata",
            "next_action",
            "payment_details",
            "status",
        )
    ),
    ("metadata", "oms_order_id"),
    ("metadata", "oms_instead_of"),
    ("payment_details", "order_reference"),
    *(
        ("latest_charge", name)
        for name in ("amount", "amount_captured", "payment_method_details", "refunds", "status")
    ),
    ("latest_charge", "payment_method_details", "card"),
    ("latest_charge", "payment_method_details", "card", "capture_before"),
    ("latest_charge", "refunds", "data"),
    ("latest_charge", "refunds", "has_more"),
    ("latest_charge", "refunds", "data", 0),
    ("latest_charge", "refunds", "data", 0, "amount"),
    ("latest_charge", "refunds", "data", 0, "metadata"),
    ("latest_charge", "refunds", "data", 0, "status"),
]


@pytest.fixture(scope="module")
def captured() -> Iterator[tuple[StripeStage, PaymentRef]]:
    stage = StripeStage(SimulatedClock())
    ref = stage.a_confirmable_payment(TOTAL)
    authorize(stage, ref)
    capture(stage, ref, 6_000)
    stage.provider.refund(Refund(ref, Money(100, "USD"), "return-1", "key"))
    yield stage, ref
    stage.close()


@given(path=st.sampled_from(_FIELDS), junk=_JUNK)
def test_no_answer_however_odd_raises_anything_but_payment_trouble(
    captured: tuple[StripeStage, PaymentRef], path: tuple[Any, ...], junk: Any
) -> None:
    stage, ref = captured
    document = stage.intent(ref).document(["latest_charge.refunds"])
    *outer, last = path
    place: Any = document
    for step in outer:
        place = place[step]
    place[last] = junk
    body = json.dumps(document).encode()

    for ask in (
        lambda: stage.provider.lookup(ref),
        lambda: stage.provider.find_operation(ref, "return-1"),
        lambda: stage.provider.refund(Refund(ref, Money(100, "USD"), "return-1", "key")),
        lambda: authorize(stage, ref),
        lambda: stage.provider.cancel(Cancel(ref, uuid4(), "void-1", str(uuid4()))),
    ):
        stage.double.server.plan(answers(200, body), lambda request: request.method == "GET")
        with suppress(PaymentTrouble):
            ask()
        stage.double.server.forget_faults()


# -- nobody's business -----------------------------------------------------------------------


def test_a_decline_tells_its_code_and_nothing_of_the_customer(stage: StripeStage) -> None:
    ref = stage.a_payment_to_be_declined(TOTAL)

    told = repr(authorize(stage, ref))

    assert "insufficient_funds" in told
    assert CARD_NUMBER not in told
    assert CUSTOMER not in told
    assert "secret" not in told


def test_the_customer_is_sent_to_stripes_page(stage: StripeStage) -> None:
    ref = stage.a_payment_requiring_action(TOTAL)

    told = authorize(stage, ref).next_action

    assert told == f"https://hooks.stripe.example/3d_secure/{ref.reference}"


@pytest.mark.parametrize("name", ["", "x" * 501, "a\nb", "\ud800"])
def test_an_operations_name_that_stripe_would_not_keep_is_refused(
    stage: StripeStage, name: str
) -> None:
    ref = stage.a_confirmable_payment(TOTAL)
    authorize(stage, ref)
    stage.double.server.requests.clear()

    with pytest.raises(InvalidRequest):
        stage.provider.capture(Capture(ref, TOTAL, name, "key"))

    assert stage.double.server.requests == []


def test_the_longest_name_of_an_operation_is_found_again(stage: StripeStage) -> None:
    ref, name = stage.a_confirmable_payment(TOTAL), "x" * 500
    authorize(stage, ref)

    stage.provider.capture(Capture(ref, TOTAL, name, "key"))

    assert stage.provider.find_operation(ref, name) is not None
    assert stage.provider.find_operation(ref, name[1:]) is None
    assert max(map(len, stage.intent(ref).metadata)) <= 40


# -- what happened between the look-up and the deed ------------------------------------------


def a_stale_look_up(stage: StripeStage, ref: PaymentRef) -> HttpFault:
    """Make the fault by which a later look-up tells what is so now."""
    document = stage.intent(ref).document(["latest_charge.refunds"])
    return answers(200, json.dumps(document).encode())


def test_an_order_that_lost_the_claim_does_not_confirm_for_the_winner(stage: StripeStage) -> None:
    shops = {"order_reference": "CART-17"}
    ref, first = stage.a_payment(TOTAL, payment_details=shops), uuid4()
    stale = a_stale_look_up(stage, ref)
    stage.plan(LOST_BEFORE, ref, "authorize")
    with pytest.raises(OutcomeUnknown):
        authorize(stage, ref, first)
    stage.plan(stale, ref, "lookup")

    told = authorize(stage, ref, uuid4())

    assert (told.state, told.order_id) == (PaymentState.CONFIRMABLE, first)
    assert stage.effects(ref, "authorize") == 0


def test_a_cancel_that_another_order_overtook_leaves_its_money_alone(stage: StripeStage) -> None:
    ref, owner = stage.a_confirmable_payment(TOTAL), uuid4()
    stale = a_stale_look_up(stage, ref)
    authorize(stage, ref, owner)
    stage.plan(stale, ref, "lookup")

    with pytest.raises(InvalidState):
        stage.provider.cancel(Cancel(ref, uuid4(), "void-1", "key"))

    assert stage.effects(ref, "cancel") == 0
    assert stage.provider.lookup(ref).state is PaymentState.AUTHORIZED


def test_a_cancel_that_another_worker_overtook_is_done(stage: StripeStage) -> None:
    ref, order = stage.a_confirmable_payment(TOTAL), uuid4()
    stale = a_stale_look_up(stage, ref)
    stage.provider.cancel(Cancel(ref, order, "void-1", "key-1"))
    stage.plan(stale, ref, "lookup")

    result = stage.provider.cancel(Cancel(ref, order, "void-2", "key-2"))

    assert result.status is OperationStatus.DONE
    assert stage.effects(ref, "cancel") == 1


def test_a_capture_that_another_worker_overtook_is_done(stage: StripeStage) -> None:
    ref = stage.a_confirmable_payment(TOTAL)
    authorize(stage, ref)
    stale = a_stale_look_up(stage, ref)
    stage.provider.capture(Capture(ref, TOTAL, "ship-1", "key-1"))
    stage.plan(stale, ref, "lookup")

    result = stage.provider.capture(Capture(ref, TOTAL, "ship-1", "key-2"))

    assert result.status is OperationStatus.DONE
    assert stage.effects(ref, "capture") == 1


def test_a_decline_that_stripe_repeats_under_its_key_is_one_still(stage: StripeStage) -> None:
    """Another card needs another attempt, and that is the customer's decision."""
    ref, order = stage.a_payment_to_be_declined(TOTAL), uuid4()
    command = Authorize(ref, TOTAL, order, "one-key")
    stage.provider.authorize(command)
    intent = stage.intent(ref)
    intent.status, intent.error, intent.decides = "requires_confirmation", None, "approve"

    told = stage.provider.authorize(command)

    assert (told.state, told.reason) == (PaymentState.DECLINED, "insufficient_funds")
    assert stage.effects(ref, "authorize") == 0
