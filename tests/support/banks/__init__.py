"""The other side of every payment provider, as a whole system meets it: customers and banks."""

from tests.support.banks.adyen_bank import AdyenBank, AdyenInPartsBank
from tests.support.banks.bank import Bank, Books, Letter
from tests.support.banks.paypal_bank import PaypalBank
from tests.support.banks.simulated_bank import SimulatedBank
from tests.support.banks.stripe_bank import StripeBank

__all__ = [
    "AdyenBank",
    "AdyenInPartsBank",
    "Bank",
    "Books",
    "Letter",
    "PaypalBank",
    "SimulatedBank",
    "StripeBank",
]
