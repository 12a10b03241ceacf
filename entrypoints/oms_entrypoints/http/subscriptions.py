"""``/api/v1/webhook-subscriptions``: who is sent which events, and what was not taken."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

import falcon

from oms_core.application.request_reader import read
from oms_core.application.webhooks import ChangeSubscription, ReplayDeadLetters, Subscribe
from oms_core.errors import Mistake, SubscriptionNotFound
from oms_core.ports.authentication import Role
from oms_entrypoints.http.headers import optional_key_of, uuid_of
from oms_entrypoints.http.json_body import read_json, with_mistakes_before
from oms_entrypoints.http.query import refuse_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of, send_json
from oms_entrypoints.http.views import (
    dead_letter_list_view,
    new_secret_view,
    new_subscription_view,
    replayed_view,
    subscription_list_view,
    subscription_view,
)

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.application.order_management import OrderManagement

SUBSCRIPTIONS: Final = "/api/v1/webhook-subscriptions"
SUBSCRIPTION: Final = SUBSCRIPTIONS + "/{subscription_id}"
SECRET: Final = SUBSCRIPTION + "/secret"
DEAD_LETTERS: Final = SUBSCRIPTION + "/dead-letters"
REPLAY: Final = DEAD_LETTERS + "/replay"
NIL: Final = UUID(int=0)


def id_of(subscription_id: str) -> UUID:
    """Read the id in an address.

    Raises:
        SubscriptionNotFound: what is no id at all looks like an id that nobody here has.
    """
    known = uuid_of(subscription_id)
    if known is None:
        raise SubscriptionNotFound(NIL)
    return known


class SubscriptionsResource(Resource):
    """All subscriptions of the caller's tenant and organization."""

    permits: ClassVar[Permits] = MappingProxyType(
        {"GET": Role.ADMIN, "HEAD": Role.ADMIN, "POST": Role.ADMIN}
    )

    def __init__(self, oms: OrderManagement, body_limit_bytes: int) -> None:
        """Answer from *oms*."""
        self._oms = oms
        self._body_limit_bytes = body_limit_bytes

    def on_post(self, req: Request, resp: Response) -> None:
        """Subscribe; the first answer alone holds the secret."""
        refuse_query(req.query_string)
        mistakes: list[Mistake] = []
        key = optional_key_of(req.env.get("HTTP_IDEMPOTENCY_KEY"), mistakes)
        request = with_mistakes_before(
            mistakes, lambda: read(Subscribe, read_json(req, self._body_limit_bytes))
        )
        new = self._oms.webhooks.subscribe(caller_of(req).scope, request, idempotency_key=key)
        resp.status = falcon.HTTP_201
        if new.secret is None:
            resp.set_header("Idempotent-Replayed", "true")
        resp.set_header("Location", f"{SUBSCRIPTIONS}/{new.subscribed.subscription.id}")
        send_json(resp, new_subscription_view(new))

    def on_get(self, req: Request, resp: Response) -> None:
        """List all."""
        refuse_query(req.query_string)
        send_json(resp, subscription_list_view(self._oms.webhooks.list_all(caller_of(req).scope)))

    on_head = on_get


class SubscriptionResource(Resource):
    """One subscription."""

    permits: ClassVar[Permits] = MappingProxyType(
        {"GET": Role.ADMIN, "HEAD": Role.ADMIN, "PATCH": Role.ADMIN, "DELETE": Role.ADMIN}
    )

    def __init__(self, oms: OrderManagement, body_limit_bytes: int) -> None:
        """Answer from *oms*."""
        self._oms = oms
        self._body_limit_bytes = body_limit_bytes

    def on_get(self, req: Request, resp: Response, subscription_id: str) -> None:
        """Show how its deliveries are."""
        refuse_query(req.query_string)
        found = self._oms.webhooks.get(caller_of(req).scope, id_of(subscription_id))
        send_json(resp, subscription_view(found))

    on_head = on_get

    def on_patch(self, req: Request, resp: Response, subscription_id: str) -> None:
        """Change what the body names."""
        refuse_query(req.query_string)
        request = read(ChangeSubscription, read_json(req, self._body_limit_bytes))
        scope = caller_of(req).scope
        changed = self._oms.webhooks.change(scope, id_of(subscription_id), request)
        send_json(resp, subscription_view(changed))

    def on_delete(self, req: Request, resp: Response, subscription_id: str) -> None:
        """Send nothing any more, and forget what waits."""
        refuse_query(req.query_string)
        self._oms.webhooks.unsubscribe(caller_of(req).scope, id_of(subscription_id))
        resp.status = falcon.HTTP_204


class SecretResource(Resource):
    """The secret that a subscription's messages are signed with."""

    permits: ClassVar[Permits] = MappingProxyType({"POST": Role.ADMIN})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_post(self, req: Request, resp: Response, subscription_id: str) -> None:
        """Make a new one; for a day, messages carry signatures of both."""
        refuse_query(req.query_string)
        new = self._oms.webhooks.rotate_secret(caller_of(req).scope, id_of(subscription_id))
        send_json(resp, new_secret_view(new))


class DeadLettersResource(Resource):
    """Events that a subscription was sent for three days in vain."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.ADMIN, "HEAD": Role.ADMIN})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response, subscription_id: str) -> None:
        """List all."""
        refuse_query(req.query_string)
        found = self._oms.webhooks.get(caller_of(req).scope, id_of(subscription_id))
        send_json(resp, dead_letter_list_view(found.progress.dead))

    on_head = on_get


class ReplayResource(Resource):
    """The way back for dead letters."""

    permits: ClassVar[Permits] = MappingProxyType({"POST": Role.ADMIN})

    def __init__(self, oms: OrderManagement, body_limit_bytes: int) -> None:
        """Answer from *oms*."""
        self._oms = oms
        self._body_limit_bytes = body_limit_bytes

    def on_post(self, req: Request, resp: Response, subscription_id: str) -> None:
        """Send them again, one or all."""
        refuse_query(req.query_string)
        request = read(ReplayDeadLetters, read_json(req, self._body_limit_bytes))
        scope = caller_of(req).scope
        replayed = self._oms.webhooks.replay(scope, id_of(subscription_id), request)
        send_json(resp, replayed_view(replayed))
