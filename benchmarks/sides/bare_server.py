"""The base of P1, P2 and P4: a bare Falcon application on waitress that parses the body.

No authentication, no validation, no store: what is left is the price of HTTP in Python.
"""

from __future__ import annotations

import json
import sys
from typing import Final

import falcon
import waitress

from benchmarks.order_body import ORDERS

THREADS: Final = 4
"""waitress' own default."""
_ANSWER: Final = json.dumps(
    {"order_id": "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69", "status": "pending_payment"},
    separators=(",", ":"),
).encode()


class Orders:
    """Takes an order for granted."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Parse the body, as Falcon does it, and answer as ours would."""
        document = req.get_media()
        if len(document["line_items"]) < 1:
            raise falcon.HTTPBadRequest
        resp.status = falcon.HTTP_201
        resp.content_type = falcon.MEDIA_JSON
        resp.data = _ANSWER


def main() -> None:
    """Serve on the port that is asked for, until the process is ended."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    app.add_route(ORDERS, Orders())
    waitress.serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=THREADS)


if __name__ == "__main__":
    main()
