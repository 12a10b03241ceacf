"""Stock kept by a service that is asked over HTTP: ours, or another that keeps the contract."""

from oms_adapters.inventory.http.connection import HttpTimes
from oms_adapters.inventory.http.http_inventory import HttpInventory

__all__ = ["HttpInventory", "HttpTimes"]
