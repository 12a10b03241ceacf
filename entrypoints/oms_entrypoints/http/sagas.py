"""``/api/v1/sagas``: what is under way, waits, is stuck or paused; and operators' hands on it."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from attrs import frozen

from oms_core.application.request_reader import read
from oms_core.application.steering import Operator, Steer
from oms_core.domain.rules import OneOf, Whole, check, require, ruled
from oms_core.domain.saga_position import SagaState
from oms_core.errors import OrderNotFound
from oms_core.ports.authentication import Role
from oms_entrypoints.http.headers import uuid_of
from oms_entrypoints.http.json_body import read_json
from oms_entrypoints.http.query import LIMIT_DEFAULT, LIMIT_MAX, read_query, refuse_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of, send_json
from oms_entrypoints.http.saga_views import saga_list_view, steered_order_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from falcon import Request, Response

    from oms_core.application.order_management import OrderManagement
    from oms_core.domain.order import Order
    from oms_core.domain.scope import Scope

SAGAS: Final = "/api/v1/sagas"
RETRY: Final = SAGAS + "/{order_id}/retry"
SKIP: Final = SAGAS + "/{order_id}/skip"
COMPENSATE: Final = SAGAS + "/{order_id}/compensate"
PAUSE: Final = SAGAS + "/{order_id}/pause"
RESUME: Final = SAGAS + "/{order_id}/resume"
NIL: Final = UUID(int=0)

UNFINISHED: Final = tuple(state for state in SagaState if state is not SagaState.FINISHED)


class ListedState(StrEnum):
    """The states that sagas can be listed by: all but the finished ones."""

    RUNNING = SagaState.RUNNING.value
    WAITING = SagaState.WAITING.value
    STUCK = SagaState.STUCK.value
    PAUSED = SagaState.PAUSED.value


@frozen
class SagaListing:
    """Which sagas to list."""

    state: str | None = ruled(
        OneOf(ListedState), says="Only this state; left out: all that are listed.", default=None
    )
    limit: int = ruled(
        Whole(1, LIMIT_MAX, example=LIMIT_DEFAULT),
        says="How many at the most, the oldest orders first.",
        default=LIMIT_DEFAULT,
    )

    def __attrs_post_init__(self) -> None:
        """Check every parameter."""
        require(check(self))

    @property
    def states(self) -> tuple[SagaState, ...]:
        """The states that are meant."""
        return UNFINISHED if self.state is None else (SagaState(self.state),)


class SagasResource(Resource):
    """Unfinished and paused sagas of the caller's tenant and organization."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.ADMIN, "HEAD": Role.ADMIN})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response) -> None:
        """List them, oldest order first."""
        listing = read_query(SagaListing, req.query_string)
        scope = caller_of(req).scope
        found = self._oms.list_sagas(listing.states, scope=scope, limit=listing.limit)
        send_json(resp, saga_list_view(found, limit=listing.limit))

    on_head = on_get


class SteeringResource(Resource):
    """One way to steer the saga of an order, with a reason."""

    permits: ClassVar[Permits] = MappingProxyType({"POST": Role.ADMIN})

    def __init__(
        self, steer: Callable[[Scope, UUID, Operator], Order], body_limit_bytes: int
    ) -> None:
        """Do *steer*."""
        self._steer = steer
        self._body_limit_bytes = body_limit_bytes

    def on_post(self, req: Request, resp: Response, order_id: str) -> None:
        """Do it, and show where the saga stands now; the timeline tells who did it, and why."""
        refuse_query(req.query_string)
        request = read(Steer, read_json(req, self._body_limit_bytes))
        known = uuid_of(order_id)
        if known is None:
            # What is no id at all looks like an id that nobody here has.
            raise OrderNotFound(NIL)
        caller = caller_of(req)
        order = self._steer(caller.scope, known, Operator(caller.subject, request.reason))
        send_json(resp, steered_order_view(order))
