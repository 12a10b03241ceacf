"""Several captures of one payment: each is its own, and together never more than is held."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.inbox.memory import MemoryInbox
from oms_adapters.payments.adyen import AdyenAccount, AdyenPayments
from oms_adapters.payments.adyen.book import read_book
from oms_adapters.payments.adyen.journal import Modification, Request, Step
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import InvalidRequest, InvalidState, OutcomeUnknown
from oms_core.ports.inbox import ReceivedEvent
from oms_core.ports.payments import (
    Cancel,
    Capture,
    OperationResult,
    OperationStatus,
    PaymentRef,
    ProviderEvent,
    Refund,
)
from oms_core.testing import SimulatedClock, refusal
from tests.support.adyen_double import API_KEY, HMAC_KEY, MERCHANT_ACCOUNT, batch, item, signed
from tests.support.adyen_stage import NAME, AdyenStage
from tests.support.dying_inbox import INBOX_CALLS, DyingInbox, Killed
from tests.support.http_faults import LOST_ANSWER, HttpRequest

HELD = 10_000
PART = 4_000
TENANT = UUID(int=7)
PSP = "PAYMENT000000082"
REF = PaymentRef(TENANT, PSP)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
ACCOUNT = AdyenAccount(API_KEY, MERCHANT_ACCOUNT, (HMAC_KEY,))
CART = "cart-1"
"""The payment's own reference, which documents let a notification of a capture repeat."""
FIRST, SECOND = "ship-1", "ship-2"
PSP_OF = {FIRST: "CAPTUREA00000082", SECOND: "CAPTUREB00000082"}
STRANGER = "SOMEBODYS0000082"
"""A name of Adyen's that was never in an answer to us."""

P = PaymentState
S = OperationStatus


def money(minor: int) -> Money:
    return Money(minor, "USD")


# -- what was heard makes one state ----------------------------------------------------------

Told = tuple[str, str, bool, int]
"""Event code, whose it is, success, amount."""
HOLDS: Told = ("AUTHORISATION", PSP, True, HELD)
TAKES_A: Told = ("CAPTURE", PSP_OF[FIRST], True, PART)
TAKES_B: Told = ("CAPTURE", PSP_OF[SECOND], True, HELD - PART)

STATES: dict[tuple[Told, ...], tuple[PaymentState, str, int, int]] = {
    # state, in Adyen's word, captured, may be captured
    (HOLDS,): (P.AUTHORIZED, "AUTHORISATION", 0, HELD),
    (HOLDS, TAKES_A): (P.PARTIALLY_CAPTURED, "CAPTURE", PART, HELD - PART),
    (HOLDS, TAKES_A, TAKES_B): (P.CAPTURED, "CAPTURE", HELD, 0),
    # The rest is not known to be held before the hold was heard of.
    (TAKES_A,): (P.CAPTURED, "CAPTURE", PART, 0),
    (HOLDS, ("CAPTURE", PSP_OF[FIRST], False, PART)): (P.AUTHORIZED, "AUTHORISATION", 0, HELD),
    (HOLDS, TAKES_A, ("CAPTURE", PSP_OF[SECOND], False, HELD)): (
        P.PARTIALLY_CAPTURED,
        "CAPTURE",
        PART,
        HELD - PART,
    ),
    # Whatever lets go of a payment lets go of what is left of it.
    (HOLDS, TAKES_A, ("EXPIRE", PSP, True, HELD - PART)): (P.CAPTURED, "CAPTURE", PART, 0),
    (HOLDS, TAKES_A, ("CANCELLATION", STRANGER, True, HELD - PART)): (
        P.CAPTURED,
        "CAPTURE",
        PART,
        0,
    ),
    (HOLDS, TAKES_A, ("TECHNICAL_CANCEL", STRANGER, True, HELD)): (P.CAPTURED, "CAPTURE", PART, 0),
    (HOLDS, TAKES_A, ("CANCEL_OR_REFUND", STRANGER, True, HELD)): (P.CAPTURED, "CAPTURE", PART, 0),
    (HOLDS, TAKES_A, ("CANCELLATION", STRANGER, False, HELD)): (
        P.PARTIALLY_CAPTURED,
        "CAPTURE",
        PART,
        HELD - PART,
    ),
    (HOLDS, TAKES_A, ("CHARGEBACK", STRANGER, True, PART)): (
        P.PARTIALLY_CAPTURED,
        "CHARGEBACK",
        PART,
        HELD - PART,
    ),
    (HOLDS, TAKES_A, ("CAPTURE_FAILED", PSP_OF[FIRST], True, PART)): (
        P.PENDING,
        "CAPTURE_FAILED",
        0,
        0,
    ),
    (HOLDS, TAKES_A, TAKES_B, ("CAPTURE_FAILED", PSP_OF[SECOND], True, HELD - PART)): (
        P.PARTIALLY_CAPTURED,
        "CAPTURE_FAILED",
        PART,
        HELD - PART,
    ),
    # The same again is a repeat: no signed field tells it from one.
    (
        HOLDS,
        TAKES_A,
        ("CAPTURE_FAILED", PSP_OF[FIRST], True, PART),
        TAKES_A,
    ): (P.PENDING, "CAPTURE_FAILED", 0, 0),
    # Adyen, or a person there, has captured what had failed.
    (
        HOLDS,
        TAKES_A,
        ("CAPTURE_FAILED", PSP_OF[FIRST], True, PART),
        ("CAPTURE", STRANGER, True, PART),
    ): (P.PARTIALLY_CAPTURED, "CAPTURE", PART, HELD - PART),
}


