"""The exam's part about capturing."""

from __future__ import annotations

from uuid import uuid4

from oms_core.domain.payment import PaymentState
from oms_core.errors import InvalidRequest, InvalidState, OutcomeUnknown, PaymentTrouble
from oms_core.ports.payments import OperationStatus
from oms_core.testing.payment_contract.scene import THREADS, PaymentScene, accepted
from oms_core.testing.refusal import refusal


class CapturingContract(PaymentScene):
    """Held money is taken once, and never more than is held."""

    def test_capturing_takes_what_is_held(self) -> None:
        ref = self.a_held_payment(12_345)

        result = self.capture(ref, 12_345, operation="ship-1")

        assert accepted(result)
        assert self.ended(ref, "ship-1") is OperationStatus.DONE
        seen = self.provider.lookup(ref)
        assert seen.state is PaymentState.CAPTURED
        assert (seen.authorized, seen.captured) == (self.money(12_345), self.money(12_345))

    def test_the_same_capture_again_takes_nothing_more(self) -> None:
        ref = self.a_held_payment()

        results = [self.capture(ref, operation="ship-1", key="capture-key") for _ in range(3)]

        assert results == [results[0]] * 3
        assert self.settled(ref).captured == self.money(10_000)
        assert self.stage.effects(ref, "capture") == 1

    def test_one_capture_from_many_threads_takes_the_money_once(self) -> None:
        ref = self.a_held_payment()

        results = self.in_threads(
            lambda _: self.capture(ref, operation="ship-1", key="capture-key")
        )

        assert results == [results[0]] * THREADS
        assert self.settled(ref).captured == self.money(10_000)
        assert self.stage.effects(ref, "capture") == 1

    def test_what_was_captured_is_done_under_another_key_too(self) -> None:
        """The key may have been forgotten; the operation is not."""
        ref = self.a_held_payment()
        self.capture(ref, operation="ship-1")

        again = self.capture(ref, operation="ship-1")

        assert accepted(again)
        assert self.settled(ref).captured == self.money(10_000)
        assert self.stage.effects(ref, "capture") == 1

    def test_a_final_capture_of_a_part_releases_the_rest(self) -> None:
        self.needs(self.provider.capabilities.partial_capture, "capture less than is held")
        ref = self.a_held_payment()

        self.capture(ref, 4_000, operation="ship-1", final=True)

        seen = self.settled(ref)
        assert seen.captured == self.money(4_000)
        assert seen.state is PaymentState.CAPTURED
        refusal(InvalidState, lambda: self.capture(ref, 1_000))
        assert self.settled(ref).captured == self.money(4_000)

    def test_a_capture_that_is_not_final_leaves_the_rest_held(self) -> None:
        self.needs(self.provider.capabilities.captures_in_parts, "be captured in parts")
        ref = self.a_held_payment()

        self.capture(ref, 4_000, final=False)

        seen = self.settled(ref)
        assert seen.state is PaymentState.PARTIALLY_CAPTURED
        assert seen.captured == self.money(4_000)
        self.capture(ref, 6_000)
        seen = self.settled(ref)
        assert seen.state is PaymentState.CAPTURED
        assert seen.captured == self.money(10_000)

    def test_two_equal_captures_with_different_names_are_two(self) -> None:
        self.needs(self.provider.capabilities.captures_in_parts, "be captured in parts")
        ref = self.a_held_payment()

        for name in ("ship-1", "ship-2"):
            self.capture(ref, 4_000, operation=name, final=False)

        assert self.ended(ref, "ship-1") is OperationStatus.DONE
        assert self.ended(ref, "ship-2") is OperationStatus.DONE
        assert self.provider.lookup(ref).captured == self.money(8_000)
        assert self.stage.effects(ref, "capture") == 2

    def test_after_a_lost_answer_of_a_second_capture_both_are_found(self) -> None:
        """Its amount and the payment are those of the first; its name alone is its own."""
        self.needs(self.provider.capabilities.captures_in_parts, "be captured in parts")
        ref = self.a_held_payment()
        self.capture(ref, 4_000, operation="ship-1", final=False)
        self.stage.settle(ref)
        self.stage.lose_next_answer(ref, "capture")

        refusal(
            OutcomeUnknown,
            lambda: self.capture(ref, 4_000, operation="ship-2", key="key-2", final=False),
        )

        assert self.ended(ref, "ship-2") is OperationStatus.DONE
        assert accepted(self.capture(ref, 4_000, operation="ship-2", key="key-2", final=False))
        assert self.ended(ref, "ship-1") is OperationStatus.DONE
        assert self.settled(ref).captured == self.money(8_000)
        assert self.stage.effects(ref, "capture") == 2

    def test_captures_of_many_threads_never_exceed_the_hold(self) -> None:
        self.needs(self.provider.capabilities.captures_in_parts, "be captured in parts")
        ref = self.a_held_payment(10_000)
        names = [(str(uuid4()), str(uuid4())) for _ in range(THREADS)]

        results = self.in_threads(
            lambda i: self.capture(ref, 1_500, operation=names[i][0], key=names[i][1], final=False)
        )

        refused = [result for result in results if isinstance(result, PaymentTrouble)]
        assert len(refused) == THREADS - 6
        assert {type(one) for one in refused} == {InvalidState}
        assert self.settled(ref).captured == self.money(9_000)

    def test_more_than_is_held_cannot_be_captured(self) -> None:
        ref = self.a_held_payment(10_000)

        refused = refusal(PaymentTrouble, lambda: self.capture(ref, 10_001))

        assert isinstance(refused, InvalidState | InvalidRequest)
        assert self.settled(ref).captured == self.money(0)

    def test_what_is_captured_in_full_cannot_be_captured_by_another_operation(self) -> None:
        ref = self.a_captured_payment()

        refusal(InvalidState, lambda: self.capture(ref))

        assert self.settled(ref).captured == self.money(10_000)

    def test_nothing_can_be_captured_before_anything_is_held(self) -> None:
        ref = self.a_payment_that_holds_nothing_yet()

        refusal(InvalidState, lambda: self.capture(ref))

        assert self.provider.lookup(ref).captured.minor == 0

    def test_nothing_can_be_captured_after_it_was_voided(self) -> None:
        order = uuid4()
        ref = self.a_held_payment(order=order)
        self.cancel(ref, order)
        self.stage.settle(ref)

        refusal(InvalidState, lambda: self.capture(ref))

        assert self.settled(ref).captured == self.money(0)

    def test_after_a_lost_answer_the_capture_is_found(self) -> None:
        ref = self.a_held_payment()
        self.stage.lose_next_answer(ref, "capture")

        refusal(OutcomeUnknown, lambda: self.capture(ref, operation="ship-1", key="capture-key"))

        assert self.ended(ref, "ship-1") is OperationStatus.DONE
        assert accepted(self.capture(ref, operation="ship-1", key="capture-key"))
        assert self.settled(ref).captured == self.money(10_000)
        assert self.stage.effects(ref, "capture") == 1

    def test_a_capture_that_never_happened_is_not_found(self) -> None:
        ref = self.a_held_payment()

        assert self.provider.find_operation(ref, "never-sent") is None

    def test_a_capture_that_failed_without_effect_is_not_found(self) -> None:
        ref = self.a_held_payment()
        self.stage.break_next_call(ref, "capture")

        refusal(OutcomeUnknown, lambda: self.capture(ref, operation="ship-1"))

        found = self.provider.find_operation(ref, "ship-1")
        if self.stage.proves_absence:
            assert found is None
        else:
            assert found is not None
            assert found.status is OperationStatus.PENDING
        assert self.settled(ref).captured == self.money(0)
