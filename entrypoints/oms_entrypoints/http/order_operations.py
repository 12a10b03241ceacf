"""``/api/v1/oms/orders/{order_id}/…``: ask things of an order, and see what became of them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from attrs import frozen

from oms_core.application.operation_requests import (
    CancelOrder,
    CapturePayment,
    CompleteOrder,
    DecideReturn,
    DeliverGoods,
    FulfillOrder,
    ReceiveReturn,
    RefundPayment,
    RequestReturn,
)
from oms_core.application.order_operations import Caller
from oms_core.application.request_reader import read
from oms_core.domain.operation import OperationKind
from oms_core.errors import InvalidInput, Mistake, PartNotFound
from oms_core.ports.authentication import Role
from oms_entrypoints.http.headers import idempotency_key_of, uuid_of, versions_of
from oms_entrypoints.http.json_body import read_optional_json, with_mistakes_before
from oms_entrypoints.http.orders import NIL, ORDER, order_id_of
from oms_entrypoints.http.query import DryRun, read_query, refuse_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of, send_json
from oms_entrypoints.http.views import (
    action_list_view,
    chronicle_view,
    foresight_view,
    operation_view,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from falcon import Request, Response

    from oms_core.application.actions import Action
    from oms_core.application.order_management import OrderManagement
    from oms_core.application.order_operations import Asked
    from oms_core.domain.scope import Scope

OPERATION: Final = ORDER + "/operations/{operation_id}"
ACTIONS: Final = ORDER + "/actions"
TIMELINE: Final = ORDER + "/timeline"
_ACCEPTED: Final = 202
_CREATED: Final = 201
_OK: Final = 200


@frozen
class Route:
    """Where one kind of operation is asked for, and how it is answered."""

    path: str
    request: type
    status: int
    """202: workers do it; 200, and 201 for a return, which is then there: it is done."""
    method: str
    """Of ``OrderOperations``."""
    part: str | None = None
    """What the address names beside the order: ``fulfillment`` or ``return``."""
    can_be_foretold: bool = False


ROUTES: Final[Mapping[OperationKind, Route]] = MappingProxyType(
    {
        OperationKind.CANCEL: Route(
            ORDER + "/cancel", CancelOrder, _ACCEPTED, "cancel", can_be_foretold=True
        ),
        OperationKind.CAPTURE: Route(
            ORDER + "/capture", CapturePayment, _ACCEPTED, "capture", can_be_foretold=True
        ),
        OperationKind.FULFILL: Route(
            ORDER + "/fulfillments", FulfillOrder, _ACCEPTED, "fulfill", can_be_foretold=True
        ),
        OperationKind.DELIVER: Route(
            ORDER + "/fulfillments/{fulfillment_id}/delivered",
            DeliverGoods,
            _OK,
            "deliver",
            part="fulfillment",
        ),
        OperationKind.COMPLETE: Route(ORDER + "/complete", CompleteOrder, _OK, "complete"),
        OperationKind.REQUEST_RETURN: Route(
            ORDER + "/returns", RequestReturn, _CREATED, "request_return", can_be_foretold=True
        ),
        OperationKind.APPROVE_RETURN: Route(
            ORDER + "/returns/{return_id}/approve",
            DecideReturn,
            _OK,
            "approve_return",
            part="return",
        ),
        OperationKind.REJECT_RETURN: Route(
            ORDER + "/returns/{return_id}/reject", DecideReturn, _OK, "reject_return", part="return"
        ),
        OperationKind.RECEIVE_RETURN: Route(
            ORDER + "/returns/{return_id}/receive",
            ReceiveReturn,
            _ACCEPTED,
            "receive_return",
            part="return",
        ),
        OperationKind.REFUND: Route(
            ORDER + "/refunds", RefundPayment, _ACCEPTED, "refund", can_be_foretold=True
        ),
    }
)
"""Where people ask for what; a test compares it with all that there is to ask."""


def path_of(order_id: UUID, action: Action) -> str:
    """Tell where an action is asked for."""
    path = ROUTES[action.kind].path.replace("{order_id}", str(order_id))
    if action.subject is None:
        return path
    return path.replace(f"{{{ROUTES[action.kind].part}_id}}", str(action.subject))


class AskResource(Resource):
    """The address of one kind of operation."""

    permits: ClassVar[Permits] = MappingProxyType({"POST": Role.EDITOR})

    def __init__(self, oms: OrderManagement, kind: OperationKind, body_limit_bytes: int) -> None:
        """Ask *oms*."""
        self._oms = oms
        self._route = ROUTES[kind]
        self._body_limit_bytes = body_limit_bytes

    def on_post(self, req: Request, resp: Response, order_id: str, **parts: str) -> None:
        """Ask, once per key; or tell what asking would cause."""
        mistakes: list[Mistake] = []
        foretell = self._is_dry_run(req, mistakes)
        header = req.env.get("HTTP_IDEMPOTENCY_KEY")
        key = "" if foretell and header is None else idempotency_key_of(header, mistakes)
        versions = versions_of(req.env.get("HTTP_IF_MATCH"), mistakes)
        request: Any = with_mistakes_before(mistakes, lambda: self._read(req))
        subjects = [self._part_of(text) for text in parts.values()]
        known, principal = order_id_of(order_id), caller_of(req)
        if foretell:
            foresight = self._oms.operations.look_ahead(
                principal.scope, known, request, if_version=versions
            )
            send_json(resp, foresight_view(foresight))
            return
        caller = Caller(key, principal.subject, if_version=versions)
        self._answer(resp, known, self._ask(principal.scope, known, subjects, request, caller))

    def _is_dry_run(self, req: Request, mistakes: list[Mistake]) -> bool:
        try:
            if not self._route.can_be_foretold:
                refuse_query(req.query_string)
                return False
            return read_query(DryRun, req.query_string).dry_run
        except InvalidInput as invalid:
            mistakes += invalid.mistakes
            return False

    def _read(self, req: Request) -> Any:
        return read(self._route.request, read_optional_json(req, self._body_limit_bytes))

    def _part_of(self, text: str) -> UUID:
        known = uuid_of(text)
        if known is None:
            raise PartNotFound(self._route.part or "part", NIL)
        return known

    def _ask(
        self, scope: Scope, order_id: UUID, subjects: list[UUID], request: Any, caller: Caller
    ) -> Asked:
        ask = getattr(self._oms.operations, self._route.method)
        asked: Asked = ask(scope, order_id, *subjects, request, caller)
        return asked

    def _answer(self, resp: Response, order_id: UUID, asked: Asked) -> None:
        operation_id = str(asked.operation.id)
        place = OPERATION.replace("{order_id}", str(order_id))
        resp.status = self._route.status
        resp.set_header("Location", place.replace("{operation_id}", operation_id))
        if asked.replayed:
            resp.set_header("Idempotent-Replayed", "true")
        send_json(resp, operation_view(asked.operation))


class OperationResource(Resource):
    """One operation of an order."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.VIEWER, "HEAD": Role.VIEWER})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response, order_id: str, operation_id: str) -> None:
        """Show how far it is."""
        refuse_query(req.query_string)
        order = self._oms.get_order(caller_of(req).scope, order_id_of(order_id))
        known = uuid_of(operation_id)
        operation = order.operation(known)
        if operation is None:
            raise PartNotFound("operation", known or NIL)
        send_json(resp, operation_view(operation))

    on_head = on_get


class ActionsResource(Resource):
    """What may be asked of an order now."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.VIEWER, "HEAD": Role.VIEWER})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response, order_id: str) -> None:
        """List every action, allowed or not, and why not."""
        refuse_query(req.query_string)
        known = order_id_of(order_id)
        actions = self._oms.actions(caller_of(req).scope, known)
        send_json(resp, action_list_view(known, actions, lambda action: path_of(known, action)))

    on_head = on_get


class TimelineResource(Resource):
    """Everything that is known of an order's life."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.VIEWER, "HEAD": Role.VIEWER})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response, order_id: str) -> None:
        """Tell it, oldest first."""
        refuse_query(req.query_string)
        known = order_id_of(order_id)
        entries = self._oms.chronicle(caller_of(req).scope, known)
        send_json(resp, chronicle_view(known, entries))

    on_head = on_get