@pytest.mark.parametrize("tolds", STATES, ids=str)
def test_what_was_heard_makes_this_state_in_parts(tolds: tuple[Told, ...]) -> None:
    events = [ReceivedEvent(NAME, one, NOW) for one in events_of(told_items(tolds))]
    book = read_book(PSP, events, in_parts=True)

    seen = book.snapshot()

    found = (seen.state, seen.raw_status, seen.captured.minor, book.capturable_value)
    assert found == STATES[tolds]


@pytest.mark.parametrize("tolds", STATES, ids=str)
def test_without_the_option_the_first_capture_is_the_last(tolds: tuple[Told, ...]) -> None:
    seen = a_provider(told_items(tolds), in_parts=False).lookup(REF)

    assert seen.state is not P.PARTIALLY_CAPTURED
    assert (seen.state is P.CAPTURED) is bool(seen.captured)


def test_a_final_capture_of_a_part_closes_the_payment_once_it_is_done() -> None:
    told = [HOLDS, ("CAPTURE", PSP_OF[SECOND], True, 1_000)]
    before = a_provider(told_items([HOLDS]), journal_of(SECOND, final=True))
    after = a_provider(told_items(told), journal_of(SECOND, final=True))

    assert before.lookup(REF).state is P.AUTHORIZED
    assert after.lookup(REF).state is P.CAPTURED


def test_a_final_capture_that_was_rejected_leaves_the_rest_to_be_captured() -> None:
    told = [HOLDS, TAKES_A, ("CAPTURE", PSP_OF[SECOND], False, 1_000)]
    journal = [*journal_of(FIRST), *journal_of(SECOND, final=True)]

    assert a_provider(told_items(told), journal).lookup(REF).state is P.PARTIALLY_CAPTURED


def test_a_payment_that_was_begun_in_parts_is_ended_in_parts() -> None:
    """The option was turned off while goods were still to leave."""
    told = told_items([HOLDS, TAKES_A])

    state = a_provider(told, journal_of(FIRST), in_parts=False).lookup(REF).state

    assert state is P.PARTIALLY_CAPTURED


# -- two captures of the same amount ---------------------------------------------------------


