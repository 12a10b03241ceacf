"""``/api/v1/inventory`` for other order systems: the contract of docs/inventory-service.md.

What becomes of a reservation is never a refusal of HTTP but an answer: only so can the asker tell
"there is no stock" from "somebody on the way said no".
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from oms_core.application.request_reader import read
from oms_core.domain.inventory import StockItem
from oms_core.errors import IdempotencyKeyReused, InsufficientStock
from oms_core.ports.authentication import Role
from oms_entrypoints.http.inventory import LevelsResource
from oms_entrypoints.http.json_body import read_json
from oms_entrypoints.http.query import read_query, refuse_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of, send_json
from oms_entrypoints.http.stock_requests import (
    BookMovement,
    CommitPart,
    CommitReservation,
    LedgerListing,
    LookUpLevels,
    NameReservation,
    ReserveStock,
)
from oms_entrypoints.http.views import (
    booked_view,
    key_reused_view,
    ledger_view,
    reservation_answer_view,
    stock_page_view,
    too_little_view,
)

if TYPE_CHECKING:
    from falcon import Request, Response

    from oms_core.application.order_management import OrderManagement

RESERVATIONS: Final = "/api/v1/inventory/reservations"
HARDEN: Final = "/api/v1/inventory/reservations/harden"
RELEASE: Final = "/api/v1/inventory/reservations/release"
COMMIT: Final = "/api/v1/inventory/reservations/commit"
COMMIT_PART: Final = "/api/v1/inventory/reservations/commit-part"
MOVEMENTS: Final = "/api/v1/inventory/movements"

T = TypeVar("T")
_FOR_SYSTEMS: Final = MappingProxyType({"POST": Role.ADMIN})
"""Whoever names reservations and actors freely speaks for a whole order system."""


class _StockResource(Resource):
    def __init__(self, oms: OrderManagement, body_limit_bytes: int) -> None:
        """Ask the inventory of *oms*."""
        self._oms = oms
        self._body_limit_bytes = body_limit_bytes

    def _read(self, cls: type[T], req: Request) -> T:
        refuse_query(req.query_string)
        return read(cls, read_json(req, self._body_limit_bytes))


class ReservationsResource(_StockResource):
    """Where reservations are made."""

    permits: ClassVar[Permits] = _FOR_SYSTEMS

    def on_post(self, req: Request, resp: Response) -> None:
        """Reserve all or nothing, once per name; answers with the outcome."""
        wish = self._read(ReserveStock, req)
        outcome = self._oms.inventory.reserve(
            caller_of(req).scope,
            wish.reservation_id,
            wish.to_demands(),
            allocation=wish.to_allocation(),
        )
        send_json(resp, reservation_answer_view(outcome))


class HardenResource(_StockResource):
    """Where soft reservations become permanent."""

    permits: ClassVar[Permits] = _FOR_SYSTEMS

    def on_post(self, req: Request, resp: Response) -> None:
        """Make one permanent; answers with the outcome."""
        wish = self._read(NameReservation, req)
        outcome = self._oms.inventory.harden(caller_of(req).scope, wish.reservation_id)
        send_json(resp, reservation_answer_view(outcome))


class ReleaseResource(_StockResource):
    """Where reservations end without the goods leaving."""

    permits: ClassVar[Permits] = _FOR_SYSTEMS

    def on_post(self, req: Request, resp: Response) -> None:
        """Release one, made or not; answers with the outcome."""
        wish = self._read(NameReservation, req)
        outcome = self._oms.inventory.release(caller_of(req).scope, wish.reservation_id)
        send_json(resp, reservation_answer_view(outcome))


class CommitResource(_StockResource):
    """Where the goods of reservations leave."""

    permits: ClassVar[Permits] = _FOR_SYSTEMS

    def on_post(self, req: Request, resp: Response) -> None:
        """Let the goods of one leave; answers with the outcome."""
        wish = self._read(CommitReservation, req)
        outcome = self._oms.inventory.commit(
            caller_of(req).scope, wish.reservation_id, actor=wish.actor
        )
        send_json(resp, reservation_answer_view(outcome))


class CommitPartResource(_StockResource):
    """Where parts of the goods of reservations leave."""

    permits: ClassVar[Permits] = _FOR_SYSTEMS

    def on_post(self, req: Request, resp: Response) -> None:
        """Let a part leave, once per name; answers with the outcome."""
        wish = self._read(CommitPart, req)
        outcome = self._oms.inventory.commit_part(
            caller_of(req).scope,
            wish.reservation_id,
            wish.part_id,
            wish.to_demands(),
            actor=wish.actor,
        )
        send_json(resp, reservation_answer_view(outcome))


class MovementsResource(_StockResource):
    """The ledger of a stock item, as its keeper writes and reads it."""

    permits: ClassVar[Permits] = MappingProxyType(
        {"GET": Role.VIEWER, "HEAD": Role.VIEWER, "POST": Role.ADMIN}
    )

    def on_get(self, req: Request, resp: Response) -> None:
        """Read a part of the ledger of one stock item, oldest entries first."""
        listing = read_query(LedgerListing, req.query_string)
        movements = self._oms.inventory.movements(
            caller_of(req).scope,
            StockItem(listing.sku, listing.location),
            limit=listing.limit,
            after=listing.after,
        )
        send_json(resp, ledger_view(movements))

    on_head = on_get

    def on_post(self, req: Request, resp: Response) -> None:
        """Book an entry as it is given, once per name; answers with what became of it."""
        movement = self._read(BookMovement, req).to_movement()
        view: Any
        try:
            view = booked_view(self._oms.inventory.adjust(caller_of(req).scope, movement))
        except InsufficientStock as refused:
            view = too_little_view(refused.available)
        except IdempotencyKeyReused:
            view = key_reused_view()
        send_json(resp, view)


class StockLevelsResource(LevelsResource):
    """Stock levels: listed for people, and looked up by any names for other systems."""

    permits: ClassVar[Permits] = MappingProxyType({**LevelsResource.permits, "POST": Role.VIEWER})

    def __init__(self, oms: OrderManagement, body_limit_bytes: int) -> None:
        """Answer from *oms*."""
        super().__init__(oms)
        self._body_limit_bytes = body_limit_bytes

    def on_post(self, req: Request, resp: Response) -> None:
        """Look levels up; answers with a page of them."""
        refuse_query(req.query_string)
        wish = read(LookUpLevels, read_json(req, self._body_limit_bytes))
        page = self._oms.inventory.levels(
            caller_of(req).scope,
            items=None if wish.items is None else [named.item for named in wish.items],
            sku=wish.sku,
            location=wish.location,
            limit=wish.limit,
            cursor=wish.cursor,
        )
        send_json(resp, stock_page_view(page, limit=wish.limit))
