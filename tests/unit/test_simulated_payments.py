"""Each reference of the simulated provider behaves as its row of the table says."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from oms_adapters.payments.simulated import (
    BEHAVIOURS,
    PLAIN,
    MemoryLedger,
    PaymentAudit,
    SimulatedPayments,
    behaviour_of,
)
from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    CredentialsRejected,
    InProgress,
    InvalidRequest,
    InvalidState,
    OutcomeUnknown,
    PaymentNotFound,
    PaymentTrouble,
    RetryableNotExecuted,
)
from oms_core.ports.payments import (
    Authorize,
    Cancel,
    Capture,
    OperationResult,
    OperationStatus,
    PaymentRef,
    PaymentSnapshot,
    Refund,
)
from oms_core.testing import SimulatedClock

TENANT = UUID("7e4a0000-0000-4000-8000-000000000001")
ORDER = UUID("0de50000-0000-4000-8000-000000000001")
TOTAL = Money.of("19.99", "USD")
NOTHING = Money.zero("USD")
DOCUMENTED = Path(__file__).parents[2] / "docs" / "simulated-provider.md"


class Customer:
    """One payment at a provider of its own, and all that can be done with it."""

    def __init__(self, reference: str) -> None:
        self.clock = SimulatedClock()
        self.provider = SimulatedPayments(MemoryLedger(), self.clock)
        self.ref = PaymentRef(TENANT, f"{reference}_1")

    def state(self) -> PaymentState:
        return self.provider.lookup(self.ref).state

    @property
    def audit(self) -> PaymentAudit:
        (row,) = self.provider.audit()
        return row

    def effects(self, operation: str) -> int:
        return sum(one.effects for one in self.audit.operations if one.operation == operation)

    def authorize(self, key: str = "authorize-1") -> PaymentSnapshot:
        return self.provider.authorize(Authorize(self.ref, TOTAL, ORDER, key))

    def capture(self, key: str = "capture-1") -> OperationResult:
        return self.provider.capture(Capture(self.ref, TOTAL, "ship-1", key))

    def cancel(self, key: str = "cancel-1") -> OperationResult:
        return self.provider.cancel(Cancel(self.ref, ORDER, "undo-1", key))

    def refund(self, key: str = "refund-1") -> OperationResult:
        return self.provider.refund(Refund(self.ref, TOTAL, "return-1", key))

    def found(self, operation_id: str) -> OperationStatus | None:
        result = self.provider.find_operation(self.ref, operation_id)
        return result.status if result else None


EXAMPLES: dict[str, Callable[[Customer], None]] = {}


def example(name: str) -> Callable[[Callable[[Customer], None]], Callable[[Customer], None]]:
    """Make a function the test of the row *name*."""

    def enter(test: Callable[[Customer], None]) -> Callable[[Customer], None]:
        assert name not in EXAMPLES
        EXAMPLES[name] = test
        return test

    return enter


@example("sim_declined")
def is_declined_under_every_key(customer: Customer) -> None:
    first, second = customer.authorize("a"), customer.authorize("b")

    assert (first.state, first.reason) == (PaymentState.DECLINED, "card_declined")
    assert second == first
    customer.provider.give_another_card(customer.ref)
    assert customer.authorize("c").state is PaymentState.DECLINED
    assert customer.audit.authorizations == 0


@example("sim_declined_insufficient_funds")
def is_declined_with_another_code(customer: Customer) -> None:
    answer = customer.authorize()

    assert (answer.state, answer.reason) == (PaymentState.DECLINED, "insufficient_funds")


@example("sim_declined_once")
def is_declined_once_and_for_ever_under_the_first_key(customer: Customer) -> None:
    declined = customer.authorize("first")
    assert (declined.state, declined.reason) == (PaymentState.DECLINED, "card_declined")
    assert customer.provider.give_another_card(customer.ref).state is PaymentState.CONFIRMABLE

    replayed = customer.authorize("first")
    assert (replayed.state, replayed.reason) == (PaymentState.DECLINED, "card_declined")
    assert customer.state() is PaymentState.CONFIRMABLE
    assert customer.authorize("second").state is PaymentState.AUTHORIZED
    assert customer.authorize("first").state is PaymentState.AUTHORIZED
    assert customer.audit.authorizations == 1


@example("sim_requires_action")
def waits_for_the_customer_for_ever(customer: Customer) -> None:
    answer = customer.authorize()
    customer.clock.advance(10 * 86_400)

    assert answer.state is PaymentState.REQUIRES_ACTION
    assert answer.next_action is not None
    assert answer.next_action.startswith("https://")
    assert customer.state() is PaymentState.REQUIRES_ACTION
    held = customer.provider.complete_action(customer.ref)
    assert (held.state, held.authorized, held.order_id) == (PaymentState.AUTHORIZED, TOTAL, ORDER)
    assert customer.effects("authorize") == 1
    with pytest.raises(InvalidState):
        customer.provider.complete_action(customer.ref)


@example("sim_requires_action_completes")
def the_customer_acts_after_five_seconds(customer: Customer) -> None:
    assert customer.authorize().state is PaymentState.REQUIRES_ACTION

    customer.clock.advance(4.9)
    assert customer.state() is PaymentState.REQUIRES_ACTION
    customer.clock.advance(0.1)
    assert customer.state() is PaymentState.AUTHORIZED


@example("sim_requires_action_fails")
def the_customer_fails_after_five_seconds(customer: Customer) -> None:
    assert customer.authorize().state is PaymentState.REQUIRES_ACTION

    customer.clock.advance(5)
    seen = customer.provider.lookup(customer.ref)
    assert (seen.state, seen.reason) == (PaymentState.DECLINED, "authentication_failed")
    assert seen.next_action is None


@example("sim_pending")
def is_authorized_after_three_seconds(customer: Customer) -> None:
    assert customer.authorize().state is PaymentState.PENDING

    customer.clock.advance(2.9)
    assert customer.state() is PaymentState.PENDING
    customer.clock.advance(0.1)
    assert customer.authorize().authorized == TOTAL
    assert customer.effects("authorize") == 1


@example("sim_pending_declined")
def is_declined_after_three_seconds(customer: Customer) -> None:
    assert customer.authorize().state is PaymentState.PENDING

    customer.clock.advance(3)
    answer = customer.authorize()
    assert (answer.state, answer.reason) == (PaymentState.DECLINED, "card_declined")


@example("sim_pending_forever")
def is_never_decided(customer: Customer) -> None:
    customer.authorize()
    customer.clock.advance(365 * 86_400)

    assert customer.authorize().state is PaymentState.PENDING
    assert customer.cancel().status is OperationStatus.DONE
    assert customer.state() is PaymentState.CANCELLED


@example("sim_unknown_status")
def is_pending_with_a_word_nobody_knows(customer: Customer) -> None:
    answer = customer.authorize()

    assert (answer.state, answer.raw_status) == (PaymentState.PENDING, "requires_alchemy")


@example("sim_late_success")
def the_money_is_held_long_after_the_answer_was_lost(customer: Customer) -> None:
    with pytest.raises(OutcomeUnknown):
        customer.authorize()
    assert customer.authorize().state is PaymentState.PENDING

    customer.clock.advance(30)
    assert customer.state() is PaymentState.AUTHORIZED
    assert customer.effects("authorize") == 1


@example("sim_authorized")
def the_customer_authorized_before_us(customer: Customer) -> None:
    answer = customer.authorize()

    assert (answer.state, answer.authorized) == (PaymentState.AUTHORIZED, TOTAL)
    assert answer.order_id == ORDER
    assert customer.effects("authorize") == 0
    assert customer.audit.live_authorizations == 1


@example("sim_wrong_amount")
def holds_a_cent_more(customer: Customer) -> None:
    assert customer.authorize().authorized == Money.of("20.00", "USD")


@example("sim_wrong_currency")
def holds_another_currency(customer: Customer) -> None:
    assert customer.authorize().authorized == Money.of("19.99", "EUR")
    assert customer.audit.authorized == Money.of("19.99", "EUR")

    euros = Authorize(PaymentRef(TENANT, "sim_wrong_currency_2"), Money(1, "EUR"), ORDER, "b")
    assert customer.provider.authorize(euros).authorized == Money(1, "USD")


@example("sim_wrong_amount_void_fails")
def holds_too_much_and_lets_go_at_the_fourth_try(customer: Customer) -> None:
    assert customer.authorize().authorized != TOTAL

    fails_to_void(customer, 3)
    assert customer.cancel().status is OperationStatus.DONE
    assert customer.audit.voided == Money.of("20.00", "USD")


@example("sim_wrong_amount_void_fails_forever")
def holds_too_much_and_never_lets_go(customer: Customer) -> None:
    assert customer.authorize().authorized != TOTAL

    fails_to_void(customer, 20)


@example("sim_captured")
def the_money_is_taken_at_once(customer: Customer) -> None:
    answer = customer.authorize()

    assert (answer.state, answer.captured) == (PaymentState.CAPTURED, TOTAL)
    with pytest.raises(InvalidState):
        customer.cancel()
    assert customer.refund().status is OperationStatus.DONE


@example("sim_wrong_amount_captured")
def a_cent_too_much_is_taken_at_once(customer: Customer) -> None:
    answer = customer.authorize()

    assert answer.state is PaymentState.CAPTURED
    assert answer.captured == answer.authorized == Money.of("20.00", "USD")


@example("sim_cancelled")
def was_cancelled_before(customer: Customer) -> None:
    assert customer.state() is PaymentState.CANCELLED
    assert customer.authorize().state is PaymentState.CANCELLED
    assert customer.audit.authorizations == 0


@example("sim_expired")
def was_expired_before(customer: Customer) -> None:
    assert customer.state() is PaymentState.EXPIRED
    assert customer.authorize().state is PaymentState.EXPIRED
    assert customer.audit.authorizations == 0


@example("sim_short_hold")
def the_hold_lapses_after_a_minute(customer: Customer) -> None:
    held = customer.authorize()
    assert held.expires_at == customer.clock.now() + timedelta(seconds=60)

    customer.clock.advance(59.9)
    assert customer.state() is PaymentState.AUTHORIZED
    customer.clock.advance(0.1)
    assert customer.state() is PaymentState.EXPIRED
    assert customer.audit.voided == TOTAL
    assert customer.audit.live_authorizations == 0
    with pytest.raises(InvalidState):
        customer.capture()


@example("sim_not_found")
def is_not_known(customer: Customer) -> None:
    for call in (customer.authorize, customer.capture, customer.cancel, customer.refund):
        with pytest.raises(PaymentNotFound):
            call()
    with pytest.raises(PaymentNotFound):
        customer.provider.lookup(customer.ref)
    with pytest.raises(PaymentNotFound):
        customer.provider.find_operation(customer.ref, "undo-1")
    assert customer.provider.audit() == ()


@example("sim_lost_answer_once")
def holds_the_money_and_loses_one_answer(customer: Customer) -> None:
    loses_answers(customer.authorize, 1)

    assert customer.authorize().state is PaymentState.AUTHORIZED
    assert customer.effects("authorize") == 1


@example("sim_lost_answer_thrice")
def holds_the_money_and_loses_three_answers(customer: Customer) -> None:
    loses_answers(customer.authorize, 3)

    assert customer.authorize().state is PaymentState.AUTHORIZED
    assert customer.effects("authorize") == 1


@example("sim_not_executed_once")
def is_not_reached_the_first_time(customer: Customer) -> None:
    with pytest.raises(RetryableNotExecuted) as caught:
        customer.authorize()

    assert caught.value.retry_after_s == 2
    assert customer.state() is PaymentState.CONFIRMABLE
    assert customer.effects("authorize") == 0
    assert customer.authorize().state is PaymentState.AUTHORIZED


@example("sim_rate_limited")
def refuses_three_calls_as_too_many(customer: Customer) -> None:
    for call in (customer.authorize, customer.authorize, customer.cancel):
        with pytest.raises(RetryableNotExecuted) as caught:
            call()
        assert (caught.value.reason, caught.value.retry_after_s) == ("rate_limited", 1)

    assert customer.authorize().state is PaymentState.AUTHORIZED


@example("sim_in_progress_once")
def is_busy_with_the_first_call(customer: Customer) -> None:
    with pytest.raises(InProgress) as caught:
        customer.authorize()

    assert caught.value.retry_after_s == 1
    assert customer.authorize().state is PaymentState.AUTHORIZED
    assert customer.effects("authorize") == 1


@example("sim_error_replayed")
def answers_its_error_as_long_as_the_key_is_remembered(customer: Customer) -> None:
    for _ in range(5):
        with pytest.raises(OutcomeUnknown) as caught:
            customer.authorize("stuck")
        assert caught.value.reason == "http_500_replayed"
        customer.clock.advance(3_600)

    assert customer.state() is PaymentState.CONFIRMABLE
    assert customer.effects("authorize") == 0
    assert customer.authorize("free").state is PaymentState.AUTHORIZED
    assert customer.authorize("stuck").state is PaymentState.AUTHORIZED
    assert customer.effects("authorize") == 1


@example("sim_outage")
def fails_until_it_is_healed(customer: Customer) -> None:
    calls = (customer.authorize, customer.cancel, customer.capture, customer.refund)
    for call in calls * 3:
        with pytest.raises(OutcomeUnknown):
            call()
    with pytest.raises(OutcomeUnknown):
        customer.provider.lookup(customer.ref)
    with pytest.raises(OutcomeUnknown):
        customer.provider.find_operation(customer.ref, "undo-1")

    assert customer.provider.heal(customer.ref).state is PaymentState.CONFIRMABLE
    assert customer.authorize().state is PaymentState.AUTHORIZED


@example("sim_outage_after_hold")
def holds_the_money_and_is_down_for_a_minute(customer: Customer) -> None:
    assert customer.state() is PaymentState.CONFIRMABLE
    loses_answers(customer.authorize, 1)

    customer.clock.advance(59.9)
    loses_answers(customer.authorize, 2)
    with pytest.raises(OutcomeUnknown):
        customer.provider.lookup(customer.ref)
    customer.clock.advance(0.1)
    assert customer.state() is PaymentState.AUTHORIZED
    assert customer.effects("authorize") == 1


@example("sim_credentials_rejected")
def refuses_our_credentials(customer: Customer) -> None:
    for call in (customer.authorize, customer.authorize, customer.cancel):
        with pytest.raises(CredentialsRejected):
            call()
    with pytest.raises(CredentialsRejected):
        customer.provider.lookup(customer.ref)

    customer.provider.heal(customer.ref)
    assert customer.authorize().state is PaymentState.AUTHORIZED


@example("sim_invalid_request")
def refuses_every_authorize_as_malformed(customer: Customer) -> None:
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            customer.authorize()

    assert customer.state() is PaymentState.CONFIRMABLE
    assert customer.cancel().status is OperationStatus.DONE


@example("sim_void_fails_thrice")
def lets_go_at_the_fourth_try(customer: Customer) -> None:
    customer.authorize()

    fails_to_void(customer, 3)
    assert customer.cancel().status is OperationStatus.DONE
    assert customer.audit.voided == TOTAL


@example("sim_void_fails_forever")
def never_lets_go_until_it_is_healed(customer: Customer) -> None:
    customer.authorize()

    fails_to_void(customer, 20)
    customer.provider.heal(customer.ref)
    assert customer.cancel().status is OperationStatus.DONE


@example("sim_void_answer_lost_once")
def lets_go_and_loses_the_answer(customer: Customer) -> None:
    customer.authorize()
    loses_answers(customer.cancel, 1)

    assert customer.found("undo-1") is OperationStatus.DONE
    assert customer.cancel().status is OperationStatus.DONE
    assert customer.effects("cancel") == 1


@example("sim_capture_answer_lost_once")
def takes_the_money_and_loses_the_answer(customer: Customer) -> None:
    customer.authorize()
    loses_answers(customer.capture, 1)

    assert customer.found("ship-1") is OperationStatus.DONE
    assert customer.capture().status is OperationStatus.DONE
    assert customer.audit.captured == TOTAL
    assert customer.effects("capture") == 1


@example("sim_refund_answer_lost_once")
def gives_back_and_loses_the_answer(customer: Customer) -> None:
    customer.authorize()
    customer.capture()
    loses_answers(customer.refund, 1)

    assert customer.found("return-1") is OperationStatus.DONE
    assert customer.refund().status is OperationStatus.DONE
    assert customer.audit.refunded == TOTAL
    assert customer.effects("refund") == 1


@example("sim_refund_pending")
def gives_back_after_ten_seconds(customer: Customer) -> None:
    customer.authorize()
    assert customer.capture().status is OperationStatus.DONE

    assert customer.refund().status is OperationStatus.PENDING
    customer.clock.advance(9.9)
    assert customer.found("return-1") is OperationStatus.PENDING
    assert customer.audit.refunded == NOTHING
    customer.clock.advance(0.1)
    assert customer.found("return-1") is OperationStatus.DONE
    assert customer.audit.refunded == TOTAL


@example("sim_refund_rejected")
def refuses_to_give_back(customer: Customer) -> None:
    customer.authorize()
    customer.capture()

    result = customer.refund()
    assert (result.status, result.reason) == (OperationStatus.REJECTED, "insufficient_balance")
    assert customer.audit.refunded == NOTHING
    assert customer.effects("refund") == 0


@example("sim_refund_fails_later")
def promises_to_give_back_and_does_not(customer: Customer) -> None:
    customer.authorize()
    customer.capture()

    assert customer.refund().status is OperationStatus.PENDING
    customer.clock.advance(10)
    result = customer.provider.find_operation(customer.ref, "return-1")
    assert result is not None
    assert (result.status, result.reason) == (OperationStatus.REJECTED, "account_closed")
    assert customer.audit.refunded == NOTHING
    another = Refund(customer.ref, TOTAL, "return-2", "refund-2")
    assert customer.provider.refund(another).status is OperationStatus.PENDING


@example("sim_asynchronous")
def does_everything_five_seconds_later(customer: Customer) -> None:
    customer.authorize()

    assert customer.capture().status is OperationStatus.PENDING
    assert customer.state() is PaymentState.AUTHORIZED
    with pytest.raises(InvalidState):
        customer.cancel()
    customer.clock.advance(5)
    assert customer.capture().status is OperationStatus.DONE
    assert customer.state() is PaymentState.CAPTURED
    assert customer.refund().status is OperationStatus.PENDING
    customer.clock.advance(5)
    assert customer.found("return-1") is OperationStatus.DONE


def loses_answers(call: Callable[[], object], times: int) -> None:
    for _ in range(times):
        with pytest.raises(OutcomeUnknown):
            call()


def fails_to_void(customer: Customer, times: int) -> None:
    loses_answers(customer.cancel, times)
    assert customer.state() is PaymentState.AUTHORIZED
    assert customer.effects("cancel") == 0
    assert customer.found("undo-1") is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_payment_behaves_as_its_reference_says(name: str) -> None:
    EXAMPLES[name](Customer(name))


def test_every_behaviour_has_an_example() -> None:
    assert EXAMPLES
    assert set(EXAMPLES) == set(BEHAVIOURS)


def test_the_documentation_shows_the_same_behaviours_in_the_same_words() -> None:
    rows = re.findall(r"^\| `(sim_\w+)` \| (.+) \|$", DOCUMENTED.read_text("utf-8"), re.MULTILINE)

    assert rows
    assert dict(rows) == {name: behaviour.sentence for name, behaviour in BEHAVIOURS.items()}
    assert len(rows) == len(BEHAVIOURS)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_anything_may_follow_the_name(name: str) -> None:
    expected = BEHAVIOURS[name]

    assert [behaviour_of(name + rest) for rest in ("", "_42", "-x", "7")] == [expected] * 4


@pytest.mark.parametrize("reference", ["pi_3Nx", "sim", "sim_", "sim_unheard_of", "SIM_declined"])
def test_any_other_reference_is_a_plain_good_card(reference: str) -> None:
    customer = Customer(reference)

    assert behaviour_of(reference) is PLAIN
    assert customer.authorize().authorized == TOTAL
    assert customer.capture().status is OperationStatus.DONE
    assert customer.refund().status is OperationStatus.DONE


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_no_behaviour_lets_anything_but_payment_trouble_out(name: str) -> None:
    customer = Customer(name)
    calls: list[Callable[[], object]] = [
        customer.authorize,
        customer.capture,
        customer.refund,
        customer.cancel,
        lambda: customer.provider.lookup(customer.ref),
        lambda: customer.found("ship-1"),
    ]

    for call in calls * 3:
        with suppress(PaymentTrouble):
            call()
        customer.clock.advance(20)
