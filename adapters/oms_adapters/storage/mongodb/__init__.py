"""Orders in a MongoDB replica set: durable, for many processes and machines."""

from oms_adapters.storage.mongodb.mongo_storage import MongoStorage

__all__ = ["MongoStorage"]
