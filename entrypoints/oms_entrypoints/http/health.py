"""``/healthz``, ``/readyz`` and ``/metrics``: what machines ask a server about itself."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from oms_entrypoints.http.readiness_view import ready_view
from oms_entrypoints.http.resource import Permits, Resource, send_json
from oms_entrypoints.http.views import health_view

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.application.order_management import OrderManagement
    from oms_entrypoints.http.metrics import Metrics

HEALTHZ: Final = "/healthz"
READYZ: Final = "/readyz"
METRICS: Final = "/metrics"
_PUBLIC: Final = MappingProxyType({"GET": None, "HEAD": None})


class HealthResource(Resource):
    """Whether the process lives. Restart it if it does not answer."""

    permits: ClassVar[Permits] = _PUBLIC

    def on_get(self, _req: Request, resp: Response) -> None:
        """Answer: that is all there is to know."""
        send_json(resp, health_view())

    on_head = on_get


class ReadyResource(Resource):
    """Whether it can take requests: the store can be used now.

    An inventory elsewhere that is down is no reason to send nobody here: orders are accepted
    without it, and wait. Were it one, all servers would turn everybody away at once. It is the
    same with a payment provider that refuses our credentials, which the answer names.
    """

    permits: ClassVar[Permits] = _PUBLIC

    def __init__(self, oms: OrderManagement) -> None:
        """Ask *oms*."""
        self._oms = oms

    def on_get(self, _req: Request, resp: Response) -> None:
        """Answer, or fail as any request would: 503 with Retry-After."""
        self._oms.storage.ping()
        send_json(resp, ready_view(self._oms.payments.gates.refusing()))

    on_head = on_get


class MetricsResource(Resource):
    """Figures for Prometheus."""

    permits: ClassVar[Permits] = _PUBLIC

    def __init__(self, metrics: Metrics) -> None:
        """Show *metrics*."""
        self._metrics = metrics

    def on_get(self, _req: Request, resp: Response) -> None:
        """Show all figures, counted now."""
        resp.data, resp.content_type = self._metrics.page()

    on_head = on_get
