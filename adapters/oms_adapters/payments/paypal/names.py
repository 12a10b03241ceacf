"""The names we leave at PayPal, by which a lost answer and a payment's order are found again.

All are made of what PayPal's fields take everywhere: letters, digits, hyphen and full stop, at
most 127 of them.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID, uuid5

_NAMESPACE: Final = UUID("5d0f1c9e-6a52-5b0e-9b0e-9f6b5f0a7c31")
_OWNED: Final = "oms-order."
_CANCELLED: Final = "oms-cancelled."
_ORDER_ID: Final = re.compile(r"(?:oms-order|oms-cancelled)\.([0-9a-f-]{36})", re.ASCII)
_PAYPAL_ID: Final = re.compile(r"[A-Z0-9]{1,36}", re.ASCII)


def is_paypal_id(text: object) -> bool:
    """Tell whether PayPal may have given this id out; nothing else enters a URL."""
    return isinstance(text, str) and _PAYPAL_ID.fullmatch(text) is not None


def owner_mark(order_id: UUID) -> str:
    """Write whose payment it is, for the field ``custom_id``."""
    return f"{_OWNED}{order_id}"


def cancelled_mark(order_id: UUID) -> str:
    """Write who has given the payment up, for the same field."""
    return f"{_CANCELLED}{order_id}"


def order_in_mark(custom_id: object) -> UUID | None:
    """Read either mark; ``None`` if somebody else wrote the field, or nobody did."""
    match = _ORDER_ID.fullmatch(custom_id) if isinstance(custom_id, str) else None
    try:
        return UUID(match[1]) if match else None
    except ValueError:
        return None


def operation_name(paypal_order_id: str, operation_id: str) -> str:
    """Name an operation, for ``invoice_id`` and ``custom_id``.

    The merchant's account sees every name, so the payment is a part of it. PayPal refuses an
    invoice id that it has seen: a net under the idempotency key, which it forgets one day.
    """
    return f"{paypal_order_id}.{uuid5(_NAMESPACE, operation_id)}"


def order_in_name(name: object) -> str | None:
    """Read the PayPal order's id out of an operation's name."""
    order_id, dot, rest = name.partition(".") if isinstance(name, str) else ("", "", "")
    return order_id if dot and len(rest) == 36 and is_paypal_id(order_id) else None  # noqa: PLR2004 - a UUID
