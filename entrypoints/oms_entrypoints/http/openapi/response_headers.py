"""The headers that answers carry, by their names."""

from __future__ import annotations

from typing import Any, Final

RESPONSE_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-ID": {
        "description": "Names the request in the server's log: yours, if you sent a fit one.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where it is.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Idempotent-Replayed": {
        "description": "`true` if the key named this already. Missing the first time.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {
        "description": "The order's version, for `If-None-Match` and `If-Match`.",
        "schema": {"type": "string", "pattern": '^"[0-9]+"$'},
    },
    "Retry-After": {
        "description": "How many seconds to wait before the same request again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {
        "description": "What kind of token is needed (RFC 6750).",
        "schema": {"type": "string"},
    },
}

HEADERS_OF_STATUS: Final = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
