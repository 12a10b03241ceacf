"""The calls that a server answers about itself."""

from __future__ import annotations

from typing import Final

from oms_entrypoints.http import documents, health
from oms_entrypoints.http.openapi.call import Answer, Operation
from oms_entrypoints.http.openapi.refusals import STORE
from oms_entrypoints.http.readiness_view import ReadyView
from oms_entrypoints.http.views import HealthView

_TAG: Final = "server"

SERVER_CALLS: Final = (
    Operation(
        "GET",
        health.HEALTHZ,
        "isAlive",
        _TAG,
        "Whether the process lives.",
        answers=(Answer(200, "It does.", HealthView),),
    ),
    Operation(
        "GET",
        health.READYZ,
        "isReady",
        _TAG,
        "Whether the store can be used now, and which payment providers refuse the server.",
        answers=(Answer(200, "It can.", ReadyView),),
        refusals=STORE,
    ),
    Operation(
        "GET",
        health.METRICS,
        "getMetrics",
        _TAG,
        "Figures for Prometheus.",
        answers=(Answer(200, "All figures, counted now.", media_type="text/plain"),),
    ),
    Operation(
        "GET",
        documents.OPENAPI,
        "getDocument",
        _TAG,
        "This document.",
        answers=(Answer(200, "An OpenAPI 3.1 document."),),
    ),
    Operation(
        "GET",
        documents.DOCS,
        "getDocumentation",
        _TAG,
        "This document as a page for people.",
        answers=(Answer(200, "A page without scripts.", media_type="text/html"),),
    ),
)
