"""Exams that an embedder's own adapters sit, and what their tests need for it.

Needs no test framework: the suites are plain classes that pytest collects once they are
inherited.
"""

from oms_core.testing.at_once import at_once
from oms_core.testing.clock import NOON, SimulatedClock
from oms_core.testing.event_log_contract import EventLogContract
from oms_core.testing.inbox_contract import InboxContract
from oms_core.testing.inventory_contract import InventoryContract, StockOutboxContract
from oms_core.testing.orders import (
    AWKWARD_STRINGS,
    a_saga_position,
    a_scope,
    a_very_full_order,
    an_order,
    due,
    finished,
    with_status,
)
from oms_core.testing.payment_contract import (
    PaymentContract,
    PaymentStage,
    SignedNotification,
)
from oms_core.testing.refusal import refusal
from oms_core.testing.stock_audit_contract import StockAuditContract
from oms_core.testing.storage_contract import StorageContract
from oms_core.testing.subscriptions_contract import SubscriptionsContract

__all__ = [
    "AWKWARD_STRINGS",
    "NOON",
    "EventLogContract",
    "InboxContract",
    "InventoryContract",
    "PaymentContract",
    "PaymentStage",
    "SignedNotification",
    "SimulatedClock",
    "StockAuditContract",
    "StockOutboxContract",
    "StorageContract",
    "SubscriptionsContract",
    "a_saga_position",
    "a_scope",
    "a_very_full_order",
    "an_order",
    "at_once",
    "due",
    "finished",
    "refusal",
    "with_status",
]
