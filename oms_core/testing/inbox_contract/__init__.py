"""The exam that every inbox adapter sits."""

from oms_core.testing.inbox_contract.contract import InboxContract

__all__ = ["InboxContract"]
