"""The embedded system as it comes, on a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from benchmarks.order_body import PROVIDER, SKUS
from benchmarks.servers import ORG, STOCK, TENANT
from oms_core import AdjustStock, OrderManagement, Scope
from oms_entrypoints import bootstrap
from oms_entrypoints.config import Config, PaymentAccount, StorageSection

if TYPE_CHECKING:
    from pathlib import Path

SCOPE: Final = Scope(UUID(TENANT), UUID(ORG))


def open_store(file: Path) -> OrderManagement:
    """Open the system on *file*, with the settings that everybody gets; close it at the end."""
    config = Config(
        storage=StorageSection("sqlite", file),
        payments={PROVIDER: PaymentAccount("simulated")},
    )
    return bootstrap.open_system(config).oms


def receive_stock(oms: OrderManagement) -> None:
    """Book in what all orders of a benchmark need."""
    for sku in SKUS:
        delivery = AdjustStock(sku=sku, quantity_delta=STOCK, reason="delivery")
        oms.adjust_stock(SCOPE, delivery, idempotency_key=sku, actor="benchmarks")
