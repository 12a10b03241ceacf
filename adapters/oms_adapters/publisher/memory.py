"""The publisher port inside one process: events go to functions that asked for them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from oms_core.domain.events import OrderEvent
    from oms_core.domain.stock_event import StockEvent

    Subscriber: TypeAlias = Callable[[OrderEvent], None]
    StockSubscriber: TypeAlias = Callable[[StockEvent], None]

E = TypeVar("E")


class MemoryPublisher:
    """Hands every event to every subscriber; implements ``EventPublisher``.

    Events of orders go to those who ``subscribe``, ledger entries of the stock to those who
    ``subscribe_to_stock``.

    Per order, or per stock item, a subscriber sees events in sequence and at least once. If one
    subscriber raises, the whole batch is offered again later, to all of them: so the others may
    see an event twice, under the same ``event_id``, and so may everybody after a crash. One
    that always raises holds up the events of that order or item alone.

    Subscribers are called in the thread that publishes, one after the other: what takes long
    belongs into a queue of the subscriber's own. Two orders may be published at once, so a
    subscriber must be safe to call from several threads. Safe to use from any thread itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self._stock_subscribers: tuple[StockSubscriber, ...] = ()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call *subscriber* with every event from now on; twice subscribed is called once."""
        with self._lock:
            if subscriber not in self._subscribers:
                self._subscribers = (*self._subscribers, subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Call *subscriber* no more; one that never subscribed is no error.

        A batch that is being published in another thread may still reach it.
        """
        with self._lock:
            self._subscribers = tuple(one for one in self._subscribers if one != subscriber)

    def subscribe_to_stock(self, subscriber: StockSubscriber) -> None:
        """Call *subscriber* with every ledger entry from now on; see ``subscribe``."""
        with self._lock:
            if subscriber not in self._stock_subscribers:
                self._stock_subscribers = (*self._stock_subscribers, subscriber)

    def unsubscribe_from_stock(self, subscriber: StockSubscriber) -> None:
        """Call *subscriber* with no more ledger entries; see ``unsubscribe``."""
        with self._lock:
            self._stock_subscribers = tuple(
                one for one in self._stock_subscribers if one != subscriber
            )

    def publish(self, events: Sequence[OrderEvent]) -> None:
        """Hand each event over to all subscribers before the next one.

        Raises:
            Exception: whatever the first failing subscriber raised. The other subscribers
                have seen that event, and nobody the ones after it.
        """
        subscribers = self._subscribers
        for event in events:
            _hand_over(event, subscribers)

    def publish_stock(self, events: Sequence[StockEvent]) -> None:
        """Hand over ledger entries, as ``publish`` does events of orders."""
        subscribers = self._stock_subscribers
        for event in events:
            _hand_over(event, subscribers)


def _hand_over(event: E, subscribers: Sequence[Callable[[E], None]]) -> None:
    failures = []
    for subscriber in subscribers:
        try:
            subscriber(event)
        except Exception as failure:  # noqa: BLE001 - raised below, once the others have seen it
            failures.append(failure)
    if failures:
        raise failures[0]
