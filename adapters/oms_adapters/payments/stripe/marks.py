"""Marks in Stripe's metadata: whose a payment is, and which of our operations it has seen.

They are how an operation is found again after its answer was lost and its key forgotten.
Stripe: at most 50 keys of 40 characters, values of 500.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from oms_core.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER: Final = "oms_order_id"
REFUND: Final = "oms_refund_id"
_VALUE_CHARACTERS_MAX: Final = 500


def owner_mark(order_id: UUID) -> dict[str, str]:
    """Say that a payment is for an order."""
    return {OWNER: str(order_id)}


def capture_mark(operation_id: str) -> dict[str, str]:
    """Say that a payment has seen this capture."""
    return {_key("capture", operation_id): _value(operation_id)}


def void_mark(operation_id: str) -> dict[str, str]:
    """Say that a payment is to see this cancel."""
    return {_key("void", operation_id): _value(operation_id)}


def refund_mark(refund_id: str) -> dict[str, str]:
    """Say which refund of ours a refund is."""
    return {REFUND: _value(refund_id)}


def owner_of(intent: Mapping[str, Any]) -> UUID | None:
    """Tell for which order a payment is; ``None``: it does not say, or not in our words."""
    said = _metadata(intent).get(OWNER)
    try:
        return UUID(said) if isinstance(said, str) else None
    except ValueError:
        return None


def has_seen(thing: Mapping[str, Any], mark: Mapping[str, str]) -> bool:
    """Tell whether a payment or a refund bears the *mark*."""
    return mark.items() <= _metadata(thing).items()


def _metadata(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = thing.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _key(operation: str, operation_id: str) -> str:
    digest = hashlib.sha256(_value(operation_id).encode()).hexdigest()
    return f"oms_{operation}_{digest[:24]}"


def _value(name: str) -> str:
    """Take a name that Stripe keeps as it is.

    Raises:
        InvalidRequest: empty, longer than 500 characters, or no text that can be sent.
    """
    if not 0 < len(name) <= _VALUE_CHARACTERS_MAX or not name.isprintable():
        raise InvalidRequest(reason="operation_id_out_of_range")
    return name


def is_ours(thing: Mapping[str, Any]) -> bool:
    """Tell whether a refund bears any mark of ours."""
    return REFUND in _metadata(thing)
