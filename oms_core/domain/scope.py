"""Whose order it is, and how ids are made from names."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

from attrs import frozen

ORDER_NAMESPACE: Final = UUID("5f0c3c4e-6f0b-5d3c-9a53-0d2f4e1a7b60")
"""Fixed for ever: changing it would let every repeated idempotency key make a new order."""


@frozen
class Scope:
    """One organization of one tenant. Nothing is ever read or written without it."""

    tenant_id: UUID
    org_id: UUID


def order_id_for(scope: Scope, idempotency_key: str) -> UUID:
    """Derive the order's id from its idempotency key (UUIDv5, RFC 9562).

    The key *is* the primary key: a retry computes the same id without a look-up. Tenant
    and organization have a fixed length, so no two (scope, key) pairs share a name.
    """
    return uuid5(ORDER_NAMESPACE, f"{scope.tenant_id.hex}{scope.org_id.hex}{idempotency_key}")


def event_id_for(order_id: UUID, sequence: int) -> UUID:
    """Derive the id of an order's *sequence*-th event: the same on every redelivery."""
    return uuid5(order_id, f"event/{sequence}")


def effect_key_for(scope: Scope, order_id: UUID, operation: str, generation: int) -> str:
    """Derive the idempotency key of one external effect: 36 characters, fits every provider.

    The same for every repeat of one (order, operation, generation), so that a repeat after
    a crash or a lost answer has one effect. The generation rises only after it is proven
    that the earlier one had none.
    """
    name = f"{scope.tenant_id.hex}{scope.org_id.hex}/{operation}/{generation}"
    return str(uuid5(order_id, name))
