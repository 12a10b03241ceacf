"""The exam that every storage adapter sits."""

from oms_core.testing.storage_contract.contract import StorageContract

__all__ = ["StorageContract"]
