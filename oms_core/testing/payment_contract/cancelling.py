"""The exam's part about cancelling."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID, uuid4

from oms_core.domain.payment import PaymentState
from oms_core.errors import InvalidState, OutcomeUnknown
from oms_core.ports.payments import OperationStatus, PaymentRef
from oms_core.testing.payment_contract.scene import THREADS, PaymentScene, accepted
from oms_core.testing.refusal import refusal


class CancellingContract(PaymentScene):
    """A cancelled payment holds nothing and never will."""

    def test_cancelling_releases_what_is_held(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)

        result = self.cancel(ref, order, operation="undo-1")

        assert accepted(result)
        if self.stage.finds_cancels:
            assert self.ended(ref, "undo-1") is OperationStatus.DONE
        self.stage.settle(ref)
        assert self.provider.lookup(ref).state is PaymentState.CANCELLED
        assert self.stage.effects(ref, "cancel") == 1

    def test_cancelling_again_is_done(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)

        results = [self.cancel(ref, order, operation="undo-1", key="void-key") for _ in range(3)]

        assert results == [results[0]] * 3
        assert self.stage.effects(ref, "cancel") == 1

    def test_cancelling_under_another_name_finds_it_void_already(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)
        self.cancel(ref, order)
        self.stage.settle(ref)

        again = self.cancel(ref, order)

        assert again.status is OperationStatus.DONE
        assert self.stage.effects(ref, "cancel") == 1

    def test_one_cancel_from_many_threads_voids_once(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)

        results = self.in_threads(
            lambda _: self.cancel(ref, order, operation="undo-1", key="void-key")
        )

        assert results == [results[0]] * THREADS
        assert self.stage.effects(ref, "cancel") == 1

    def test_cancelling_before_authorizing_forbids_it(self) -> None:
        """A zombie's authorize may arrive after the order was given up."""
        order = uuid4()
        ref = self.stage.a_confirmable_payment(self.money(10_000))

        result = self.cancel(ref, order)

        assert accepted(result)
        self.stage.settle(ref)
        self._refuses_to_hold(ref, order, before=self.holds_at_first)

    def test_after_cancelling_the_money_is_not_held_again(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)
        self.cancel(ref, order)
        self.stage.settle(ref)

        self._refuses_to_hold(ref, order, before=1)

    def test_a_cancel_and_an_authorize_at_once_leave_nothing_held(self) -> None:
        order = uuid4()
        ref = self.stage.a_confirmable_payment(self.money(10_000))
        keys = [str(uuid4()) for _ in range(THREADS)]

        self.in_threads(
            lambda i: (
                self.cancel(ref, order, operation="undo-1", key="void-key")
                if i % 2
                else self.authorize(ref, order=order, key=keys[0])
            )
        )

        self.cancel(ref, order)
        assert self.settled(ref).state is PaymentState.CANCELLED

    def test_a_customer_who_acts_after_the_cancel_is_too_late(self) -> None:
        order = uuid4()
        ref = self.stage.a_payment_requiring_action(self.money(10_000))
        self.authorize(ref, order=order)
        self.cancel(ref, order)
        self.stage.settle(ref)

        self.stage.the_customer_acts(ref)

        assert self.settled(ref).state is PaymentState.CANCELLED

    def test_a_pending_payment_that_is_cancelled_holds_nothing_in_the_end(self) -> None:
        order = uuid4()
        ref = self.stage.a_pending_payment(self.money(10_000))
        self.authorize(ref, order=order)

        self.cancel(ref, order)

        assert self.settled(ref).state is PaymentState.CANCELLED

    def test_a_declined_payment_can_be_cancelled(self) -> None:
        order = uuid4()
        ref = self.stage.a_payment_to_be_declined(self.money(10_000))
        self.authorize(ref, order=order)

        assert accepted(self.cancel(ref, order))

        assert self.settled(ref).state in {PaymentState.CANCELLED, PaymentState.DECLINED}

    def test_an_expired_payment_can_be_cancelled(self) -> None:
        ref = self.stage.an_expired_payment(self.money(10_000))

        assert accepted(self.cancel(ref, uuid4()))

        assert self.settled(ref).state in {PaymentState.CANCELLED, PaymentState.EXPIRED}

    def test_what_is_captured_cannot_be_voided(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)
        self.capture(ref)
        self.stage.settle(ref)

        refusal(InvalidState, lambda: self.cancel(ref, order))

        assert self.settled(ref).captured == self.money(10_000)
        assert self.stage.effects(ref, "cancel") == 0

    def test_cancelling_for_another_order_leaves_the_first_ones_hold_alone(self) -> None:
        """The loser of a race for one payment undoes its own steps, not the winner's."""
        self.needs(self.stage.tells_owner, "tell whose a hold is")
        winner, loser = uuid4(), uuid4()
        ref = self.a_held_payment(order=winner)
        self.authorize(ref, order=loser)

        with suppress(InvalidState):
            self.cancel(ref, loser)

        seen = self.settled(ref)
        assert seen.state is PaymentState.AUTHORIZED
        assert seen.order_id == winner
        assert self.stage.effects(ref, "cancel") == 0

    def test_after_a_lost_answer_the_void_is_found(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)
        self.stage.lose_next_answer(ref, "cancel")

        refusal(OutcomeUnknown, lambda: self.cancel(ref, order, operation="undo-1", key="void-key"))

        assert self.settled(ref).state is PaymentState.CANCELLED
        assert accepted(self.cancel(ref, order, operation="undo-1", key="void-key"))
        assert self.stage.effects(ref, "cancel") == 1

    def _refuses_to_hold(self, ref: PaymentRef, order: UUID, *, before: int) -> None:
        """Check that an authorize which comes too late hears CANCELLED or InvalidState."""
        try:
            answer = self.authorize(ref, order=order)
        except InvalidState:
            pass
        else:
            assert answer.state is PaymentState.CANCELLED
        assert self.stage.effects(ref, "authorize") == before
        assert self.settled(ref).state is PaymentState.CANCELLED
