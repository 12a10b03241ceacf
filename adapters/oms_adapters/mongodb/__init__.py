"""The MongoDB engine: connecting, durability, retries, schema versions and the server's clock.

It lies beneath the adapters that keep their collections in the database, and knows none of
them::

    database = MongoDatabase("mongodb://127.0.0.1:27017/?replicaSet=rs0", "oms")
    storage = MongoStorage(database)
    inventory = MongoInventory(database)
"""

from oms_adapters.mongodb.arriving_database import ArrivingDatabase, CollectionShelf
from oms_adapters.mongodb.database import MongoDatabase
from oms_adapters.mongodb.schema import Addition, Collection, Index, Schema

__all__ = [
    "Addition",
    "ArrivingDatabase",
    "Collection",
    "CollectionShelf",
    "Index",
    "MongoDatabase",
    "Schema",
]
