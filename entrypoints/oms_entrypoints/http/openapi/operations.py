"""Every call of the API: what goes in, what may come out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from oms_entrypoints.http.openapi.calls.events import EVENT_CALLS
from oms_entrypoints.http.openapi.calls.inventory import INVENTORY_CALLS
from oms_entrypoints.http.openapi.calls.inventory_service import INVENTORY_SERVICE_CALLS
from oms_entrypoints.http.openapi.calls.order_operations import ORDER_OPERATION_CALLS
from oms_entrypoints.http.openapi.calls.orders import ORDER_CALLS
from oms_entrypoints.http.openapi.calls.payment_providers import PAYMENT_PROVIDER_CALLS
from oms_entrypoints.http.openapi.calls.sagas import SAGA_CALLS
from oms_entrypoints.http.openapi.calls.server import SERVER_CALLS
from oms_entrypoints.http.openapi.calls.webhooks import WEBHOOK_CALLS

if TYPE_CHECKING:
    from oms_entrypoints.http.openapi.call import Operation

OPERATIONS: Final[tuple[Operation, ...]] = (
    *ORDER_CALLS,
    *ORDER_OPERATION_CALLS,
    *INVENTORY_CALLS,
    *INVENTORY_SERVICE_CALLS,
    *PAYMENT_PROVIDER_CALLS,
    *EVENT_CALLS,
    *WEBHOOK_CALLS,
    *SAGA_CALLS,
    *SERVER_CALLS,
)
