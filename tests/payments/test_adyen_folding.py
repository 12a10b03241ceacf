"""What was heard of a payment makes one state, in whatever order and however often it came."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.payments.adyen import AdyenAccount, AdyenPayments
from oms_adapters.payments.adyen.book import Book, read_book
from oms_adapters.payments.adyen.journal import Modification, Request, Step
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import InvalidState
from oms_core.ports.inbox import ReceivedEvent
from oms_core.ports.payments import (
    Capture,
    OperationStatus,
    PaymentRef,
    ProviderEvent,
    Refund,
)
from oms_core.testing import SimulatedClock, refusal
from tests.support.adyen_double import API_KEY, HMAC_KEY, MERCHANT_ACCOUNT, batch, item, signed

TENANT = UUID(int=7)
PSP = "PAYMENT000000082"
REF = PaymentRef(TENANT, PSP)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
ACCOUNT = AdyenAccount(API_KEY, MERCHANT_ACCOUNT, (HMAC_KEY,))
Told = tuple[str, str, bool, int]
"""Event code, whose it is, success, amount."""

AUTHORISED: Told = ("AUTHORISATION", PSP, True, 10_000)
REFUSED: Told = ("AUTHORISATION", PSP, False, 10_000)
C1, C2, R1, R2, V1 = (f"{name}{'0' * 12}82" for name in ("C1", "C2", "R1", "R2", "V1"))

P = PaymentState
STATES: dict[tuple[Told, ...], tuple[PaymentState, int, int, int]] = {
    # state, authorized, captured, refunded
    (): (P.PENDING, 0, 0, 0),
    (AUTHORISED,): (P.AUTHORIZED, 10_000, 0, 0),
    (REFUSED,): (P.DECLINED, 0, 0, 0),
    (REFUSED, AUTHORISED): (P.AUTHORIZED, 10_000, 0, 0),
    (("AUTHORISATION", C1, True, 10_000),): (P.PENDING, 0, 0, 0),
    (AUTHORISED, ("AUTHORISATION_ADJUSTMENT", C1, True, 12_000)): (P.AUTHORIZED, 12_000, 0, 0),
    (AUTHORISED, ("AUTHORISATION_ADJUSTMENT", C1, False, 12_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (AUTHORISED, ("CAPTURE", C1, True, 10_000)): (P.CAPTURED, 10_000, 10_000, 0),
    (AUTHORISED, ("CAPTURE", C1, True, 4_000)): (P.CAPTURED, 10_000, 4_000, 0),
    (AUTHORISED, ("CAPTURE", C1, False, 10_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (("CAPTURE", C1, True, 10_000),): (P.CAPTURED, 10_000, 10_000, 0),
    # Came as a success, and means that the money did not come.
    (AUTHORISED, ("CAPTURE_FAILED", C1, True, 10_000)): (P.PENDING, 10_000, 0, 0),
    (AUTHORISED, ("CAPTURE", C1, True, 10_000), ("CAPTURE_FAILED", C1, True, 10_000)): (
        P.PENDING,
        10_000,
        0,
        0,
    ),
    (AUTHORISED, ("CAPTURE", C1, True, 10_000), ("CAPTURE_FAILED", C2, True, 10_000)): (
        P.PENDING,
        10_000,
        0,
        0,
    ),
    # A second capture heals the first.
    (
        AUTHORISED,
        ("CAPTURE", C1, True, 10_000),
        ("CAPTURE_FAILED", C1, True, 10_000),
        ("CAPTURE", C2, True, 10_000),
    ): (P.CAPTURED, 10_000, 10_000, 0),
    (AUTHORISED, ("CANCELLATION", V1, True, 10_000)): (P.CANCELLED, 10_000, 0, 0),
    (AUTHORISED, ("CANCELLATION", V1, False, 10_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (("CANCELLATION", V1, True, 10_000),): (P.CANCELLED, 0, 0, 0),
    (AUTHORISED, ("TECHNICAL_CANCEL", V1, True, 10_000)): (P.CANCELLED, 10_000, 0, 0),
    (AUTHORISED, ("TECHNICAL_CANCEL", V1, False, 10_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (AUTHORISED, ("CANCEL_OR_REFUND", V1, True, 10_000)): (P.CANCELLED, 10_000, 0, 0),
    (AUTHORISED, ("CANCEL_OR_REFUND", V1, False, 10_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (AUTHORISED, ("CAPTURE", C1, True, 10_000), ("CANCEL_OR_REFUND", V1, True, 10_000)): (
        P.CAPTURED,
        10_000,
        10_000,
        10_000,
    ),
    (AUTHORISED, ("EXPIRE", PSP, True, 10_000)): (P.EXPIRED, 10_000, 0, 0),
    # The uncaptured rest has expired.
    (AUTHORISED, ("CAPTURE", C1, True, 4_000), ("EXPIRE", PSP, True, 6_000)): (
        P.CAPTURED,
        10_000,
        4_000,
        0,
    ),
    (("OFFER_CLOSED", PSP, True, 10_000),): (P.EXPIRED, 0, 0, 0),
    (REFUSED, ("OFFER_CLOSED", PSP, True, 10_000)): (P.EXPIRED, 0, 0, 0),
    (AUTHORISED, ("OFFER_CLOSED", PSP, True, 10_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (AUTHORISED, ("CAPTURE", C1, True, 10_000), ("REFUND", R1, True, 2_500)): (
        P.CAPTURED,
        10_000,
        10_000,
        2_500,
    ),
    (AUTHORISED, ("CAPTURE", C1, True, 10_000), ("REFUND", R1, False, 2_500)): (
        P.CAPTURED,
        10_000,
        10_000,
        0,
    ),
    (
        AUTHORISED,
        ("CAPTURE", C1, True, 10_000),
        ("REFUND", R1, True, 2_500),
        ("REFUND_FAILED", R1, True, 2_500),
    ): (P.CAPTURED, 10_000, 10_000, 0),
    (
        AUTHORISED,
        ("CAPTURE", C1, True, 10_000),
        ("REFUND", R1, True, 2_500),
        ("REFUND", R2, True, 2_500),
        ("REFUNDED_REVERSED", R1, True, 2_500),
    ): (P.CAPTURED, 10_000, 10_000, 2_500),
    (AUTHORISED, ("CAPTURE", C1, True, 10_000), ("CHARGEBACK", R1, True, 10_000)): (
        P.CAPTURED,
        10_000,
        10_000,
        0,
    ),
    (AUTHORISED, ("NOTIFICATION_OF_CHARGEBACK", R1, True, 10_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (AUTHORISED, ("TELEPORTATION", R1, True, 10_000)): (P.AUTHORIZED, 10_000, 0, 0),
    (("TELEPORTATION", R1, True, 10_000),): (P.PENDING, 0, 0, 0),
}

DOCUMENTED = {
    *("AUTHORISATION", "AUTHORISATION_ADJUSTMENT", "CANCELLATION", "CANCEL_OR_REFUND", "CAPTURE"),
    *("CAPTURE_FAILED", "CHARGEBACK", "EXPIRE", "NOTIFICATION_OF_CHARGEBACK", "OFFER_CLOSED"),
    *("REFUND", "REFUNDED_REVERSED", "REFUND_FAILED", "TECHNICAL_CANCEL"),
}
"""The payment events of Adyen's webhook specification, version 1."""

