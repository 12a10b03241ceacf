"""The publisher port: takes the order's events out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.events import OrderEvent


class EventPublisher(Protocol):
    """Takes events out to whoever wants them.

    Called with events of one order at a time, in sequence, at least once: an event comes
    again, under the same ``event_id``, if the process died before it was marked as sent.
    """

    def publish(self, events: Sequence[OrderEvent]) -> None:
        """Hand over *events*. Returning means that they were all taken.

        Any exception means that they are to be offered again, all of them, later.
        """
        ...
