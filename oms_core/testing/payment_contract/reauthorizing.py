"""The exam's part about holding the same money for longer."""

from __future__ import annotations

from uuid import UUID, uuid4

from oms_core.domain.payment import PaymentState
from oms_core.errors import InvalidState
from oms_core.ports.payments import PaymentRef, PaymentSnapshot, Reauthorize
from oms_core.testing.payment_contract.scene import PaymentScene
from oms_core.testing.refusal import refusal


class ReauthorizingContract(PaymentScene):
    """A hold is made anew for the same money, once for each operation id."""

    def test_a_hold_made_anew_lasts_longer_and_is_still_one_hold(self) -> None:
        self.needs(self.provider.capabilities.can_reauthorize, "hold money anew")
        order = uuid4()
        ref = self.a_held_payment(order=order)
        before = self.provider.lookup(ref)
        self.stage.time_to_reauthorize(ref)

        after = self._reauthorize(ref, order)

        assert after.state is PaymentState.AUTHORIZED
        assert after.authorized == before.authorized
        assert before.expires_at is not None
        assert after.expires_at is not None
        assert after.expires_at > before.expires_at
        assert self.provider.lookup(ref) == after

    def test_the_same_reauthorization_again_has_no_second_effect(self) -> None:
        self.needs(self.provider.capabilities.can_reauthorize, "hold money anew")
        order = uuid4()
        ref = self.a_held_payment(order=order)
        self.stage.time_to_reauthorize(ref)

        answers = [self._reauthorize(ref, order, operation="renew-1", key="k") for _ in range(3)]

        assert answers == [answers[0]] * 3
        assert self.stage.effects(ref, "reauthorize") == 1

    def test_what_was_captured_is_not_held_anew(self) -> None:
        self.needs(self.provider.capabilities.can_reauthorize, "hold money anew")
        ref = self.a_captured_payment()
        self.stage.time_to_reauthorize(ref)

        refusal(InvalidState, lambda: self._reauthorize(ref, uuid4()))

    def test_a_provider_that_cannot_hold_anew_says_so(self) -> None:
        self.needs(not self.provider.capabilities.can_reauthorize, "refuse to hold money anew")
        order = uuid4()
        ref = self.a_held_payment(order=order)

        refusal(InvalidState, lambda: self._reauthorize(ref, order))

    def _reauthorize(
        self, ref: PaymentRef, order: UUID, *, operation: str = "", key: str = ""
    ) -> PaymentSnapshot:
        return self.provider.reauthorize(
            Reauthorize(
                ref,
                self.money(10_000),
                order,
                operation or str(uuid4()),
                key or str(uuid4()),
            )
        )
