"""The event feed in a MongoDB replica set: durable, for many processes and machines."""

from oms_adapters.event_log.mongodb.mongo_event_log import MongoEventLog

__all__ = ["MongoEventLog"]
