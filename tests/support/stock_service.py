"""Our own server as the inventory service of somebody else, behind a real socket."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Self
from urllib.parse import unquote, urlencode

from oms_adapters.auth.jwt import JwtAuthenticator, SharedSecret, mint_token
from oms_adapters.inventory.http import HttpInventory, HttpTimes
from oms_adapters.inventory.memory import MemoryInventory
from oms_adapters.storage.memory import MemoryStorage
from oms_core import OrderManagement, Scope
from oms_core.ports.authentication import Principal, Role
from oms_core.ports.clock import Clock, SystemClock
from oms_core.ports.inventory import Inventory
from oms_entrypoints.http.app import create_app
from oms_entrypoints.http.settings import HttpSettings
from tests.support.http_faults import FaultyHttpServer, HttpAnswer, HttpRequest

SECRET = b"an-unmistakable-signing-secret-of-48-bytes-or-so"


class StockService:
    """The application over an inventory in memory, which a test may exchange for a new one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.oms = OrderManagement(
            storage=MemoryStorage(clock or SystemClock()),
            inventory=MemoryInventory(clock),
            payments={},
        )
        authenticator = JwtAuthenticator([SharedSecret(SECRET)], clock=SystemClock())
        self.app = create_app(self.oms, authenticator, settings=HttpSettings(access_log=False))

    @property
    def inventory(self) -> Inventory:
        """What stands behind it."""
        return self.oms.inventory

    def renew(self, clock: Clock) -> None:
        """Begin with an empty inventory that goes by *clock*."""
        self.oms.inventory = MemoryInventory(clock)

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Have a request from the wire answered by the application."""
        answered: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            answered.append((status, headers))

        body = b"".join(self.app(_environ(request), start_response))
        status, headers = answered[0]
        return HttpAnswer(
            int(status[:3]),
            body,
            {name: value for name, value in headers if name.lower() != "content-length"},
        )


class FaultyStockService(FaultyHttpServer):
    """The same behind a wire on which answers get lost, late, cut, or replaced."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.service = StockService(clock)
        super().__init__(self.service.answer)

    def __enter__(self) -> Self:
        return self


def token_for(scope: Scope, role: Role = Role.ADMIN) -> str:
    """Make the token that another order system sends."""
    principal = Principal("another order system", scope, role)
    return mint_token(SECRET, principal, now=datetime.now(UTC), lifetime_s=300)


def client_of(url: str, *, timeout_s: float = 5.0) -> HttpInventory:
    """Make a client with the rights of an order system."""
    return HttpInventory(url, token_for, times=HttpTimes(timeout_s, 1.0))


def _environ(request: HttpRequest) -> dict[str, Any]:
    headers = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()
    }
    return {
        **headers,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(request.path, encoding="latin-1"),
        "QUERY_STRING": urlencode(request.query),
        "CONTENT_TYPE": headers.get("HTTP_CONTENT_TYPE", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": BytesIO(),
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
