"""Adapters of the publisher port."""
