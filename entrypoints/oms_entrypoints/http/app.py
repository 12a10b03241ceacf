"""Makes the WSGI application."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import falcon
import orjson

from oms_entrypoints.http import (
    documents,
    events,
    health,
    inventory,
    order_export,
    order_operations,
    orders,
    sagas,
    stock_service,
    subscriptions,
    webhooks,
)
from oms_entrypoints.http.error_handlers import ErrorHandlers
from oms_entrypoints.http.gate import Gate
from oms_entrypoints.http.metrics import Metrics
from oms_entrypoints.http.openapi.document import openapi_document
from oms_entrypoints.http.openapi.page import content_security_policy, page_of
from oms_entrypoints.http.rate_limit import RateLimit
from oms_entrypoints.http.resource import JSON, require_permits
from oms_entrypoints.http.settings import HttpSettings

if TYPE_CHECKING:
    from falcon import App, Request, Response

    from oms_core.application.order_management import OrderManagement
    from oms_core.ports.authentication import Authenticator
    from oms_entrypoints.http.resource import Resource


def create_app(
    oms: OrderManagement,
    authenticator: Authenticator,
    *,
    settings: HttpSettings | None = None,
    metrics: Metrics | None = None,
) -> App[Request, Response]:
    """Return an application that any WSGI server can serve, from any number of threads.

    Configure the logs first (``oms_entrypoints.logs``): the application keeps to what it finds.
    It starts no thread and listens nowhere; *oms* is started, stopped and closed by whoever
    made it. *metrics* may hold figures of other parts of the program.

    Raises:
        ConfigurationError: the rate limit is no rate.
    """
    settings = settings or HttpSettings()
    metrics = metrics or Metrics()
    metrics.watch(oms)
    gate = Gate(
        authenticator,
        metrics,
        rate_limit=None if settings.rate_limit is None else RateLimit(settings.rate_limit),
        access_log=settings.access_log,
    )
    app: App[Request, Response] = falcon.App(media_type=JSON, middleware=[gate])
    ErrorHandlers().add_to(app)
    for address, resource in _resources(oms, metrics, settings).items():
        require_permits(resource)
        app.add_route(address, resource)
    return app


def _resources(
    oms: OrderManagement, metrics: Metrics, settings: HttpSettings
) -> dict[str, Resource]:
    document = openapi_document(version("oms-core"))
    limit_bytes = settings.body_limit_bytes
    return {
        orders.ORDERS: orders.OrdersResource(oms, metrics, limit_bytes),
        orders.ORDER: orders.OrderResource(oms),
        **{
            route.path: order_operations.AskResource(oms, kind, limit_bytes)
            for kind, route in order_operations.ROUTES.items()
        },
        order_operations.OPERATION: order_operations.OperationResource(oms),
        order_operations.ACTIONS: order_operations.ActionsResource(oms),
        order_operations.TIMELINE: order_operations.TimelineResource(oms),
        order_export.EXPORT: order_export.OrderExportResource(oms),
        inventory.ADJUST: inventory.AdjustResource(oms, limit_bytes),
        webhooks.WEBHOOKS: webhooks.WebhooksResource(oms, metrics, limit_bytes),
        inventory.LEVELS: stock_service.StockLevelsResource(oms, limit_bytes),
        stock_service.RESERVATIONS: stock_service.ReservationsResource(oms, limit_bytes),
        stock_service.HARDEN: stock_service.HardenResource(oms, limit_bytes),
        stock_service.RELEASE: stock_service.ReleaseResource(oms, limit_bytes),
        stock_service.COMMIT: stock_service.CommitResource(oms, limit_bytes),
        stock_service.COMMIT_PART: stock_service.CommitPartResource(oms, limit_bytes),
        stock_service.MOVEMENTS: stock_service.MovementsResource(oms, limit_bytes),
        events.EVENTS: events.EventsResource(oms),
        subscriptions.SUBSCRIPTIONS: subscriptions.SubscriptionsResource(oms, limit_bytes),
        subscriptions.SUBSCRIPTION: subscriptions.SubscriptionResource(oms, limit_bytes),
        subscriptions.SECRET: subscriptions.SecretResource(oms),
        subscriptions.DEAD_LETTERS: subscriptions.DeadLettersResource(oms),
        subscriptions.REPLAY: subscriptions.ReplayResource(oms, limit_bytes),
        sagas.SAGAS: sagas.SagasResource(oms),
        sagas.RETRY: sagas.SteeringResource(oms.steering.retry, limit_bytes),
        sagas.SKIP: sagas.SteeringResource(oms.steering.skip, limit_bytes),
        sagas.COMPENSATE: sagas.SteeringResource(oms.steering.compensate, limit_bytes),
        sagas.PAUSE: sagas.SteeringResource(oms.steering.pause, limit_bytes),
        sagas.RESUME: sagas.SteeringResource(oms.steering.resume, limit_bytes),
        health.HEALTHZ: health.HealthResource(),
        health.READYZ: health.ReadyResource(oms),
        health.METRICS: health.MetricsResource(metrics),
        documents.OPENAPI: documents.OpenApiResource(orjson.dumps(document)),
        documents.DOCS: documents.DocsResource(
            page_of(document).encode(), content_security_policy()
        ),
    }