@frozen
class Twins:
    """Two captures of one amount, and what may become of them and of the news about them."""

    repeats_our_reference: bool
    """Whether a notification repeats the capture's reference, or the payment's."""
    is_answered: bool
    """Whether the answer to the second one was recorded."""
    failing: str | None
    says_which: str | None
    """By what a failure names its capture: ``psp``, ``reference``, or not at all."""

    @property
    def items(self) -> list[dict[str, Any]]:
        """All that is notified."""
        made = [item("AUTHORISATION", PSP, value=HELD, reference=CART)]
        made += [self._item("CAPTURE", name, PSP_OF[name]) for name in (FIRST, SECOND)]
        if self.failing is not None:
            psp = PSP_OF[self.failing] if self.says_which == "psp" else STRANGER
            made.append(self._item("CAPTURE_FAILED", self.failing, psp))
        return made

    def _item(self, code: str, name: str, psp: str) -> dict[str, Any]:
        says = self.repeats_our_reference
        if code == "CAPTURE_FAILED":
            says = self.says_which == "reference"
        return item(code, psp, value=PART, original=PSP, reference=name if says else CART)

    @property
    def ends(self) -> dict[str, OperationStatus]:
        """How both stand when all is heard."""
        is_known = self.is_answered or self.repeats_our_reference
        ends = {FIRST: S.DONE, SECOND: S.DONE if is_known else S.PENDING}
        if self.failing is not None:
            # One that says nothing takes back the later one: its goods may still be here.
            failed = self.failing if self.says_which is not None else SECOND
            if ends[failed] is S.DONE:
                ends[failed] = S.REJECTED
        return ends


TWINS = [
    Twins(ours, answered, failing, which)
    for ours, answered, failing, which in product(
        (False, True), (False, True), (None, FIRST, SECOND), (None, "psp", "reference")
    )
    if failing is not None or which is None
]


@pytest.mark.parametrize("twins", TWINS, ids=str)
def test_of_two_equal_captures_the_failed_one_is_told_from_the_good_one(twins: Twins) -> None:
    payments = a_provider(twins.items, journal_of(FIRST, SECOND, answered=twins.is_answered))

    assert {name: status_of(payments, name) for name in twins.ends} == twins.ends
    taken = PART if twins.failing else 2 * PART
    assert payments.lookup(REF).captured == money(taken)


@given(
    twins=st.sampled_from(TWINS),
    chance=st.randoms(use_true_random=False),
)
def test_of_two_equal_captures_neither_order_nor_repeats_make_a_difference(
    twins: Twins, chance: Random
) -> None:
    """At every moment: no third capture gets more than what is left beside both."""
    items = [*twins.items, *chance.sample(twins.items, 2)]
    chance.shuffle(items)
    inbox = an_inbox((), journal_of(FIRST, SECOND, answered=twins.is_answered))
    payments = AdyenPayments(ACCOUNT, inbox, SimulatedClock(), NAME, captures_in_parts=True)

    for one in items:
        inbox.store(NAME, events_of([one]), at=NOW)

        assert payments.lookup(REF).captured.minor in {0, PART, 2 * PART}
        too_much = a_capture(HELD - 2 * PART + 1, "ship-3")
        refusal(InvalidState, lambda: payments.capture(too_much))  # noqa: B023 - called at once

    assert {name: status_of(payments, name) for name in twins.ends} == twins.ends
    assert payments.lookup(REF).captured == money(PART if twins.failing else 2 * PART)


def test_a_failure_with_the_payments_reference_takes_back_no_capture_of_another_amount() -> None:
    """It is heard before the capture that it is about."""
    failure = item("CAPTURE_FAILED", STRANGER, value=HELD - PART, original=PSP, reference=CART)
    good = item("CAPTURE", PSP_OF[FIRST], value=PART, original=PSP, reference=CART)
    held = item("AUTHORISATION", PSP, value=HELD, reference=CART)
    payments = a_provider([held, good, failure], journal_of(FIRST))

    assert payments.lookup(REF).captured == money(PART)
    assert status_of(payments, FIRST) is S.DONE


@pytest.mark.parametrize("says_which", ["psp", "reference"])
def test_a_failure_that_is_heard_before_its_capture_takes_back_no_other(says_which: str) -> None:
    twins = Twins(
        repeats_our_reference=False, is_answered=True, failing=SECOND, says_which=says_which
    )
    held, good, _, failure = twins.items
    payments = a_provider([held, good, failure], journal_of(FIRST, SECOND))

    assert payments.lookup(REF).captured == money(PART)
    assert status_of(payments, FIRST) is S.DONE


