"""``/webhooks/{provider}/{tenant_id}``: where payment providers notify what happened.

There is no token: who may speak here is told by the signature, over the bytes as they came.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

import falcon
import structlog

from oms_core.application.receive_webhook import Webhook
from oms_core.errors import OmsError, ProviderNotFound, WebhookRejected
from oms_entrypoints.http.headers import uuid_of
from oms_entrypoints.http.json_body import read_body
from oms_entrypoints.http.resource import Permits, Resource

if TYPE_CHECKING:
    from falcon import Request, Response
    from structlog.typing import FilteringBoundLogger

    from oms_core.application.order_management import OrderManagement
    from oms_entrypoints.http.metrics import Metrics

WEBHOOKS: Final = "/webhooks/{provider}/{tenant_id}"


class WebhooksResource(Resource):
    """The address of one tenant's account at a provider."""

    permits: ClassVar[Permits] = MappingProxyType({"POST": None})

    def __init__(self, oms: OrderManagement, metrics: Metrics, body_limit_bytes: int) -> None:
        """Bring what is received to *oms*."""
        self._oms = oms
        self._metrics = metrics
        self._body_limit_bytes = body_limit_bytes
        self._log: FilteringBoundLogger = structlog.get_logger().bind()

    def on_post(self, req: Request, resp: Response, provider: str, tenant_id: str) -> None:
        """Acknowledge a notification, once it is stored; a repeat as well."""
        tenant = uuid_of(tenant_id)
        # Unknown accounts and what is no tenant at all look the same, before a byte is read.
        if tenant is None or not self._oms.payments.knows(tenant, provider):
            raise ProviderNotFound
        body = read_body(req, self._body_limit_bytes)
        headers = {name.lower(): value for name, value in req.headers.items()}
        try:
            received = self._oms.receive_webhook(Webhook(tenant, provider, headers, body))
        except WebhookRejected as rejected:
            self._metrics.webhook_rejected(provider, rejected.reason)
            # The answer says nothing of it: whoever forges learns nothing from us.
            self._log.warning(
                "notification rejected",
                request_id=req.context.request_id,
                provider=provider,
                tenant_id=str(tenant),
                reason=rejected.reason,
            )
            raise
        except OmsError:
            self._metrics.webhook_failed(provider)
            raise
        self._metrics.webhook_stored(provider, new=received.new, events=received.events)
        resp.status = falcon.HTTP_204
