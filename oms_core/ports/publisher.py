"""The publisher port: takes the order's events out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oms_core.domain.events import OrderEvent
    from oms_core.domain.stock_event import StockEvent


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


@runtime_checkable
class StockEventPublisher(Protocol):
    """What an ``EventPublisher`` also is that takes ledger entries of the stock out.

    One without this method is not offered any: it takes the events of orders alone.
    """

    def publish_stock(self, events: Sequence[StockEvent]) -> None:
        """Hand over *events* of one stock item, in sequence, as with ``publish``."""
        ...