def test_a_failure_that_names_its_capture_goes_before_one_that_does_not() -> None:
    vague = item("CAPTURE_FAILED", STRANGER, value=PART, original=PSP, reference=CART)
    exact = item("CAPTURE_FAILED", "SOMEBODYT0000082", value=PART, original=PSP, reference=SECOND)
    twins = Twins(repeats_our_reference=False, is_answered=True, failing=None, says_which=None)
    payments = a_provider([*twins.items, vague, exact], journal_of(FIRST, SECOND))

    assert payments.lookup(REF).captured == money(0)
    assert [status_of(payments, name) for name in (FIRST, SECOND)] == [S.REJECTED] * 2


def test_without_a_journal_a_failure_is_told_by_the_reference_that_both_repeat() -> None:
    """As after the store was restored from a backup that is older than both captures."""
    twins = Twins(
        repeats_our_reference=True, is_answered=False, failing=FIRST, says_which="reference"
    )
    payments = a_provider(twins.items)

    assert [status_of(payments, name) for name in (FIRST, SECOND)] == [S.REJECTED, S.DONE]


# -- what may be asked -----------------------------------------------------------------------


@pytest.fixture
def stage() -> Iterator[AdyenStage]:
    made = AdyenStage(SimulatedClock(), in_parts=True)
    yield made
    made.close()


class Parts:
    """A payment that is taken in parts."""

    def __init__(self, stage: AdyenStage) -> None:
        self.stage = stage
        self.ref = stage.a_confirmable_payment(money(HELD))

    def capture(
        self,
        minor: int,
        name: str,
        *,
        key: str = "",
        final: bool = False,
        by: AdyenPayments | None = None,
    ) -> OperationResult:
        command = Capture(self.ref, money(minor), name, key or f"key-of-{name}", final=final)
        return (by or self.stage.provider).capture(command)

    def ended(self, name: str) -> OperationStatus | None:
        self.stage.settle(self.ref)
        found = self.stage.provider.find_operation(self.ref, name)
        return found.status if found else None

    @property
    def captured(self) -> int:
        self.stage.settle(self.ref)
        return self.stage.provider.lookup(self.ref).captured.minor

    @property
    def keys(self) -> list[str]:
        requests = self.stage.double.server.requests
        return [one.headers["idempotency-key"] for one in requests if "captures" in one.path]


@pytest.fixture
def parts(stage: AdyenStage) -> Parts:
    return Parts(stage)


def test_what_is_under_way_is_not_free_for_another_capture(parts: Parts) -> None:
    parts.capture(PART, FIRST)

    trouble = refusal(InvalidState, lambda: parts.capture(HELD - PART + 1, SECOND))

    assert trouble.reason == "amount_too_large"
    assert parts.keys == ["key-of-ship-1"]
    assert parts.capture(HELD - PART, SECOND).status is S.PENDING
    assert parts.captured == HELD


def test_after_a_final_capture_nothing_is_asked_of_adyen_any_more(parts: Parts) -> None:
    """The rest stays held there until it lapses; it is not taken, and not counted on."""
    parts.capture(PART, FIRST)
    parts.stage.settle(parts.ref)
    parts.capture(1_000, SECOND, final=True)

    under_way = refusal(InvalidState, lambda: parts.capture(1, "ship-3"))
    assert parts.captured == PART + 1_000
    over = refusal(InvalidState, lambda: parts.capture(1, "ship-3"))

    assert under_way.reason == "another_operation_is_under_way"
    assert over.reason == "payment_is_captured"
    assert parts.stage.double.held(parts.ref.reference) == HELD - PART - 1_000
    assert parts.stage.effects(parts.ref, "cancel") == 0


def test_what_is_captured_in_part_is_not_voided(parts: Parts) -> None:
    parts.capture(PART, FIRST)
    parts.stage.settle(parts.ref)

    void = Cancel(parts.ref, uuid4(), "undo-1", "k")
    trouble = refusal(InvalidState, lambda: parts.stage.provider.cancel(void))

    assert trouble.reason == "already_captured"
    assert parts.stage.effects(parts.ref, "cancel") == 0


