"""Documents as the JSON text that SQLite keeps them in.

orjson writes and reads it where it is installed, as it is beside the server: every order is
written three times on its way. Elsewhere the standard library does; each reads what the other
wrote.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _quickest() -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    try:
        import orjson  # noqa: PLC0415 - only if it is there
    except ImportError:
        return write, json.loads

    def write_quickly(document: Any) -> str:
        try:
            return orjson.dumps(document).decode()
        except orjson.JSONEncodeError:
            # Half a surrogate pair, say: what becomes of it is the same with and without orjson.
            return write(document)

    return write_quickly, orjson.loads


to_json, from_json = _quickest()
