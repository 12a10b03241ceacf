"""What a store remembers of a reservation: what was asked for under its id, and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from oms_core.domain.inventory import (
    AlreadyCommitted,
    AlreadyReleased,
    Demand,
    OutOfStock,
    Reserved,
    Shortage,
)

if TYPE_CHECKING:
    from oms_core.ports.inventory import ReserveOutcome


class RecordState(StrEnum):
    """What came of a reservation. Stores keep the values: they stay as they are."""

    HELD = "held"
    REFUSED = "refused"
    LAPSED = "lapsed"
    """SOFT and over its time: nothing is held and nothing is decided."""
    RELEASED = "released"
    COMMITTED = "committed"


@frozen
class ReservationRecord:
    """One reservation. Its demands shrink only as parts of its goods leave."""

    state: RecordState
    demands: tuple[Demand, ...] = ()
    shortages: tuple[Shortage, ...] = ()
    """Why it was refused."""
    lapses_us: int | None = None
    """When a held SOFT reservation lapses; ``None``: never."""

    @property
    def answer(self) -> ReserveOutcome | None:
        """What every repeat is told; ``None``: it must be tried again."""
        match self.state:
            case RecordState.HELD:
                return Reserved()
            case RecordState.REFUSED:
                return OutOfStock(self.shortages)
            case RecordState.RELEASED:
                return AlreadyReleased()
            case RecordState.COMMITTED:
                return AlreadyCommitted()
            case RecordState.LAPSED:
                return None

    def brought_to(self, state: RecordState) -> ReservationRecord:
        """Return it in *state*, in which it neither lapses nor lacks anything."""
        return evolve(self, state=state, shortages=(), lapses_us=None)
