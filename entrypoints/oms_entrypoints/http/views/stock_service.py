"""What another order system sees of its reservations and ledger."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypedDict, assert_never

from oms_core.domain.inventory import AlreadyCommitted, AlreadyReleased, OutOfStock, Reserved
from oms_entrypoints.http.views.shown import Shown
from oms_entrypoints.http.views.stock import StockLevelView, stock_level_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.inventory import StockLevel, StockMovement
    from oms_core.ports.inventory import ReserveOutcome


class ReservationOutcome(StrEnum):
    """What became of a reservation."""

    RESERVED = "reserved"
    OUT_OF_STOCK = "out_of_stock"
    ALREADY_RELEASED = "already_released"
    ALREADY_COMMITTED = "already_committed"


class ShortageView(TypedDict):
    """A stock item that cannot meet its demand."""

    sku: str
    location: str
    wanted: int
    available: int


class ReservationAnswerView(TypedDict):
    """What became of a reservation."""

    outcome: ReservationOutcome
    shortages: Annotated[
        list[ShortageView], Shown("Why it is `out_of_stock`, by sku and location; else empty.")
    ]


class BookingOutcome(StrEnum):
    """What became of a ledger entry."""

    BOOKED = "booked"
    INSUFFICIENT_STOCK = "insufficient_stock"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"


class BookingAnswerView(TypedDict):
    """What became of a ledger entry."""

    outcome: BookingOutcome
    level: Annotated[StockLevelView | None, Shown("The level after it, if it is `booked`.")]
    available: Annotated[
        int | None, Shown("How much could be taken away, if it is `insufficient_stock`.")
    ]


class MovementView(TypedDict):
    """An entry of the ledger."""

    movement_id: str
    sku: str
    location: str
    quantity_delta: int
    reason: str
    at: datetime
    actor: str


class LedgerView(TypedDict):
    """A part of the ledger of one stock item, oldest entries first."""

    movements: list[MovementView]


def reservation_answer_view(outcome: ReserveOutcome) -> ReservationAnswerView:
    """Show what became of a reservation."""
    match outcome:
        case Reserved():
            return {"outcome": ReservationOutcome.RESERVED, "shortages": []}
        case AlreadyReleased():
            return {"outcome": ReservationOutcome.ALREADY_RELEASED, "shortages": []}
        case AlreadyCommitted():
            return {"outcome": ReservationOutcome.ALREADY_COMMITTED, "shortages": []}
        case OutOfStock(shortages):
            return {
                "outcome": ReservationOutcome.OUT_OF_STOCK,
                "shortages": [
                    {
                        "sku": shortage.item.sku,
                        "location": shortage.item.location,
                        "wanted": shortage.wanted,
                        "available": shortage.available,
                    }
                    for shortage in shortages
                ],
            }
        case _:
            assert_never(outcome)


def booked_view(level: StockLevel) -> BookingAnswerView:
    """Show that an entry is in the ledger."""
    return {
        "outcome": BookingOutcome.BOOKED,
        "level": stock_level_view(level),
        "available": None,
    }


def too_little_view(available: int) -> BookingAnswerView:
    """Show that an entry would take away more than is available."""
    return {
        "outcome": BookingOutcome.INSUFFICIENT_STOCK,
        "level": None,
        "available": available,
    }


def key_reused_view() -> BookingAnswerView:
    """Show that an entry's name belongs to another one."""
    return {"outcome": BookingOutcome.IDEMPOTENCY_KEY_REUSED, "level": None, "available": None}


def ledger_view(movements: Sequence[StockMovement]) -> LedgerView:
    """Show a part of a ledger."""
    return {
        "movements": [
            {
                "movement_id": movement.movement_id,
                "sku": movement.item.sku,
                "location": movement.item.location,
                "quantity_delta": movement.quantity_delta,
                "reason": movement.reason,
                "at": movement.at,
                "actor": movement.actor,
            }
            for movement in movements
        ]
    }