def test_refunds_are_of_all_captures_together_and_of_none_that_is_under_way(parts: Parts) -> None:
    parts.capture(PART, FIRST)
    parts.stage.settle(parts.ref)
    parts.capture(1_000, SECOND)

    def refund(minor: int, name: str) -> OperationResult:
        return parts.stage.provider.refund(Refund(parts.ref, money(minor), name, f"k-{name}"))

    refusal(InvalidState, lambda: refund(PART + 1, "return-1"))
    parts.stage.settle(parts.ref)
    refund(PART + 1, "return-1")
    refusal(InvalidState, lambda: refund(1_000, "return-2"))
    refund(999, "return-2")

    parts.stage.settle(parts.ref)
    assert parts.stage.provider.lookup(parts.ref).refunded == money(PART + 1_000)
    assert parts.stage.double.books(parts.ref.reference)[:2] == (PART + 1_000, PART + 1_000)


def test_after_a_capture_that_failed_no_other_is_made_without_a_person(parts: Parts) -> None:
    """Adyen may take the failed one again by itself, whenever it likes."""
    for name in (FIRST, SECOND):
        parts.capture(PART, name)
    parts.stage.settle(parts.ref)
    failed = parts.stage.provider.find_operation(parts.ref, FIRST)
    assert failed is not None
    parts.stage.deliver(a_notification("CAPTURE_FAILED", failed.operation_ref or "", parts.ref))

    trouble = refusal(InvalidState, lambda: parts.capture(1_000, "ship-3"))
    assert trouble.reason == "a_capture_failed"
    assert parts.captured == PART
    parts.stage.deliver(a_notification("CAPTURE", STRANGER, parts.ref))

    assert parts.captured == 2 * PART
    assert parts.capture(1_000, "ship-3").status is S.PENDING


def test_an_account_without_the_feature_rejects_the_second_capture_by_notification() -> None:
    """Configured wrongly: goods stay here, and no money is believed taken."""
    stage = AdyenStage(SimulatedClock(), in_parts=True)
    stage.double.captures_in_parts = False
    try:
        parts = Parts(stage)
        parts.capture(PART, FIRST)
        assert parts.ended(FIRST) is S.DONE

        parts.capture(HELD - PART, SECOND)

        assert parts.ended(SECOND) is S.REJECTED
        assert parts.captured == PART
    finally:
        stage.close()


def test_what_somebody_left_who_took_a_part_at_adyen_can_be_taken(parts: Parts) -> None:
    parts.stage.double.happens(parts.ref.reference, "CAPTURE", value=PART)
    parts.stage.settle(parts.ref)

    refusal(InvalidState, lambda: parts.capture(HELD - PART + 1, FIRST))
    parts.capture(HELD - PART, FIRST)

    assert parts.captured == HELD


def test_what_is_left_can_be_taken_after_the_option_was_turned_off(parts: Parts) -> None:
    parts.capture(PART, FIRST)
    parts.stage.settle(parts.ref)
    parts.stage.in_parts = False
    once = parts.stage.another_process()

    refusal(InvalidRequest, lambda: parts.capture(1_000, SECOND, by=once))
    parts.capture(HELD - PART, SECOND, final=True, by=once)

    assert parts.captured == HELD


# -- lost answers ----------------------------------------------------------------------------


def test_a_second_capture_whose_answer_was_lost_is_repeated_under_its_key(parts: Parts) -> None:
    parts.capture(PART, FIRST)
    parts.stage.settle(parts.ref)
    parts.stage.plan(LOST_ANSWER, "capture")
    refusal(OutcomeUnknown, lambda: parts.capture(PART, SECOND))

    free = HELD - 2 * PART
    refusal(InvalidState, lambda: parts.capture(free + 1, "ship-3"))
    again = parts.capture(PART, SECOND, key="another", by=parts.stage.another_process())

    assert again.status is S.PENDING
    assert parts.keys == ["key-of-ship-1", "key-of-ship-2", "key-of-ship-2"]
    assert (parts.ended(FIRST), parts.ended(SECOND)) == (S.DONE, S.DONE)
    assert parts.captured == 2 * PART


def test_a_capture_that_is_notified_before_its_answer_comes_is_counted_once(parts: Parts) -> None:
    parts.capture(PART, FIRST)
    parts.stage.settle(parts.ref)

    def notify_first(request: HttpRequest) -> None:
        if request.path.endswith("/captures"):
            parts.stage.settle(parts.ref)

    parts.stage.double.server.after_effect = notify_first
    parts.capture(PART, SECOND)

    assert parts.stage.provider.lookup(parts.ref).captured == money(2 * PART)
    assert parts.ended(SECOND) is S.DONE
    assert parts.capture(HELD - 2 * PART, "ship-3").status is S.PENDING


