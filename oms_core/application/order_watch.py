"""Looking on in this process while orders take their steps."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from oms_core.domain.order import Order

_log = logging.getLogger("oms_core")

_WAIT_POLL_S: Final = 0.05
"""How often a waiting caller looks by itself: other processes tell it nothing."""


class OrderWatch:
    """Tells whoever looks on of every step, best effort, in the thread that took it."""

    def __init__(self) -> None:
        """Begin with nobody looking on."""
        self._observers: list[Callable[[Order], None]] = []
        self._saved = threading.Condition()

    def add(self, observer: Callable[[Order], None]) -> None:
        """Tell *observer* of every step from now on."""
        self._observers.append(observer)

    def tell(self, order: Order) -> None:
        """Tell everybody that *order* was saved."""
        for observer in self._observers:
            try:
                observer(order)
            except Exception:  # noqa: BLE001 - whoever only looks on must not hold up an order
                _log.exception("observer failed", extra={"order_id": str(order.id)})
        with self._saved:
            self._saved.notify_all()

    def until_settled(self, read: Callable[[], Order], *, timeout_s: float) -> Order:
        """Wait until the order that *read* returns settles; returns it as it is then.

        That is at the latest after *timeout_s* seconds, settled or not.
        """
        ends_at = time.monotonic() + timeout_s
        while True:
            order = read()
            left_s = ends_at - time.monotonic()
            if order.is_settled or left_s <= 0:
                return order
            with self._saved:
                self._saved.wait(min(left_s, _WAIT_POLL_S))
