"""``/openapi.json`` and ``/docs``: the API described, for programs and for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

from oms_entrypoints.http.resource import JSON, Permits, Resource

if TYPE_CHECKING:
    from falcon import Request, Response

OPENAPI: Final = "/openapi.json"
DOCS: Final = "/docs"
_PUBLIC: Final = MappingProxyType({"GET": None, "HEAD": None})


class OpenApiResource(Resource):
    """The OpenAPI document."""

    permits: ClassVar[Permits] = _PUBLIC

    def __init__(self, document: bytes) -> None:
        """Show *document*, written once."""
        self._document = document

    def on_get(self, _req: Request, resp: Response) -> None:
        """Show it."""
        resp.data = self._document
        resp.content_type = JSON

    on_head = on_get


class DocsResource(Resource):
    """The same as a page."""

    permits: ClassVar[Permits] = _PUBLIC

    def __init__(self, page: bytes, content_security_policy: str) -> None:
        """Show *page*; the policy lets it load its own style and nothing else."""
        self._page = page
        self._policy = content_security_policy

    def on_get(self, _req: Request, resp: Response) -> None:
        """Show it."""
        resp.data = self._page
        resp.content_type = "text/html; charset=utf-8"
        resp.set_headers(
            {
                "Content-Security-Policy": self._policy,
                "Referrer-Policy": "no-referrer",
            }
        )

    on_head = on_get
