"""``/api/v1/oms/orders/export``: all orders as one long answer.

A thread sends it, a page at a time; between two pages it holds nothing of the store. What goes
wrong before the first page is told with a status. Afterwards only the connection can tell, which
is cut, and the record of the end, which is missing.
"""

from __future__ import annotations

import threading
import weakref
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

import structlog

from oms_core.ports.authentication import Role
from oms_entrypoints.bulk.forms import CSV, NDJSON, Format, form_of
from oms_entrypoints.bulk.order_export import walk, written
from oms_entrypoints.http.problems import Refusal
from oms_entrypoints.http.query import OrderExport, read_query
from oms_entrypoints.http.resource import Permits, Resource, caller_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from falcon import Request, Response
    from structlog.typing import FilteringBoundLogger

    from oms_core.application.order_management import OrderManagement

EXPORT: Final = "/api/v1/oms/orders/export"
AT_ONCE_MAX: Final = 2
"""Exports that a server sends at once. Each keeps a thread for as long as its client reads, and
slow readers must not keep all threads from those who order."""
AGAIN_AFTER_S: Final = 30
_MEDIA_TYPES: Final = (NDJSON, CSV)


class OrderExportResource(Resource):
    """All orders of the caller's tenant and organization, without pages."""

    permits: ClassVar[Permits] = MappingProxyType({"GET": Role.VIEWER, "HEAD": Role.VIEWER})

    def __init__(self, oms: OrderManagement) -> None:
        """Answer from *oms*."""
        self._oms = oms
        self._places = threading.BoundedSemaphore(AT_ONCE_MAX)
        self._log: FilteringBoundLogger = structlog.get_logger().bind()

    def on_get(self, req: Request, resp: Response) -> None:
        """Begin to send the orders, newest first."""
        wanted = read_query(OrderExport, req.query_string)
        form = form_of(_format(wanted, req))
        if not self._places.acquire(blocking=False):
            raise Refusal(429, headers={"Retry-After": str(AGAIN_AFTER_S)})
        try:
            pages = walk(self._oms.storage, caller_of(req).scope, wanted.to_query())
            # Now, while trouble with the store can still be told with a status.
            pieces = _begun(written(pages, form))
        except BaseException:
            self._places.release()
            raise
        log = self._log.bind(request_id=req.context.request_id)
        resp.stream = _Stream(pieces, self._places, log)
        resp.content_type = form.media_type
        resp.set_header("Content-Disposition", "attachment")

    def on_head(self, req: Request, resp: Response) -> None:
        """Tell what would be sent."""
        wanted = read_query(OrderExport, req.query_string)
        resp.content_type = form_of(_format(wanted, req)).media_type
        resp.set_header("Content-Disposition", "attachment")


def _format(wanted: OrderExport, req: Request) -> Format:
    if wanted.format is not None:
        return Format(wanted.format)
    return Format.CSV if req.client_prefers(_MEDIA_TYPES) == CSV else Format.NDJSON


def _begun(pieces: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """Make the first piece now."""
    first = next(pieces)

    def all_of_them() -> Iterator[tuple[bytes, int]]:
        yield first
        yield from pieces

    return all_of_them()


class _Stream:
    """The pieces on their way to the client; the server closes it, however it ends."""

    def __init__(
        self,
        pieces: Iterator[tuple[bytes, int]],
        places: threading.BoundedSemaphore,
        log: FilteringBoundLogger,
    ) -> None:
        self._pieces = pieces
        self._log = log
        self._orders = 0
        # Once only; and also if a server forgets to close what it never began to send.
        self.close = weakref.finalize(self, places.release)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            piece, self._orders = next(self._pieces)
        except StopIteration:
            self._log.info("export sent", orders=self._orders)
            self.close()
            raise
        except Exception as error:
            self._log.error("export cut off", orders=self._orders, exc_info=error)
            self.close()
            raise
        return piece
