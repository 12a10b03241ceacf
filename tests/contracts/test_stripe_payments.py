"""Stripe's adapter keeps the promises of the port, through Stripe's own SDK over a socket."""

from oms_core.testing import SimulatedClock
from oms_core.testing.payment_contract import PaymentContract, PaymentStage
from tests.support.stripe_double import StripeStage


class TestStripePayments(PaymentContract):
    def make_stage(self, clock: SimulatedClock) -> PaymentStage:
        return StripeStage(clock)