def test_after_a_lost_answer_the_notification_tells_the_end_and_nothing_is_repeated(
    parts: Parts,
) -> None:
    parts.capture(PART, FIRST)
    parts.stage.plan(LOST_ANSWER, "capture")
    refusal(OutcomeUnknown, lambda: parts.capture(PART, SECOND))

    assert (parts.ended(FIRST), parts.ended(SECOND)) == (S.DONE, S.DONE)
    assert parts.capture(PART, SECOND).status is S.DONE
    assert parts.keys == ["key-of-ship-1", "key-of-ship-2"]
    assert parts.captured == 2 * PART


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, INBOX_CALLS + 1))
def test_a_process_that_dies_at_any_moment_of_a_second_capture_leaves_two(
    parts: Parts,
    at: int,
    after: bool,  # noqa: FBT001 - a column of the table
) -> None:
    parts.capture(PART, FIRST)
    parts.stage.settle(parts.ref)
    dying = DyingInbox(parts.stage.inbox, at, Killed, after=after)
    doomed = parts.stage.another_process(dying)
    with pytest.raises(Killed):
        parts.capture(PART, SECOND, by=doomed)

    parts.capture(PART, SECOND, key="another", by=parts.stage.another_process())

    assert (parts.ended(FIRST), parts.ended(SECOND)) == (S.DONE, S.DONE)
    assert parts.captured == 2 * PART
    assert parts.stage.effects(parts.ref, "capture") == 2


# -- pieces ----------------------------------------------------------------------------------


def a_capture(minor: int, name: str) -> Capture:
    return Capture(REF, money(minor), name, f"key-of-{name}", final=False)


def status_of(payments: AdyenPayments, name: str) -> OperationStatus | None:
    found = payments.find_operation(REF, name)
    return found.status if found else None


def told_items(tolds: Sequence[Told]) -> list[dict[str, Any]]:
    return [
        item(
            code,
            psp,
            value=value,
            success=success,
            reference=CART,
            original=None if psp == PSP else PSP,
        )
        for code, psp, success, value in tolds
    ]


def events_of(items: Sequence[dict[str, Any]]) -> Sequence[ProviderEvent]:
    """Go the whole way: signed, and verified."""
    if not items:
        return ()
    body = batch([signed(one) for one in items])
    return AdyenPayments(ACCOUNT, MemoryInbox()).parse_webhook(TENANT, {}, body)


def journal_of(
    *names: str, answered: bool = True, final: bool = False
) -> list[tuple[ProviderEvent, datetime]]:
    """Write captures down as they are sent, a minute after one another; *answered*: the last."""
    journal = []
    for minute, name in enumerate(names):
        at = NOW + timedelta(minutes=minute)
        request = Request(Modification.CAPTURE, name, f"key-of-{name}", PART, "USD", final=final)
        journal.append((request.event(REF, Step.SENT), at))
        if answered or name != names[-1]:
            journal.append((request.event(REF, Step.ACCEPTED, PSP_OF[name]), at))
    return journal


def an_inbox(
    items: Sequence[dict[str, Any]], journal: Sequence[tuple[ProviderEvent, datetime]] = ()
) -> MemoryInbox:
    """Keep what was sent and what was notified."""
    inbox = MemoryInbox()
    for event, at in journal:
        inbox.store(NAME, [event], at=at)
    inbox.store(NAME, events_of(items), at=NOW)
    return inbox


def a_provider(
    items: Sequence[dict[str, Any]],
    journal: Sequence[tuple[ProviderEvent, datetime]] = (),
    *,
    in_parts: bool = True,
) -> AdyenPayments:
    """Make an adapter that knows this and reaches nobody."""
    inbox = an_inbox(items, journal)
    return AdyenPayments(ACCOUNT, inbox, SimulatedClock(), NAME, captures_in_parts=in_parts)


def a_notification(code: str, psp: str, ref: PaymentRef) -> bytes:
    """Sign a notification about a capture of a part."""
    return batch([signed(item(code, psp, value=PART, original=ref.reference))])
