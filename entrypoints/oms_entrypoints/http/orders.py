"""``/api/v1/oms/orders``: place, list and read orders."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

import falcon

from oms_core.application.place_order import PlaceOrder
from oms_core.application.request_reader import read
from oms_core.domain.order_status import OrderStatus
from oms_core.errors import InvalidInput, Mistake, OrderNotFound
from oms_core.ports.authentication import Role
from oms_entrypoints.http.headers import etag_of, names_etag, text_of, uuid_of
from oms_entrypoints.http.json_body import read_json
from oms_entrypoints.http.query import OrderListing, read_query, refuse_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of, send_json
from oms_entrypoints.http.views import order_page_view, order_view, placed_view

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.application.order_management import OrderManagement
    from oms_entrypoints.http.metrics import Metrics

ORDERS: Final = "/api/v1/oms/orders"
ORDER: Final = "/api/v1/oms/orders/{order_id}"
NIL: Final = UUID(int=0)


def order_id_of(text: str) -> UUID:
    """Read the order's id in an address.

    Raises:
        OrderNotFound: what is no id at all looks like an id that nobody here has.
    """
    known = uuid_of(text)
    if known is None:
        raise OrderNotFound(NIL)
    return known


class OrdersResource(Resource):
    """All orders of the caller's tenant and organization."""

    permits: ClassVar[Permits] = MappingProxyType(
        {"GET": Role.VIEWER, "HEAD": Role.VIEWER, "POST": Role.EDITOR}
    )

    def __init__(self, oms: OrderManagement, metrics: Metrics, body_limit_bytes: int) -> None:
        """Answer from *oms*."""
        self._oms = oms
        self._metrics = metrics
        self._body_limit_bytes = body_limit_bytes

    def on_post(self, req: Request, resp: Response) -> None:
        """Accept an order, once: a repeat gets the first answer again, and a header says so."""
        refuse_query(req.query_string)
        request = read(PlaceOrder, read_json(req, self._body_limit_bytes))
        header = req.env.get("HTTP_IDEMPOTENCY_KEY")
        if header is not None and text_of(header) != request.idempotency_key:
            raise InvalidInput(
                (
                    Mistake(
                        "/idempotency_key",
                        "differs from the header Idempotency-Key; send one, or the same in both",
                    ),
                )
            )
        caller = caller_of(req)
        placed = self._oms.place_order(caller.scope, request, actor=caller.subject)
        self._metrics.placed(replayed=placed.replayed)
        resp.status = falcon.HTTP_201
        resp.set_header("Location", f"{ORDERS}/{placed.order_id}")
        if placed.replayed:
            resp.set_header("Idempotent-Replayed", "true")
        # The first answer, whatever has become of the order since: a repeat is the same answer.
        send_json(resp, placed_view(placed.order_id, OrderStatus.PENDING_PAYMENT))

    def on_get(self, req: Request, resp: Response) -> None:
        """List orders, newest first."""
        listing = read_query(OrderListing, req.query_string)
        page = self._oms.list_orders(caller_of(req).scope, listing.to_query())
        send_json(resp, order_page_view(page, limit=listing.limit, offset=listing.offset))

    on_head = on_get


class OrderResource(Resource):
    """One order."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.VIEWER, "HEAD": Role.VIEWER})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response, order_id: str) -> None:
        """Show the order with its whole timeline, or that it has not changed."""
        refuse_query(req.query_string)
        order = self._oms.get_order(caller_of(req).scope, order_id_of(order_id))
        etag = etag_of(order.version)
        resp.set_header("ETag", etag)
        if_none_match = req.env.get("HTTP_IF_NONE_MATCH")
        if if_none_match is not None and names_etag(if_none_match, etag):
            resp.status = falcon.HTTP_304
        else:
            send_json(resp, order_view(order))

    on_head = on_get
