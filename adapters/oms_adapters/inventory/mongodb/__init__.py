"""Stock in a MongoDB replica set: durable, for many processes and machines."""

from oms_adapters.inventory.mongodb.mongo_inventory import MongoInventory

__all__ = ["MongoInventory"]
