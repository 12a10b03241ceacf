"""The Adyen adapter sits the payments exam, its real SDK over a socket before a double."""

from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentContract, PaymentStage
from tests.support.adyen_stage import AdyenStage


class TestAdyenPayments(PaymentContract):
    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return AdyenStage(clock)


class TestAdyenPaymentsInParts(PaymentContract):
    """On an account for which Adyen has enabled multiple partial captures."""

    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return AdyenStage(clock, in_parts=True)
