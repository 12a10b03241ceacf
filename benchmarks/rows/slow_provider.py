"""P15: sagas a second with a provider that takes 200 ms, beside calls of that provider alone."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Side
from benchmarks.goals import SLOW_PROVIDER
from benchmarks.order_body import PROVIDER, an_order
from benchmarks.rounds import alternated
from benchmarks.servers import SCOPE
from benchmarks.stores import receive_stock
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core import OrderManagement, OrderStatus, PlaceOrder, Settings
from oms_core.application.request_reader import read
from oms_core.application.worker import WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from benchmarks.options import Options
    from oms_core import Order
    from oms_core.ports.payments import Authorize, PaymentSnapshot

TAKES_S: Final = 0.2
EACH: Final = 10
"""Orders for each that is under way at once."""
_END_MAX_S: Final = 120.0


class SlowPayments(SimulatedPayments):
    """Takes its time for every authorize, and counts how many it has at once."""

    def __init__(self) -> None:
        super().__init__(MemoryLedger(), name=PROVIDER)
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Authorize, slowly."""
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
        try:
            time.sleep(TAKES_S)
            return super().authorize(command)
        finally:
            with self._lock:
                self._running -= 1


def measure(options: Options) -> list[Figure]:
    """Drive orders that wait already, so many at once, with as many worker threads."""
    figures = []
    for at_once, goal in SLOW_PROVIDER.items():
        count = at_once * EACH if options.orders is None else options.orders
        most: list[int] = []
        taken = alternated(
            options.rounds,
            {
                "ours": partial(_sagas_per_second, count, at_once, most),
                "calls alone": partial(_calls_per_second, count, at_once),
            },
        )
        ours, calls = taken.values()
        figures.append(
            Figure.ratio(
                goal,
                Side("ours", ours, "sagas/s"),
                Side("calls alone", calls, "calls/s"),
                f"at most {max(most)} calls of the provider at once",
            )
        )
    return figures


def _sagas_per_second(count: int, at_once: int, most: list[int]) -> float:
    payments = SlowPayments()
    confirmed: set[UUID] = set()
    all_are = threading.Event()
    with _system(payments, at_once) as oms:
        receive_stock(oms)
        for number in range(count):
            oms.place_order(SCOPE, read(PlaceOrder, an_order(f"{number:012}")))

        def hear(order: Order) -> None:
            if order.status is OrderStatus.CONFIRMED:
                confirmed.add(order.id)
            if len(confirmed) == count:
                all_are.set()

        oms.on_change(hear)
        began = time.perf_counter()
        oms.start()
        assert all_are.wait(_END_MAX_S), "every order must be confirmed"
        rate = count / (time.perf_counter() - began)
    most.append(payments.most)
    return rate


def _calls_per_second(count: int, at_once: int) -> float:
    """Do nothing but wait for the provider, from as many threads."""
    with ThreadPoolExecutor(at_once) as threads:
        began = time.perf_counter()
        list(threads.map(lambda _: time.sleep(TAKES_S), range(count)))
        return count / (time.perf_counter() - began)


@contextmanager
def _system(payments: SlowPayments, threads: int) -> Iterator[OrderManagement]:
    with TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder) / "oms.db")
        with OrderManagement(
            storage=SqliteStorage(database),
            inventory=SqliteInventory(database),
            payments={PROVIDER: payments},
            settings=Settings(worker=WorkerSettings(threads=threads, queue_max=2 * threads)),
        ) as oms:
            yield oms