ALL = sorted({told for tolds in STATES for told in tolds})


@pytest.mark.parametrize("tolds", STATES, ids=str)
def test_what_was_heard_makes_this_state(tolds: tuple[Told, ...]) -> None:
    seen = a_book(tolds).snapshot()

    state, *sums = STATES[tolds]
    assert seen.state is state
    assert [seen.authorized.minor, seen.captured.minor, seen.refunded.minor] == sums
    assert seen.raw_status


def test_every_documented_event_has_a_row() -> None:
    assert {code for tolds in STATES for code, *_ in tolds} == {*DOCUMENTED, "TELEPORTATION"}


@given(
    tolds=st.lists(st.sampled_from(ALL), max_size=12).flatmap(
        lambda some: st.tuples(st.just(some), st.permutations(some + some[:4]))
    )
)
def test_order_and_repeats_make_no_difference(tolds: tuple[list[Told], list[Told]]) -> None:
    some, shuffled = tolds

    assert a_book(some).snapshot() == a_book(shuffled).snapshot()


@given(
    tolds=st.lists(st.sampled_from(ALL), max_size=12, unique=True),
    more=st.lists(st.sampled_from([AUTHORISED, REFUSED]), max_size=4),
)
def test_an_authorization_that_comes_late_takes_nothing_back(
    tolds: list[Told], more: list[Told]
) -> None:
    """Shops have lost paid orders to a failed attempt that was told after the good one."""
    before = a_book(tolds).snapshot()
    after = a_book([*tolds, *more]).snapshot()

    if before.state not in {P.PENDING, P.DECLINED}:
        assert after.state in {before.state, P.AUTHORIZED}
        if before.state is P.AUTHORIZED:
            assert after == before
    assert (after.captured, after.refunded) == (before.captured, before.refunded)


