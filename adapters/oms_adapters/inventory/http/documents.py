"""The contract's JSON: what is sent, and what is understood of an answer.

Reading is strict about what is needed and blind to what is not: a service may say more. What
does not read raises ``Unreadable``, and nothing else.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    OutOfStock,
    Reserved,
    Shortage,
    StockItem,
    StockLevel,
    StockMovement,
)
from oms_core.errors import IdempotencyKeyReused, InsufficientStock
from oms_core.ports.inventory import StockPage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.inventory import Allocation, Demand
    from oms_core.ports.inventory import ReserveOutcome

T = TypeVar("T")

_MS_PER_S: Final = 1_000


class Unreadable(Exception):
    """An answer is not what the contract says."""


# -- sent ------------------------------------------------------------------------------------


def reservation(
    reservation_id: str, demands: Sequence[Demand], allocation: Allocation
) -> dict[str, Any]:
    """Write the wish to reserve."""
    return {
        "reservation_id": reservation_id,
        "demands": wanted(demands),
        "allocation": allocation.model.value,
        # Rounded up: a promise is kept for at least as long as it was made for.
        "ttl_ms": max(1, math.ceil(allocation.ttl_s * _MS_PER_S)),
    }


def wanted(demands: Sequence[Demand]) -> list[dict[str, Any]]:
    """Write how many pieces of which items are meant."""
    return [{**item(demand.item), "quantity": demand.quantity} for demand in demands]


def movement(entry: StockMovement) -> dict[str, Any]:
    """Write a ledger entry."""
    return {
        "movement_id": entry.movement_id,
        **item(entry.item),
        "quantity_delta": entry.quantity_delta,
        "reason": entry.reason,
        "at": entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "actor": entry.actor,
    }


def item(one: StockItem) -> dict[str, str]:
    """Write the name of a stock item."""
    return {"sku": one.sku, "location": one.location}


# -- understood ------------------------------------------------------------------------------


def outcome_of(document: object) -> ReserveOutcome:
    """Read what became of a reservation."""
    match document:
        case {"outcome": "reserved"}:
            return Reserved()
        case {"outcome": "already_released"}:
            return AlreadyReleased()
        case {"outcome": "already_committed"}:
            return AlreadyCommitted()
        case {"outcome": "out_of_stock", "shortages": [_, *_] as shortages}:
            return OutOfStock(_shortage_of(shortage) for shortage in shortages)
        case _:
            raise Unreadable


def level_after(document: object, entry: StockMovement) -> StockLevel:
    """Read what became of a ledger entry.

    Raises:
        InsufficientStock: it would leave less on hand than is promised.
        IdempotencyKeyReused: its id names another entry.
    """
    match document:
        case {"outcome": "booked", "level": level}:
            return _level_of(level)
        case {"outcome": "insufficient_stock", "available": available}:
            name = entry.item
            raise InsufficientStock(name.sku, name.location, _of_type(int, available))
        case {"outcome": "idempotency_key_reused"}:
            raise IdempotencyKeyReused
        case _:
            raise Unreadable


def page_of(document: object) -> StockPage:
    """Read a page of levels."""
    match document:
        case {"levels": list(levels), "next_cursor": None | str() as cursor}:
            return StockPage(tuple(_level_of(level) for level in levels), cursor)
        case _:
            raise Unreadable


def movements_of(document: object) -> tuple[StockMovement, ...]:
    """Read a part of a ledger."""
    match document:
        case {"movements": list(movements)}:
            return tuple(_movement_of(movement) for movement in movements)
        case _:
            raise Unreadable


def _shortage_of(document: object) -> Shortage:
    wanted, available = _field(int, document, "wanted"), _field(int, document, "available")
    return Shortage(_item_of(document), wanted, available)


def _level_of(document: object) -> StockLevel:
    on_hand, reserved = _field(int, document, "on_hand"), _field(int, document, "reserved")
    return StockLevel(_item_of(document), on_hand, reserved)


def _movement_of(document: object) -> StockMovement:
    return StockMovement(
        movement_id=_field(str, document, "movement_id"),
        item=_item_of(document),
        quantity_delta=_field(int, document, "quantity_delta"),
        reason=_field(str, document, "reason"),
        at=_moment_of(_field(str, document, "at")),
        actor=_field(str, document, "actor"),
    )


def _item_of(document: object) -> StockItem:
    return StockItem(_field(str, document, "sku"), _field(str, document, "location"))


def _moment_of(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Unreadable
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable from None


def _field(kind: type[T], document: object, name: str) -> T:
    if not isinstance(document, dict):
        raise Unreadable
    return _of_type(kind, document.get(name))


def _of_type(kind: type[T], value: object) -> T:
    """Take *value* if it is exactly of that type: a boolean is no number of pieces."""
    if type(value) is not kind:
        raise Unreadable
    return value
