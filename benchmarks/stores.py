"""The embedded system as it comes, on a SQLite file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.order_body import PROVIDER, SKUS, STOCK
from benchmarks.servers import SCOPE
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core import AdjustStock, OrderManagement, Scope
from oms_entrypoints import bootstrap
from oms_entrypoints.config import Config, PaymentAccount, Secret, StorageSection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def open_store(file: Path) -> OrderManagement:
    """Open the system on *file*, with the settings that everybody gets; close it at the end."""
    config = Config(
        storage=StorageSection("sqlite", file),
        payments={PROVIDER: PaymentAccount("simulated")},
    )
    return bootstrap.open_system(config)


def open_mongodb(uri: str, database: str) -> OrderManagement:
    """Open the system on a MongoDB database; close it at the end."""
    config = Config(
        storage=StorageSection("mongodb", uri=Secret(uri), database=database),
        payments={PROVIDER: PaymentAccount("simulated")},
    )
    return bootstrap.open_system(config)


def receive_stock(oms: OrderManagement, scope: Scope = SCOPE) -> None:
    """Book in what all orders of a benchmark need."""
    for sku in SKUS:
        delivery = AdjustStock(sku=sku, quantity_delta=STOCK, reason="delivery")
        oms.adjust_stock(scope, delivery, idempotency_key=sku, actor="benchmarks")


@contextmanager
def unfinished_orders(file: Path) -> Iterator[Callable[[], int]]:
    """Count, whenever asked, the orders in *file* that another process has still to finish."""
    storage = SqliteStorage(SqliteDatabase(file))
    try:
        yield lambda: sum(storage.count_sagas().values())
    finally:
        storage.close()
