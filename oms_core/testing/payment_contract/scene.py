"""What every part of the payments exam needs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final, TypeVar
from unittest import SkipTest
from uuid import UUID, uuid4

from oms_core.domain.money import Money
from oms_core.domain.payment import PaymentState
from oms_core.errors import InProgress, OutcomeUnknown, PaymentTrouble, RetryableNotExecuted
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
from oms_core.testing.at_once import at_once
from oms_core.testing.clock import SimulatedClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_core.ports.payments import PaymentProvider
    from oms_core.testing.payment_contract.stage import PaymentStage

T = TypeVar("T")

THREADS: Final = 16
TRIES_MAX: Final = 50
"""How often a call is repeated while the provider says it is busy with it."""


class PaymentScene(ABC):
    """Sets the stage before each test and clears it afterwards."""

    stage: PaymentStage
    provider: PaymentProvider

    @abstractmethod
    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        """Make a fresh double with the adapter under test in front of it."""

    def setup_method(self) -> None:
        """Set the stage; pytest calls it before each test."""
        self.stage = self.make_stage(SimulatedClock())
        self.provider = self.stage.provider

    def teardown_method(self) -> None:
        """Clear the stage; pytest calls it after each test."""
        self.stage.close()

    def needs(self, able: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Skip the promise if this provider is not *able* to do *what*."""
        if not able:
            raise SkipTest(f"this provider does not {what}")

    def money(self, minor: int) -> Money:
        """Return an amount in the stage's currency."""
        return Money(minor, self.stage.currency)

    def authorize(
        self, ref: PaymentRef, minor: int = 10_000, *, order: UUID | None = None, key: str = ""
    ) -> PaymentSnapshot:
        """Authorize for a new order and under a new key, unless they are given."""
        command = Authorize(ref, self.money(minor), order or uuid4(), key or str(uuid4()))
        return self.provider.authorize(command)

    def capture(
        self,
        ref: PaymentRef,
        minor: int = 10_000,
        *,
        operation: str = "",
        key: str = "",
        final: bool = True,
    ) -> OperationResult:
        """Capture under a new operation id and key, unless they are given."""
        command = Capture(
            ref, self.money(minor), operation or str(uuid4()), key or str(uuid4()), final
        )
        return self.provider.capture(command)

    def cancel(
        self, ref: PaymentRef, order: UUID, *, operation: str = "", key: str = ""
    ) -> OperationResult:
        """Cancel under a new operation id and key, unless they are given."""
        command = Cancel(ref, order, operation or str(uuid4()), key or str(uuid4()))
        return self.provider.cancel(command)

    def refund(
        self, ref: PaymentRef, minor: int, *, refund_id: str = "", key: str = ""
    ) -> OperationResult:
        """Refund under a new refund id and key, unless they are given."""
        command = Refund(ref, self.money(minor), refund_id or str(uuid4()), key or str(uuid4()))
        return self.provider.refund(command)

    def a_held_payment(self, minor: int = 10_000, *, order: UUID | None = None) -> PaymentRef:
        """Prepare a payment that is authorized."""
        ref = self.stage.a_confirmable_payment(self.money(minor))
        self.authorize(ref, minor, order=order)
        assert self.settled(ref).state is PaymentState.AUTHORIZED
        return ref

    @property
    def holds_at_first(self) -> int:
        """How often money was held for a "confirmable" payment before anybody asked."""
        return 0 if self.stage.holds_when_asked else 1

    def a_payment_that_holds_nothing_yet(self, minor: int = 10_000) -> PaymentRef:
        """Prepare a good payment for which nothing is held at the moment."""
        if self.stage.holds_when_asked:
            return self.stage.a_confirmable_payment(self.money(minor))
        return self.stage.a_pending_payment(self.money(minor))

    def a_captured_payment(self, minor: int = 10_000) -> PaymentRef:
        """Prepare a payment that is captured in full."""
        ref = self.a_held_payment(minor)
        self.capture(ref, minor)
        assert self.settled(ref).state is PaymentState.CAPTURED
        return ref

    def settled(self, ref: PaymentRef) -> PaymentSnapshot:
        """Tell the payment's state once nothing is under way."""
        self.stage.settle(ref)
        return self.provider.lookup(ref)

    def ended(self, ref: PaymentRef, operation_id: str) -> OperationStatus | None:
        """Tell how an operation ended once nothing is under way."""
        self.stage.settle(ref)
        found = self.provider.find_operation(ref, operation_id)
        return found.status if found else None

    def in_threads(self, call: Callable[[int], T]) -> list[T | PaymentTrouble]:
        """Make *call* with 0, 1, ... in as many threads, all at the same moment.

        Each thread repeats what the provider is still busy with, as the core would.
        """

        def run(number: int) -> T | PaymentTrouble:
            for _ in range(TRIES_MAX):
                try:
                    return call(number)
                except (InProgress, RetryableNotExecuted, OutcomeUnknown):
                    continue
                except PaymentTrouble as trouble:
                    return trouble
            raise AssertionError(f"the provider was still busy after {TRIES_MAX} tries")

        return at_once(run, range(THREADS))


def accepted(result: OperationResult) -> bool:
    """Say whether an operation was accepted: done, or under way."""
    return result.status in {OperationStatus.DONE, OperationStatus.PENDING}
