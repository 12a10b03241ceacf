"""A shop in real processes: ``oms serve`` on a store, accounts at every provider, and a client."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from attrs import define, field, frozen

from oms_adapters.payments.simulated import SimulatedPayments
from oms_core import Order, OrderManagement
from oms_core.domain.inventory import StockItem, StockLevel
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.support.banks import (
    AdyenBank,
    AdyenInPartsBank,
    Bank,
    Letter,
    PaypalBank,
    SimulatedBank,
    StripeBank,
)
from tests.support.command_line import (
    OMS,
    ORG,
    SCOPE,
    TENANT,
    environment,
    free_port,
    started,
    wait_until_ready,
)

PROVIDERS: Final = ("simulated", "stripe", "adyen", "paypal")
ACCOUNTS: Final = (*PROVIDERS, "adyen_in_parts")
"""An account of each provider, and one that differs in what Adyen lets it do."""
CHAIR, LAMP = StockItem("CRUNCHY-ARMCHAIR"), StockItem("WOBBLY-LAMP")
TOTAL: Final = 2_500
"""Two armchairs at 10.00 and a lamp at 5.00."""
PATIENCE_S: Final = 60.0
KEY: Final = "an-unmistakable-signing-secret-of-48-bytes-or-so"

CONFIG: Final = """
[auth.keys.shared]
secret = "env:SIGNING_KEY"

[worker]
poll_s = 0.05
lease_s = {lease_s}

[saga]
poll_s = {poll_s}
retry_first_s = 0.05
retry_cap_s = 0.2
attempts_max = 100

[log]
level = "warning"

{accounts}
"""


@frozen
class Answer:
    """What came back over HTTP."""

    status: int
    body: Any


class Client:
    """What the shop's own program does, over HTTP; only ``inside`` looks into the store."""

    def __init__(self, port: int, token: str, oms: OrderManagement) -> None:
        self._port = port
        self._token = token
        self._oms = oms
        self._keys = count(1)

    def place(self, provider: str, reference: str, *, key: str | None = None) -> Answer:
        """Order two armchairs and a lamp."""
        return self.request(
            "POST",
            "/api/v1/oms/orders",
            {
                "idempotency_key": key or f"checkout-{provider}-{reference}",
                "payment_provider": provider,
                "payment_reference": reference,
                "channel": "web",
                "line_items": [
                    {"sku": CHAIR.sku, "quantity": 2, "unit_price": "10.00"},
                    {"sku": LAMP.sku, "quantity": 1, "unit_price": "5.00"},
                ],
            },
        )

    def order(self, order_id: UUID) -> dict[str, Any]:
        """Read an order as the API shows it."""
        answer = self.request("GET", f"/api/v1/oms/orders/{order_id}")
        assert answer.status == 200, answer
        shown: dict[str, Any] = answer.body
        return shown

    def inside(self, order_id: UUID) -> Order:
        """Read an order as the library shows it."""
        return self._oms.get_order(SCOPE, order_id)

    def ask(self, order_id: UUID, what: str, **body: Any) -> None:
        """Ask something of an order, under a new key."""
        path = f"/api/v1/oms/orders/{order_id}/{what}"
        key = {"Idempotency-Key": f"key-{next(self._keys)}"}
        answer = self.request("POST", path, body or None, key)
        assert answer.status in {200, 201, 202}, answer

    def receive(self, item: StockItem) -> None:
        """Book a thousand pieces in, once."""
        body = {"sku": item.sku, "quantity_delta": 1_000, "reason": "delivery"}
        path = "/api/v1/inventory/adjust"
        answer = self.request("POST", path, body, {"Idempotency-Key": item.sku})
        assert answer.status in {200, 201}, answer

    def level(self, item: StockItem) -> StockLevel:
        """Read a stock level."""
        return self._oms.inventory.levels(SCOPE, items=[item]).levels[0]

    def post(self, provider: str, letter: Letter) -> int:
        """Be the provider that notifies; return the status of the answer."""
        return self._send("POST", f"/webhooks/{provider}/{TENANT}", letter.body, letter.headers)[0]

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request on a connection of its own."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "X-Tenant-ID": TENANT,
            "X-Org-ID": ORG,
            "Content-Type": "application/json",
            **(more or {}),
        }
        sent = b"" if body is None else json.dumps(body).encode()
        status, raw = self._send(method, path, sent, headers)
        return Answer(status, json.loads(raw) if raw else None)

    def _send(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@define
class WholeShop:
    """The processes, the accounts, and the store seen from here."""

    folder: Path
    oms: OrderManagement
    banks: Mapping[str, Bank]
    secrets: Mapping[str, str]
    port: int = field(factory=free_port)
    client: Client = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Make the client's token."""
        token = subprocess.run(
            [
                *(OMS, "token", "--tenant", TENANT, "--org", ORG),
                *("--role", "ADMIN", "--ttl", "1d"),
            ],
            cwd=self.folder,
            env=environment(**self.secrets),
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        self.client = Client(self.port, token, self.oms)

    @contextmanager
    def serving(self, *more: str) -> Iterator[subprocess.Popen[str]]:
        """Run ``oms serve`` meanwhile."""
        arguments = ("serve", "--port", str(self.port), *more)
        with started(self.folder, *arguments, **self.secrets) as server:
            wait_until_ready(server, self.port)
            for item in (CHAIR, LAMP):
                self.client.receive(item)
            yield server

    def until(
        self, provider: str, reference: str, is_so: Callable[[], bool], what: str = ""
    ) -> None:
        """Let the provider notify all that happens to a payment until something is so."""
        ends_at = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < ends_at, f"waited in vain: {what}"
            self.deliver(provider, reference)
            time.sleep(0.02)

    def deliver(self, provider: str, reference: str) -> int:
        """Post what the provider has to tell; return how many notifications that were."""
        letters = self.banks[provider].news(reference)
        for letter in letters:
            status = self.client.post(provider, letter)
            assert status == 204, status
        return len(letters)


@contextmanager
def open_shop(
    folder: Path,
    storage: Mapping[str, str],
    *,
    providers: Sequence[str] = ACCOUNTS,
    poll_s: float = 600.0,
    lease_s: float = 30.0,
) -> Iterator[WholeShop]:
    """Configure everything; nothing runs yet.

    An order looks its payment up every *poll_s*: ten minutes, so that only a notification wakes
    it in a test's time.
    """
    opened: list[OrderManagement] = []

    def simulated() -> SimulatedPayments:
        found = opened[0].payments.find(SCOPE.tenant_id, "simulated")
        assert isinstance(found, SimulatedPayments)
        return found

    kinds: dict[str, Callable[[], Bank]] = {
        "simulated": lambda: SimulatedBank(SCOPE.tenant_id, simulated),
        "stripe": StripeBank,
        "adyen": AdyenBank,
        "adyen_in_parts": AdyenInPartsBank,
        "paypal": PaypalBank,
    }
    with ExitStack() as stack:
        banks = {name: kinds[name]() for name in providers}
        for bank in banks.values():
            stack.callback(bank.close)
        accounts = "\n".join(bank.table for bank in banks.values())
        (folder / "oms.toml").write_text(
            CONFIG.format(accounts=accounts, poll_s=poll_s, lease_s=lease_s)
        )
        secrets = {"SIGNING_KEY": KEY, **storage}
        for bank in banks.values():
            secrets |= bank.secrets
        config = load_config(str(folder / "oms.toml"), secrets)
        opened.append(stack.enter_context(open_system(config)))
        yield WholeShop(folder, opened[0], banks, secrets)
