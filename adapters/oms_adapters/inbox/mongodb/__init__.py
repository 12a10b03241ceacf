"""Notifications in a MongoDB replica set: durable, for many processes and machines."""

from oms_adapters.inbox.mongodb.mongo_inbox import MongoInbox

__all__ = ["MongoInbox"]
