"""From where to where a walk through all orders goes, in the order of their unique index."""

from __future__ import annotations

from typing import Final, TypeAlias
from uuid import UUID

from attrs import frozen

from oms_adapters.storage.sqlite.record import key_of
from oms_core.ports.storage import OrderPlace

Key: TypeAlias = "tuple[bytes, bytes, bytes]"

_LOWEST: Final = b""
_HIGHEST: Final = b"\xff" * 16
"""As high as any id; nothing is as low as no bytes at all."""


@frozen
class Bounds:
    """Tenant, organization and id behind which a page begins, and up to which it may go."""

    above: Key
    up_to: Key


def bounds_of(after: OrderPlace | None, tenant_id: UUID | None, org_id: UUID | None) -> Bounds:
    """Tell the bounds of a page of all orders, of a tenant's or of an organization's."""
    above: Key = (_LOWEST, _LOWEST, _LOWEST)
    up_to: Key = (_HIGHEST, _HIGHEST, _HIGHEST)
    if tenant_id is not None:
        org = None if org_id is None else org_id.bytes
        above = (tenant_id.bytes, org or _LOWEST, _LOWEST)
        up_to = (tenant_id.bytes, org or _HIGHEST, _HIGHEST)
    if after is not None:
        above = max(above, key_of(after.scope, after.order_id))
    return Bounds(above, up_to)
