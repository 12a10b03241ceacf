"""Clients that never stop ordering, and remember exactly what was acknowledged."""

from __future__ import annotations

import random
import threading
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.crash.site import Answer

CLIENTS: Final = 4
SKUS: Final = {"CRUNCHY-ARMCHAIR": 1_000_000, "LAST-LAMP": 40}
KINDS: Final = (
    "card",
    "card",
    "card",
    "sim_lost_answer_once",
    "sim_declined",
    "sim_not_executed_once",
    "sim_in_progress_once",
    "sim_wrong_amount",
    "sim_void_answer_lost_once",
    "sim_captured",
    "sim_authorized",
)


class Door(Protocol):
    """Where requests are answered: one server, or several in turn."""

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request; see ``Site.request``."""
        ...


@define
class Clients:
    """Post orders without pause, and remember exactly what was acknowledged."""

    site: Door
    requests: list[dict[str, Any]] = field(factory=list)
    acknowledged: dict[str, str] = field(factory=dict)
    violations: list[str] = field(factory=list)
    unavailable: int = 0
    """How often they were told to come again."""
    longest_s: float = 0.0
    """The longest that anybody waited for an answer."""
    lock: threading.Lock = field(factory=threading.Lock)

    def new_request(self, chance: random.Random) -> dict[str, Any]:
        """Make a request nobody has sent."""
        with self.lock:
            number = len(self.requests)
            sku = chance.choice(list(SKUS))
            request = {
                "idempotency_key": f"order-{number}",
                "payment_provider": "simulated",
                "payment_reference": f"{chance.choice(KINDS)}-{number}",
                "channel": "web",
                "line_items": [
                    {"sku": sku, "quantity": chance.randint(1, 3), "unit_price": "19.99"}
                ],
            }
            self.requests.append(request)
            return request

    def send(self, request: dict[str, Any]) -> bool:
        """Send a request; ``False``: no answer, so nobody knows what it did."""
        key = request["idempotency_key"]
        began = time.monotonic()
        try:
            answer = self.site.request("POST", "/api/v1/oms/orders", request)
        except (OSError, HTTPException, ValueError):
            return False
        with self.lock:
            self.longest_s = max(self.longest_s, time.monotonic() - began)
        if answer.status != 201:
            self.unavailable += answer.status == 503
            if answer.status != 503 or "Retry-After" not in answer.headers:
                self.violations.append(f"{key}: {answer.status} {answer.body}")
            return False
        with self.lock:
            known = self.acknowledged.setdefault(key, answer.body["order_id"])
        if known != answer.body["order_id"]:
            self.violations.append(f"{key}: two order ids")
        return True

    def load(self, seed: int, seconds: float) -> list[threading.Thread]:
        """Begin to post from several threads, repeating some requests."""

        def post(chance: random.Random) -> None:
            ends_at = time.monotonic() + seconds
            while time.monotonic() < ends_at:
                if self.requests and chance.random() < 0.15:
                    self.send(chance.choice(self.requests))
                elif not self.send(self.new_request(chance)):
                    time.sleep(0.02)

        threads = [
            threading.Thread(target=post, args=(random.Random(f"{seed}/{number}"),))
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        return threads
