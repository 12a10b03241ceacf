"""Marks on Stripe's objects: whose a payment is, and which of our operations it has seen.

They are how an operation is found again after its answer was lost and its key forgotten. Most
stand in metadata. Stripe: at most 50 keys of 40 characters, values of 500. Whose a payment is
stands in its order reference, which a confirm can write, or else in metadata, which it cannot.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from oms_core.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

OWNER: Final = "oms_order_id"
INSTEAD_OF: Final = "oms_instead_of"
REFUND: Final = "oms_refund_id"
_DETAILS: Final = "payment_details"
_REFERENCE: Final = "order_reference"
_REFERENCE_BEGINS: Final = "oms-order."
_VALUE_CHARACTERS_MAX: Final = 500


def owner_reference(order_id: UUID) -> str:
    """Say that a payment is for an order, where the shop would write its own reference."""
    return f"{_REFERENCE_BEGINS}{order_id}"


def owner_mark(order_id: UUID, intent: Mapping[str, Any]) -> dict[str, str]:
    """Say in its metadata that a payment is for an order, whomever its reference names.

    A reference that an order left which failed cannot always be written anew.
    """
    named = _referenced(intent)
    mark = {OWNER: str(order_id)}
    return mark if named is None else {**mark, INSTEAD_OF: str(named)}


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
    named = _referenced(intent)
    if named is None or named == _order_in(intent, INSTEAD_OF):
        return _order_in(intent, OWNER)
    return named


def may_be_referenced(intent: Mapping[str, Any], order_id: UUID) -> bool:
    """Tell whether a confirm may write an order's reference, and it would say anything new.

    What the shop wrote there, or Stripe for it, is kept. A payment that is marked for the order
    in its metadata is confirmed as it is. A reference that metadata outweighs would not count
    if it were written once more.
    """
    named = _referenced(intent)
    if owner_of(intent) == order_id != named or _order_in(intent, INSTEAD_OF) == order_id:
        return False
    is_ours = named is not None
    return all(is_ours and name == _REFERENCE for name, said in _details(intent).items() if said)


def has_seen(thing: Mapping[str, Any], mark: Mapping[str, str]) -> bool:
    """Tell whether a payment or a refund bears the *mark*."""
    return mark.items() <= _metadata(thing).items()


def _referenced(intent: Mapping[str, Any]) -> UUID | None:
    """Tell which order a payment's reference names, if we wrote it."""
    said = _details(intent).get(_REFERENCE)
    if not isinstance(said, str) or not said.startswith(_REFERENCE_BEGINS):
        return None
    return _order(said.removeprefix(_REFERENCE_BEGINS))


def _order_in(intent: Mapping[str, Any], key: str) -> UUID | None:
    return _order(_metadata(intent).get(key))


def _order(said: object) -> UUID | None:
    try:
        return UUID(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _details(intent: Mapping[str, Any]) -> Mapping[str, Any]:
    return _part(intent, _DETAILS)


def _metadata(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    return _part(thing, "metadata")


def _part(thing: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = thing.get(name)
    return part if isinstance(part, dict) else {}


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
