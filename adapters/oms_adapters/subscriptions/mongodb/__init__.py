"""Subscriptions to webhooks in a MongoDB replica set: durable, for many processes and machines."""

from oms_adapters.subscriptions.mongodb.mongo_subscriptions import MongoSubscriptions

__all__ = ["MongoSubscriptions"]
