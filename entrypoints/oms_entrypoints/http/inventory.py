"""``/api/v1/inventory``: book stock in and out, and see what is there."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from oms_core.application.adjust_stock import AdjustStock
from oms_core.application.request_reader import read
from oms_core.errors import Mistake
from oms_core.ports.authentication import Role
from oms_entrypoints.http.headers import idempotency_key_of
from oms_entrypoints.http.json_body import read_json, with_mistakes_before
from oms_entrypoints.http.query import StockListing, read_query, refuse_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of, send_json
from oms_entrypoints.http.views import stock_level_view, stock_page_view

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.application.order_management import OrderManagement

ADJUST: Final = "/api/v1/inventory/adjust"
LEVELS: Final = "/api/v1/inventory/levels"


class AdjustResource(Resource):
    """The ledger's entrance."""

    permits: ClassVar[Permits] = MappingProxyType({"POST": Role.EDITOR})

    def __init__(self, oms: OrderManagement, body_limit_bytes: int) -> None:
        """Book in *oms*."""
        self._oms = oms
        self._body_limit_bytes = body_limit_bytes

    def on_post(self, req: Request, resp: Response) -> None:
        """Add one ledger entry, once per key; answers with the level after it."""
        refuse_query(req.query_string)
        mistakes: list[Mistake] = []
        key = idempotency_key_of(req.env.get("HTTP_IDEMPOTENCY_KEY"), mistakes)
        request = with_mistakes_before(
            mistakes, lambda: read(AdjustStock, read_json(req, self._body_limit_bytes))
        )
        caller = caller_of(req)
        level = self._oms.adjust_stock(
            caller.scope, request, idempotency_key=key, actor=caller.subject
        )
        send_json(resp, stock_level_view(level))


class LevelsResource(Resource):
    """Stock on hand, promised and available."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.VIEWER, "HEAD": Role.VIEWER})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response) -> None:
        """List stock levels by sku and location."""
        listing = read_query(StockListing, req.query_string)
        page = self._oms.stock_levels(
            caller_of(req).scope,
            sku=listing.sku,
            location=listing.location,
            limit=listing.limit,
            cursor=listing.cursor,
        )
        send_json(resp, stock_page_view(page, limit=listing.limit))

    on_head = on_get
