"""An order management system to embed: orders, idempotency, sagas and stock behind ports.

``OrderManagement`` puts a storage, an inventory and payment providers together.
"""

from oms_core.application.actions import Action
from oms_core.application.adjust_stock import AdjustStock
from oms_core.application.chronicle import ChronicleEntry, ChronicleKind
from oms_core.application.foresight import Foresight
from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    DeliverGoods,
    FulfillOrder,
    Pieces,
    PiecesReceived,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.order_management import OrderManagement, Settings
from oms_core.application.order_operations import Asked, Caller
from oms_core.application.payment_directory import PaymentDirectory
from oms_core.application.payment_policy import CapturePolicy, PaymentPolicy
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
from oms_core.domain.operation import Operation, OperationKind, OperationState
from oms_core.domain.order import Order
from oms_core.domain.order_status import OrderStatus
from oms_core.domain.saga_position import SagaState
from oms_core.domain.scope import Scope
from oms_core.errors import OmsError
from oms_core.ports.storage import OrderPage, OrderQuery

__all__ = [
    "Action",
    "AdjustStock",
    "Allocation",
    "AllocationModel",
    "Asked",
    "Backoff",
    "Caller",
    "CancelOrder",
    "CapturePayment",
    "CapturePolicy",
    "Change",
    "ChronicleEntry",
    "ChronicleKind",
    "CompleteOrder",
    "DecideReturn",
    "DeliverGoods",
    "Foresight",
    "FulfillOrder",
    "HistoryEntry",
    "Money",
    "NewAddress",
    "NewAdjustment",
    "NewLineItem",
    "OmsError",
    "Operation",
    "OperationKind",
    "OperationState",
    "Order",
    "OrderEvent",
    "OrderManagement",
    "OrderPage",
    "OrderQuery",
    "OrderStatus",
    "PaymentDirectory",
    "PaymentPolicy",
    "Pieces",
    "PiecesReceived",
    "PlaceOrder",
    "PlaceOrderSettings",
    "Placed",
    "ReceiveReturn",
    "Received",
    "RefundPayment",
    "RequestReturn",
    "RunnerSettings",
    "SagaState",
    "Scope",
    "Settings",
    "Webhook",
    "WorkerSettings",
]
