"""The exam's part about refunding."""

from __future__ import annotations

from uuid import uuid4

from oms_core.errors import InvalidRequest, InvalidState, OutcomeUnknown, PaymentTrouble
from oms_core.ports.payments import OperationStatus
from oms_core.testing.payment_contract.scene import THREADS, PaymentScene, accepted
from oms_core.testing.refusal import refusal


class RefundingContract(PaymentScene):
    """Captured money is given back once for each refund id, and never more than was taken."""

    def test_refunding_gives_the_money_back(self) -> None:
        ref = self.a_captured_payment(12_345)

        result = self.refund(ref, 12_345, refund_id="return-1")

        assert accepted(result)
        assert self.ended(ref, "return-1") is OperationStatus.DONE
        assert self.provider.lookup(ref).refunded == self.money(12_345)

    def test_the_same_refund_again_gives_nothing_more(self) -> None:
        ref = self.a_captured_payment()

        results = [
            self.refund(ref, 2_500, refund_id="return-1", key="refund-key") for _ in range(3)
        ]

        assert results == [results[0]] * 3
        assert self.settled(ref).refunded == self.money(2_500)
        assert self.stage.effects(ref, "refund") == 1

    def test_the_same_refund_under_another_key_gives_nothing_more(self) -> None:
        """The key may have been forgotten; the refund id is not."""
        ref = self.a_captured_payment()
        self.refund(ref, 2_500, refund_id="return-1")

        again = self.refund(ref, 2_500, refund_id="return-1")

        assert accepted(again)
        assert self.settled(ref).refunded == self.money(2_500)
        assert self.stage.effects(ref, "refund") == 1

    def test_one_refund_from_many_threads_gives_the_money_back_once(self) -> None:
        ref = self.a_captured_payment()

        results = self.in_threads(
            lambda _: self.refund(ref, 2_500, refund_id="return-1", key="refund-key")
        )

        assert results == [results[0]] * THREADS
        assert self.settled(ref).refunded == self.money(2_500)
        assert self.stage.effects(ref, "refund") == 1

    def test_two_equal_refunds_with_different_ids_are_two(self) -> None:
        ref = self.a_captured_payment()

        self.refund(ref, 2_500, refund_id="return-1")
        self.refund(ref, 2_500, refund_id="return-2")

        assert self.ended(ref, "return-1") is OperationStatus.DONE
        assert self.ended(ref, "return-2") is OperationStatus.DONE
        assert self.provider.lookup(ref).refunded == self.money(5_000)
        assert self.stage.effects(ref, "refund") == 2

    def test_refunds_never_exceed_what_was_captured(self) -> None:
        ref = self.a_captured_payment(10_000)
        self.refund(ref, 6_000)

        refused = refusal(PaymentTrouble, lambda: self.refund(ref, 4_001))

        assert isinstance(refused, InvalidState | InvalidRequest)
        assert self.settled(ref).refunded == self.money(6_000)
        self.refund(ref, 4_000)
        assert self.settled(ref).refunded == self.money(10_000)

    def test_refunds_of_many_threads_never_exceed_what_was_captured(self) -> None:
        ref = self.a_captured_payment(10_000)
        names = [(str(uuid4()), str(uuid4())) for _ in range(THREADS)]

        results = self.in_threads(
            lambda i: self.refund(ref, 3_000, refund_id=names[i][0], key=names[i][1])
        )

        refused = [result for result in results if isinstance(result, PaymentTrouble)]
        assert len(refused) == THREADS - 3
        assert self.settled(ref).refunded == self.money(9_000)

    def test_nothing_can_be_refunded_before_it_is_captured(self) -> None:
        ref = self.a_held_payment()

        refusal(InvalidState, lambda: self.refund(ref, 1_000))

        assert self.settled(ref).refunded == self.money(0)

    def test_nothing_can_be_refunded_after_it_was_voided(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)
        self.cancel(ref, order)
        self.stage.settle(ref)

        refusal(InvalidState, lambda: self.refund(ref, 1_000))

        assert self.settled(ref).refunded == self.money(0)

    def test_a_refund_that_takes_time_is_pending_and_then_done(self) -> None:
        ref = self.stage.a_payment_whose_refunds_take_time(self.money(10_000))
        self.authorize(ref)
        self.capture(ref)
        self.stage.settle(ref)

        result = self.refund(ref, 2_500, refund_id="return-1")

        assert result.status is OperationStatus.PENDING
        found = self.provider.find_operation(ref, "return-1")
        assert found is not None
        assert found.status is OperationStatus.PENDING
        assert self.ended(ref, "return-1") is OperationStatus.DONE
        assert self.provider.lookup(ref).refunded == self.money(2_500)

    def test_a_rejected_refund_is_a_value_with_the_providers_code(self) -> None:
        ref = self.stage.a_payment_whose_refunds_are_rejected(self.money(10_000))
        self.authorize(ref)
        self.capture(ref)
        self.stage.settle(ref)

        self.refund(ref, 2_500, refund_id="return-1")
        self.stage.settle(ref)

        found = self.provider.find_operation(ref, "return-1")
        assert found is not None
        assert found.status is OperationStatus.REJECTED
        assert found.reason
        assert self.provider.lookup(ref).refunded == self.money(0)

    def test_after_a_lost_answer_the_refund_is_found(self) -> None:
        ref = self.a_captured_payment()
        self.stage.lose_next_answer(ref, "refund")

        refusal(
            OutcomeUnknown,
            lambda: self.refund(ref, 2_500, refund_id="return-1", key="refund-key"),
        )

        assert self.ended(ref, "return-1") is OperationStatus.DONE
        assert accepted(self.refund(ref, 2_500, refund_id="return-1", key="refund-key"))
        assert self.settled(ref).refunded == self.money(2_500)
        assert self.stage.effects(ref, "refund") == 1

    def test_a_refund_that_never_happened_is_not_found(self) -> None:
        ref = self.a_captured_payment()

        assert self.provider.find_operation(ref, "never-sent") is None