@given(tolds=st.lists(st.sampled_from(ALL), max_size=14, unique=True))
def test_sums_are_never_negative(tolds: list[Told]) -> None:
    book = a_book(tolds)

    assert min(book.captured_value, book.refunded_value, book.charged_back_value) >= 0


def test_a_held_sum_that_no_order_can_cost_is_not_taken_for_another() -> None:
    """10.50 Chilean pesos can be held; the standard knows whole pesos only."""
    book = a_book([("AUTHORISATION", PSP, True, 1_050)], currency="CLP")

    seen = book.snapshot("CLP")

    assert seen.state is P.PENDING
    assert seen.raw_status == "amount_not_representable"
    assert seen.authorized.minor == 0


def test_sums_of_several_currencies_are_not_added_up() -> None:
    events = [
        *events_of([AUTHORISED]),
        *events_of([("CAPTURE", C1, True, 10_000)], currency="JPY"),
    ]

    assert read_book(PSP, events).snapshot().state is P.PENDING


def test_a_decline_tells_why_or_that_it_was_refused() -> None:
    with_reason = events_of([REFUSED], reason="CVC Declined")

    assert read_book(PSP, with_reason).snapshot().reason == "CVC Declined"
    assert a_book([REFUSED]).snapshot().reason == "refused"
    assert a_book([AUTHORISED]).snapshot().reason is None


def test_what_another_adapter_stored_under_the_same_name_is_passed_over() -> None:
    foreign = ProviderEvent("event-1", REF, "payment.authorized", facts={"number": "1"})

    seen = read_book(PSP, [received(foreign), *events_of([AUTHORISED])]).snapshot()

    assert seen.state is P.AUTHORIZED


# -- operations ------------------------------------------------------------------------------

M = Modification
ENDS: dict[tuple[Modification, tuple[Told, ...]], OperationStatus | None] = {
    (M.CAPTURE, ()): OperationStatus.PENDING,
    (M.CAPTURE, (("CAPTURE", C1, True, 10_000),)): OperationStatus.DONE,
    (M.CAPTURE, (("CAPTURE", C1, False, 10_000),)): OperationStatus.REJECTED,
    (M.CAPTURE, (("CAPTURE_FAILED", C1, True, 10_000),)): OperationStatus.REJECTED,
    (M.CAPTURE, (("CAPTURE", C1, True, 10_000), ("CAPTURE_FAILED", C1, True, 10_000))): (
        OperationStatus.REJECTED
    ),
    (M.CAPTURE, (("CAPTURE", C2, True, 10_000),)): OperationStatus.PENDING,
    (M.CANCEL, (("CANCELLATION", C1, True, 10_000),)): OperationStatus.DONE,
    (M.CANCEL, (("TECHNICAL_CANCEL", C1, True, 10_000),)): OperationStatus.DONE,
    (M.CANCEL, (("CANCELLATION", C1, False, 10_000),)): OperationStatus.REJECTED,
    (M.CANCEL, (("CANCELLATION", C1, False, 10_000), REFUSED)): OperationStatus.DONE,
    (M.CANCEL, (("CANCELLATION", C1, False, 1), ("EXPIRE", PSP, True, 1))): OperationStatus.DONE,
    (M.REFUND, (("REFUND", C1, True, 10_000),)): OperationStatus.DONE,
    (M.REFUND, (("REFUND", C1, False, 10_000),)): OperationStatus.REJECTED,
    (M.REFUND, (("REFUND_FAILED", C1, True, 10_000),)): OperationStatus.REJECTED,
    (M.REFUND, (("REFUND", C1, True, 10_000), ("REFUNDED_REVERSED", C1, True, 10_000))): (
        OperationStatus.REJECTED
    ),
}


