"""Sagas driven by ours, embedded: clients place an order each and wait until it is confirmed."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.child import answer, arguments_of_child
from benchmarks.order_body import an_order
from benchmarks.servers import SCOPE
from benchmarks.sides.saga_load import keep_busy
from benchmarks.stores import open_mongodb, open_store, receive_stock
from oms_core import OrderStatus, PlaceOrder
from oms_core.application.request_reader import read

if TYPE_CHECKING:
    from oms_core import Order, OrderManagement


_END_MAX_S: Final = 60.0


class Clients:
    """Places orders, and waits for each to end."""

    def __init__(self, oms: OrderManagement) -> None:
        """Listen to every step of every order."""
        self._oms = oms
        self._ended: dict[str, threading.Event] = {}
        self._confirmed: dict[str, bool] = {}
        oms.on_change(self._hear)

    def place_and_wait(self, number: int) -> None:
        """Place the order *number*; returns when it is confirmed."""
        request = read(PlaceOrder, an_order(f"{number:012}"))
        ended = self._ended[request.idempotency_key] = threading.Event()
        assert not self._oms.place_order(SCOPE, request).replayed
        assert ended.wait(_END_MAX_S), "every order must come to its end"
        assert self._confirmed.pop(request.idempotency_key), "every order must be confirmed"

    def _hear(self, order: Order) -> None:
        if order.is_settled:
            self._confirmed[order.idempotency_key] = order.status is OrderStatus.CONFIRMED
            self._ended.pop(order.idempotency_key).set()


def _opened(mongodb: list[str] | None, folder: Path) -> OrderManagement:
    """Open a SQLite file, or the MongoDB database that is named."""
    if mongodb is None:
        return open_store(folder / "oms.db")
    uri, database = mongodb
    return open_mongodb(uri, database)


def main() -> None:
    """Drive sagas on an empty store, with the settings that everybody gets."""
    asked = arguments_of_child()
    with TemporaryDirectory() as folder, _opened(asked.get("mongodb"), Path(folder)) as oms:
        receive_stock(oms)
        oms.start()
        answer(keep_busy(Clients(oms).place_and_wait, asked))


if __name__ == "__main__":
    main()
