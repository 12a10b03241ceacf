"""A small stateful Adyen on 127.0.0.1, to which the real SDK speaks."""

from tests.support.adyen_double.double import AdyenDouble, Outcome
from tests.support.adyen_double.notifications import (
    API_KEY,
    HMAC_KEY,
    MERCHANT_ACCOUNT,
    WEBHOOK_PASSWORD,
    WEBHOOK_USERNAME,
    batch,
    item,
    signed,
)

__all__ = [
    "API_KEY",
    "HMAC_KEY",
    "MERCHANT_ACCOUNT",
    "WEBHOOK_PASSWORD",
    "WEBHOOK_USERNAME",
    "AdyenDouble",
    "Outcome",
    "batch",
    "item",
    "signed",
]