@pytest.mark.parametrize(("modification", "tolds"), ENDS, ids=str)
def test_a_notification_tells_how_an_accepted_operation_ended(
    modification: Modification, tolds: tuple[Told, ...]
) -> None:
    request = a_request(modification)
    journal = [
        received(request.event(REF, Step.SENT)),
        received(request.event(REF, Step.ACCEPTED, C1)),
    ]
    book = read_book(PSP, [*journal, *events_of(tolds)])

    (sent,) = book.requests
    result = book.result_of(sent)

    assert result is not None
    assert result.status is ENDS[modification, tolds]
    assert (result.reason is not None) == (result.status is OperationStatus.REJECTED)


def test_an_operation_whose_answer_was_lost_is_known_by_its_reference() -> None:
    journal = [received(a_request(M.REFUND).event(REF, Step.SENT))]
    told = events_of([("REFUND", R1, True, 10_000)], reference="op-1")
    book = read_book(PSP, [*journal, *told])

    result = book.result_of(book.requests[0])

    assert result is not None
    assert (result.status, result.operation_ref) == (OperationStatus.DONE, R1)


def test_an_operation_that_nobody_wrote_down_is_known_by_its_reference() -> None:
    """As after the store was restored from an older backup."""
    payments = a_provider([AUTHORISED, ("CAPTURE", C1, True, 10_000)], reference="ship-1")

    found = payments.find_operation(REF, "ship-1")
    again = payments.capture(Capture(REF, Money(10_000, "USD"), "ship-1", "key"))

    assert found is not None
    assert (found.status, found.operation_ref) == (OperationStatus.DONE, C1)
    assert again == found


# -- what may be asked -----------------------------------------------------------------------


def test_what_the_customers_bank_took_back_is_not_refunded_too() -> None:
    payments = a_provider(
        [AUTHORISED, ("CAPTURE", C1, True, 10_000), ("CHARGEBACK", R1, True, 10_000)]
    )

    trouble = refusal(
        InvalidState,
        lambda: payments.refund(Refund(REF, Money(1, "USD"), "return-1", "key")),
    )

    assert trouble.reason == "amount_too_large"
    assert payments.lookup(REF).raw_status == "CHARGEBACK"


def test_after_a_capture_that_failed_nothing_is_captured_without_a_person() -> None:
    payments = a_provider([AUTHORISED, ("CAPTURE_FAILED", C1, True, 10_000)])

    again = Capture(REF, Money(10_000, "USD"), "ship-2", "key")

    refused = refusal(InvalidState, lambda: payments.capture(again))

    assert refused.reason == "payment_is_pending"
    assert payments.lookup(REF).raw_status == "CAPTURE_FAILED"


# -- pieces ----------------------------------------------------------------------------------


def received(event: ProviderEvent) -> ReceivedEvent:
    return ReceivedEvent("adyen", event, NOW)


def a_request(modification: Modification) -> Request:
    return Request(modification, "op-1", "key-1", 10_000, "USD")


def events_of(
    tolds: Sequence[Told], *, currency: str = "USD", reference: str = "cart-1", reason: str = ""
) -> list[ReceivedEvent]:
    """Go the whole way: signed, parsed, received."""
    items = [
        item(
            code,
            psp,
            success=success,
            value=value,
            currency=currency,
            reference=reference,
            reason=reason,
            original=None if psp == PSP else PSP,
        )
        for code, psp, success, value in tolds
    ]
    if not items:
        return []
    payments = AdyenPayments(ACCOUNT, MemoryInbox(), SimulatedClock())
    body = batch([signed(one) for one in items])
    return [received(event) for event in payments.parse_webhook(TENANT, {}, body)]


def a_book(tolds: Sequence[Told], *, currency: str = "USD") -> Book:
    return read_book(PSP, events_of(tolds, currency=currency))


def a_provider(tolds: Sequence[Told], *, reference: str = "cart-1") -> AdyenPayments:
    inbox = MemoryInbox()
    events = [one.event for one in events_of(tolds, reference=reference)]
    inbox.store("adyen", events, at=NOW)
    return AdyenPayments(ACCOUNT, inbox, SimulatedClock())
