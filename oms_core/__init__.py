"""An order management system to embed: orders, idempotency, sagas and stock behind ports.

``OrderManagement`` puts a storage, an inventory and payment providers together.
"""

from oms_core.application.adjust_stock import AdjustStock
from oms_core.application.order_management import OrderManagement, Settings
from oms_core.application.payment_directory import PaymentDirectory
from oms_core.application.place_order import (
    NewAddress,
    NewAdjustment,
    NewLineItem,
    Placed,
    PlaceOrder,
)
from oms_core.application.receive_webhook import Received, Webhook
from oms_core.application.saga import Backoff
from oms_core.application.saga_runner import RunnerSettings
from oms_core.application.saga_settings import PlaceOrderSettings
from oms_core.application.worker import WorkerSettings
from oms_core.domain.events import Change, HistoryEntry, OrderEvent
from oms_core.domain.inventory import Allocation, AllocationModel
from oms_core.domain.money import Money
from oms_core.domain.order import Order
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import SagaState
from oms_core.domain.scope import Scope
from oms_core.errors import OmsError
from oms_core.ports.storage import OrderPage, OrderQuery

__all__ = [
    "AdjustStock",
    "Allocation",
    "AllocationModel",
    "Backoff",
    "Change",
    "HistoryEntry",
    "Money",
    "NewAddress",
    "NewAdjustment",
    "NewLineItem",
    "OmsError",
    "Order",
    "OrderEvent",
    "OrderManagement",
    "OrderPage",
    "OrderQuery",
    "OrderStatus",
    "PaymentDirectory",
    "PlaceOrder",
    "PlaceOrderSettings",
    "Placed",
    "Received",
    "RunnerSettings",
    "SagaState",
    "Scope",
    "Settings",
    "Webhook",
    "WorkerSettings",
]
