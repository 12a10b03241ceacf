"""PayPal: orders of the intent AUTHORIZE, held, captured and refunded over its REST API.

::

    payments = PaypalPayments(PaypalAccount(client_id, client_secret, SANDBOX_URL, webhook_id))
"""

from oms_adapters.payments.paypal.account import LIVE_URL, SANDBOX_URL, PaypalAccount
from oms_adapters.payments.paypal.provider import PaypalPayments

__all__ = ["LIVE_URL", "SANDBOX_URL", "PaypalAccount", "PaypalPayments"]
