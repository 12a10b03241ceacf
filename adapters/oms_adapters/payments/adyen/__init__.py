"""Adyen, for payments that the customer made with Adyen's Checkout and that are captured by hand.

::

    account = AdyenAccount(api_key, "ShopCOM", hmac_keys=(hmac_key,))
    payments = AdyenPayments(account, inbox)

Needs the extra ``oms-core[adyen]``.
"""

from oms_adapters.payments.adyen.account import AdyenAccount, BasicCredentials
from oms_adapters.payments.adyen.provider import CAPABILITIES, AdyenPayments

__all__ = ["CAPABILITIES", "AdyenAccount", "AdyenPayments", "BasicCredentials"]
