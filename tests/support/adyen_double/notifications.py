"""Notifications as Adyen sends them, signed by the SDK's own function."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from Adyen.util import generate_notification_sig

API_KEY: Final = "AQEyhmfxK4test-the-key-of-the-double"
HMAC_KEY: Final = "0123456789ABCDEF" * 4
MERCHANT_ACCOUNT: Final = "ShopCOM"
WEBHOOK_USERNAME: Final = "adyen"
WEBHOOK_PASSWORD: Final = "between-adyen-and-us"

Item = dict[str, Any]


def item(
    code: str,
    psp: str,
    *,
    value: int = 10_000,
    currency: str = "USD",
    success: bool = True,
    original: str | None = None,
    reference: str = "order-4711",
    reason: str = "",
    date: str = "2026-11-25T12:00:00+01:00",
    account: str = MERCHANT_ACCOUNT,
) -> Item:
    """Make one item, not signed yet."""
    made: Item = {
        "additionalData": {"expiryDate": "03/2030", "cardSummary": "1111", "authCode": "076181"},
        "amount": {"currency": currency, "value": value},
        "eventCode": code,
        "eventDate": date,
        "merchantAccountCode": account,
        "merchantReference": reference,
        "paymentMethod": "visa",
        "pspReference": psp,
        "reason": reason,
        "success": "true" if success else "false",
    }
    if original is not None:
        made["originalReference"] = original
    return made


def signed(one: Item, key: str = HMAC_KEY) -> Item:
    """Sign an item."""
    signature = generate_notification_sig(one, key).decode()
    return {**one, "additionalData": {**one["additionalData"], "hmacSignature": signature}}


def batch(items: Sequence[Item]) -> bytes:
    """Put signed items into one notification."""
    wrapped = [{"NotificationRequestItem": one} for one in items]
    return json.dumps({"live": "false", "notificationItems": wrapped}).encode()
