"""The PayPal adapter keeps the promises of the port, in front of a PayPal of our own."""

from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentContract, PaymentStage
from tests.support.paypal_stage import PaypalStage


class TestPaypalPayments(PaymentContract):
    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return PaypalStage(clock)
