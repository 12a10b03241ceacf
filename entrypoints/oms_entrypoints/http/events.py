"""``/api/v1/events``: everything that happened, from any position on."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from oms_core.ports.authentication import Role
from oms_entrypoints.http.query import EventListing, read_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of, send_json
from oms_entrypoints.http.views import event_page_view

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.application.order_management import OrderManagement

EVENTS: Final = "/api/v1/events"


class EventsResource(Resource):
    """The events of the caller's tenant and organization."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.VIEWER, "HEAD": Role.VIEWER})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms

    def on_get(self, req: Request, resp: Response) -> None:
        """Read on after a position."""
        listing = read_query(EventListing, req.query_string)
        events = self._oms.events(caller_of(req).scope, after=listing.after, limit=listing.limit)
        send_json(resp, event_page_view(events, after=listing.after))

    on_head = on_get
