"""The exam that every inventory adapter sits."""

from oms_core.testing.inventory_contract.contract import InventoryContract
from oms_core.testing.inventory_contract.outbox import StockOutboxContract

__all__ = ["InventoryContract", "StockOutboxContract"]
