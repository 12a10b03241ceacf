"""The exam that every inventory adapter sits."""

from oms_core.testing.inventory_contract.contract import InventoryContract

__all__ = ["InventoryContract"]
