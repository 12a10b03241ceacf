"""A small stateful Stripe on a loopback socket, for the real SDK to speak to."""

from tests.support.stripe_double.double import StripeDouble
from tests.support.stripe_double.stage import StripeStage

__all__ = ["StripeDouble", "StripeStage"]
