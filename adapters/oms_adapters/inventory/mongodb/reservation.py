"""A reservation as a document."""

from __future__ import annotations

from typing import Any, TypeAlias

from oms_core.domain.inventory import Demand, Shortage, StockItem
from oms_core.ports.reservation_record import RecordState, ReservationRecord

Document: TypeAlias = "dict[str, Any]"


def to_stored(reservation: ReservationRecord) -> Document:
    """Write it, apart from its id. A field that would be empty is left out."""
    stored: Document = {
        "state": reservation.state.value,
        "demands": [[d.item.sku, d.item.location, d.quantity] for d in reservation.demands],
    }
    if reservation.shortages:
        stored["shortages"] = [
            [s.item.sku, s.item.location, s.wanted, s.available] for s in reservation.shortages
        ]
    if reservation.lapses_us is not None:
        stored["lapses_us"] = reservation.lapses_us
    return stored


def from_stored(stored: Document) -> ReservationRecord:
    """Read what ``to_stored`` wrote."""
    return ReservationRecord(
        RecordState(stored["state"]),
        tuple(
            Demand(StockItem(sku, location), quantity)
            for sku, location, quantity in stored["demands"]
        ),
        tuple(
            Shortage(StockItem(sku, location), wanted, available)
            for sku, location, wanted, available in stored.get("shortages", ())
        ),
        stored.get("lapses_us"),
    )
