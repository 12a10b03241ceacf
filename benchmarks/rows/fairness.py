"""M4: what a tenant's orders lose while another tenant floods, or its provider hangs."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from uuid import UUID

from benchmarks.figures import Figure, Side
from benchmarks.goals import FLOODED, HANGING
from benchmarks.order_body import an_order
from benchmarks.rounds import alternated
from benchmarks.servers import SCOPE
from benchmarks.stores import receive_stock
from oms_adapters.inventory.sqlite import SqliteInventory
from oms_adapters.payments.simulated import MemoryLedger, SimulatedPayments
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core import OrderManagement, PlaceOrder, Scope
from oms_core.application.request_reader import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.options import Options
    from oms_core import Order
    from oms_core.ports.payments import Authorize, PaymentSnapshot

OTHER: Final = Scope(UUID(int=7), UUID(int=8))
ORDERS: Final = 50
"""Of the tenant whose delay is measured, one after the other."""
FLOOD: Final = 2_000
HANGS_S: Final = 5.0
_END_MAX_S: Final = 120.0


class HangingPayments(SimulatedPayments):
    """Lets every call of one tenant take its whole time-out, if it is to."""

    def __init__(self, tenant_id: UUID | None) -> None:
        super().__init__(MemoryLedger())
        self._tenant_id = tenant_id
        self.ends = threading.Event()

    def authorize(self, command: Authorize) -> PaymentSnapshot:
        """Authorize, late."""
        if command.ref.tenant_id == self._tenant_id:
            self.ends.wait(HANGS_S)
        return super().authorize(command)


def measure(options: Options) -> list[Figure]:
    """Place one tenant's orders one by one: alone, beside a flood, and beside one that hangs."""
    count = options.orders or ORDERS
    flood = FLOOD if options.orders is None else options.orders
    taken = alternated(
        options.rounds,
        {
            "alone": lambda: _delay_ms(count, flood=0, hangs=False),
            "flooded": lambda: _delay_ms(count, flood=flood, hangs=False),
            "hanging": lambda: _delay_ms(count, flood=flood, hangs=True),
        },
    )
    alone, flooded, hanging = (Side(name, values, "ms") for name, values in taken.items())
    return [Figure.ratio(FLOODED, flooded, alone), Figure.ratio(HANGING, hanging, alone)]


def _delay_ms(count: int, *, flood: int, hangs: bool) -> float:
    """Return the median delay from accepted to confirmed; the other's orders are there before."""
    payments = HangingPayments(OTHER.tenant_id if hangs else None)
    with _system(payments) as oms:
        receive_stock(oms)
        receive_stock(oms, OTHER)
        for number in range(flood):
            oms.place_order(OTHER, read(PlaceOrder, an_order(f"{number:012}")))
        settled: dict[UUID, threading.Event] = {}
        oms.on_change(lambda order: _tell(settled, order))
        oms.start()
        time.sleep(0.1)
        delays = []
        for number in range(count):
            request = read(PlaceOrder, an_order(f"{number:012}"))
            began = time.perf_counter()
            _settle(oms, request, settled)
            delays.append((time.perf_counter() - began) * 1_000)
        payments.ends.set()
    return median(delays)


def _tell(settled: dict[UUID, threading.Event], order: Order) -> None:
    if order.scope == SCOPE and order.is_settled:
        settled.setdefault(order.id, threading.Event()).set()


def _settle(
    oms: OrderManagement, request: PlaceOrder, settled: dict[UUID, threading.Event]
) -> None:
    order_id = oms.place_order(SCOPE, request).order_id
    ended = settled.setdefault(order_id, threading.Event())
    assert ended.wait(_END_MAX_S), "every order must come to its end"


@contextmanager
def _system(payments: SimulatedPayments) -> Iterator[OrderManagement]:
    with TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder) / "oms.db")
        with OrderManagement(
            storage=SqliteStorage(database),
            inventory=SqliteInventory(database),
            payments={"simulated": payments},
        ) as oms:
            yield oms
