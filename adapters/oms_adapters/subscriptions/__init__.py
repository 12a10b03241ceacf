"""Adapters of the subscriptions port."""
