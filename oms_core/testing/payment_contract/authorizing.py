"""The exam's part about looking payments up and authorizing them."""

from __future__ import annotations

from uuid import uuid4

from oms_core.domain.payment import PaymentState
from oms_core.errors import (
    CredentialsRejected,
    IdempotencyMismatch,
    InvalidRequest,
    OutcomeUnknown,
    PaymentNotFound,
    RetryableNotExecuted,
)
from oms_core.ports.payments import Authorize
from oms_core.testing.payment_contract.scene import THREADS, PaymentScene
from oms_core.testing.refusal import refusal


class AuthorizingContract(PaymentScene):
    """A hold is made once, for exactly what was asked, and told as it is."""

    def test_a_new_payment_is_confirmable_and_holds_nothing(self) -> None:
        self.needs(self.stage.holds_when_asked, "wait to be asked before it holds the money")
        ref = self.stage.a_confirmable_payment(self.money(10_000))

        seen = self.provider.lookup(ref)

        assert seen.state is PaymentState.CONFIRMABLE
        assert [seen.authorized.minor, seen.captured.minor, seen.refunded.minor] == [0, 0, 0]

    def test_looking_up_has_no_effect(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))

        seen = [self.provider.lookup(ref) for _ in range(3)]

        assert seen == [seen[0]] * 3
        assert self.stage.effects(ref, "authorize") == self.holds_at_first

    def test_authorizing_holds_exactly_what_is_asked(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(12_345))

        answer = self.authorize(ref, 12_345)

        assert answer.state is PaymentState.AUTHORIZED
        assert answer.authorized == self.money(12_345)
        assert answer.captured == answer.refunded == self.money(0)
        assert self.stage.effects(ref, "authorize") == 1

    def test_looking_up_tells_what_authorizing_told(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))

        answer = self.authorize(ref)

        assert self.provider.lookup(ref) == answer

    def test_the_hold_names_its_order(self) -> None:
        self.needs(self.stage.tells_owner, "tell whose a hold is")
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        order = uuid4()

        answer = self.authorize(ref, order=order)

        assert answer.order_id == order
        assert self.provider.lookup(ref).order_id == order

    def test_the_same_key_again_holds_nothing_more(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        order, key = uuid4(), str(uuid4())

        answers = [self.authorize(ref, order=order, key=key) for _ in range(3)]

        assert answers == [answers[0]] * 3
        assert self.stage.effects(ref, "authorize") == 1

    def test_another_key_finds_the_hold_and_makes_no_second(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        order = uuid4()

        first = self.authorize(ref, order=order)
        second = self.authorize(ref, order=order)

        assert second == first
        assert self.stage.effects(ref, "authorize") == 1

    def test_one_key_from_many_threads_holds_once(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        command = Authorize(ref, self.money(10_000), uuid4(), str(uuid4()))

        answers = self.in_threads(lambda _: self.provider.authorize(command))

        assert answers == [self.provider.lookup(ref)] * THREADS
        assert self.stage.effects(ref, "authorize") == 1

    def test_a_second_order_gets_the_hold_of_the_first_shown_and_none_of_its_own(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        first, second = uuid4(), uuid4()
        self.authorize(ref, order=first)

        answer = self.authorize(ref, order=second)

        assert self.stage.effects(ref, "authorize") == 1
        assert answer.authorized == self.money(10_000)
        if self.stage.tells_owner:
            assert answer.order_id == first

    def test_a_key_sent_for_another_payment_is_a_mismatch(self) -> None:
        self.needs(self.stage.detects_key_reuse, "detect a reused key")
        order, key = uuid4(), str(uuid4())
        self.authorize(self.stage.a_confirmable_payment(self.money(10_000)), order=order, key=key)
        other = self.stage.a_confirmable_payment(self.money(10_000))

        refusal(IdempotencyMismatch, lambda: self.authorize(other, order=order, key=key))

        assert self.stage.effects(other, "authorize") == 0

    def test_a_decline_is_a_value_with_the_providers_code(self) -> None:
        ref = self.stage.a_payment_to_be_declined(self.money(10_000))

        answer = self.authorize(ref)

        assert answer.state is PaymentState.DECLINED
        assert answer.reason
        assert answer.authorized == self.money(0)

    def test_a_decline_stays_one_under_its_key(self) -> None:
        ref = self.stage.a_payment_to_be_declined(self.money(10_000))
        order, key = uuid4(), str(uuid4())

        first = self.authorize(ref, order=order, key=key)
        second = self.authorize(ref, order=order, key=key)

        assert second == first

    def test_a_payment_whose_customer_must_act_says_where(self) -> None:
        ref = self.stage.a_payment_requiring_action(self.money(10_000))

        answer = self.authorize(ref)

        assert answer.state is PaymentState.REQUIRES_ACTION
        assert answer.next_action
        assert answer.authorized == self.money(0)

    def test_once_the_customer_acted_the_money_is_held_once(self) -> None:
        ref = self.stage.a_payment_requiring_action(self.money(10_000))
        order, key = uuid4(), str(uuid4())
        self.authorize(ref, order=order, key=key)

        self.stage.the_customer_acts(ref)

        acted = self.stage.holds_when_the_customer_acts
        state = PaymentState.AUTHORIZED if acted else PaymentState.CONFIRMABLE
        assert self.settled(ref).state is state
        answer = self.authorize(ref, order=order, key=key)
        assert answer.state is PaymentState.AUTHORIZED
        assert answer.authorized == self.money(10_000)
        assert answer.next_action is None
        assert self.stage.effects(ref, "authorize") == 1

    def test_a_pending_payment_is_authorized_later(self) -> None:
        ref = self.stage.a_pending_payment(self.money(10_000))
        order, key = uuid4(), str(uuid4())

        answer = self.authorize(ref, order=order, key=key)

        assert answer.state is PaymentState.PENDING
        assert answer.authorized == self.money(0)
        assert self.settled(ref).state is PaymentState.AUTHORIZED
        again = self.authorize(ref, order=order, key=key)
        assert again.authorized == self.money(10_000)
        assert self.stage.effects(ref, "authorize") == 1

    def test_a_status_from_the_providers_future_is_pending(self) -> None:
        ref = self.stage.a_payment_with_an_unknown_status(self.money(10_000))

        answer = self.authorize(ref)

        assert answer.state is PaymentState.PENDING
        assert answer.raw_status
        assert self.provider.lookup(ref).state is PaymentState.PENDING

    def test_an_expired_payment_is_told_and_holds_nothing(self) -> None:
        ref = self.stage.an_expired_payment(self.money(10_000))

        answer = self.authorize(ref)

        assert answer.state is PaymentState.EXPIRED
        assert self.stage.effects(ref, "authorize") == 0

    def test_what_is_held_is_told_even_if_something_else_was_asked(self) -> None:
        """The core compares and releases; an adapter that echoes the question hides it."""
        ref = self.stage.a_payment_that_holds_another_amount(self.money(10_000))

        answer = self.authorize(ref)

        assert answer.authorized != self.money(10_000)
        assert answer.authorized == self.provider.lookup(ref).authorized

    def test_an_automatic_capture_is_told(self) -> None:
        ref = self.stage.a_payment_that_is_captured_at_once(self.money(10_000))

        answer = self.authorize(ref)

        assert answer.state is PaymentState.CAPTURED
        assert answer.captured == self.money(10_000)
        self.authorize(ref)
        assert self.stage.effects(ref, "authorize") == 1

    def test_an_unknown_reference_is_not_found(self) -> None:
        ref = self.stage.an_unknown_payment()

        refusal(PaymentNotFound, lambda: self.provider.lookup(ref))
        refusal(PaymentNotFound, lambda: self.authorize(ref))
        refusal(PaymentNotFound, lambda: self.capture(ref))
        refusal(PaymentNotFound, lambda: self.cancel(ref, uuid4()))
        refusal(PaymentNotFound, lambda: self.refund(ref, 1))

    def test_an_amount_that_cannot_be_represented_is_refused_before_any_call(self) -> None:
        amount = self.stage.an_amount_that_cannot_be_represented()
        ref = self.stage.a_confirmable_payment(self.money(10_000))

        refusal(
            InvalidRequest,
            lambda: self.provider.authorize(Authorize(ref, amount, uuid4(), str(uuid4()))),
        )

        assert self.stage.effects(ref, "authorize") == self.holds_at_first

    def test_after_a_lost_answer_the_hold_is_found_by_looking_up(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        self.stage.lose_next_answer(ref, "authorize")

        refusal(OutcomeUnknown, lambda: self.authorize(ref))

        assert self.provider.lookup(ref).state is PaymentState.AUTHORIZED

    def test_after_a_lost_answer_the_same_key_finds_the_hold_and_makes_no_second(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        order, key = uuid4(), str(uuid4())
        self.stage.lose_next_answer(ref, "authorize")
        refusal(OutcomeUnknown, lambda: self.authorize(ref, order=order, key=key))

        answer = self.authorize(ref, order=order, key=key)

        assert answer.state is PaymentState.AUTHORIZED
        assert self.stage.effects(ref, "authorize") == 1

    def test_a_forgotten_key_makes_no_second_hold(self) -> None:
        """The hold itself may have lapsed meanwhile, so only its number is told."""
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        order, key = uuid4(), str(uuid4())
        self.authorize(ref, order=order, key=key)

        self.stage.forget_keys()
        self.authorize(ref, order=order, key=key)

        assert self.stage.effects(ref, "authorize") == 1

    def test_what_was_not_executed_succeeds_with_the_same_key(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        order, key = uuid4(), str(uuid4())
        self.stage.refuse_next_call(ref, "authorize")

        refusal(RetryableNotExecuted, lambda: self.authorize(ref, order=order, key=key))

        assert self.stage.effects(ref, "authorize") == 0
        assert self.authorize(ref, order=order, key=key).state is PaymentState.AUTHORIZED
        assert self.stage.effects(ref, "authorize") == 1

    def test_an_error_nobody_knows_leaves_the_outcome_unknown(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        self.stage.break_next_call(ref, "authorize")

        refusal(OutcomeUnknown, lambda: self.authorize(ref))

    def test_rejected_credentials_are_told_as_such(self) -> None:
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        self.stage.reject_credentials(ref)

        refusal(CredentialsRejected, lambda: self.authorize(ref))
        refusal(CredentialsRejected, lambda: self.provider.lookup(ref))
