"""kill -9 and long pauses under load, on real processes: nothing lost, nobody charged twice."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import define, field

from tests.crash.site import Site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS: Final = int(os.environ.get("OMS_TEST_KILLS", "20"))
"""How many kills; hundreds before a release: ``OMS_TEST_KILLS=300``."""

CLIENTS: Final = 4
WORKERS: Final = 2
ROUND_S: Final = 0.6
SETTLE_MAX_S: Final = 90.0
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


@define
class Clients:
    """Post orders without pause, and remember exactly what was acknowledged."""

    site: Site
    requests: list[dict[str, Any]] = field(factory=list)
    acknowledged: dict[str, str] = field(factory=dict)
    violations: list[str] = field(factory=list)
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
        try:
            answer = self.site.request("POST", "/api/v1/oms/orders", request)
        except (OSError, HTTPException, ValueError):
            return False
        if answer.status != 201:
            if answer.status != 503:
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


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    site = Site(tmp_path, port)
    yield site
    site.kill_all()


@pytest.mark.timeout(600 + ROUNDS * 20)
def test_nothing_is_lost_or_done_twice_whoever_is_killed(site: Site) -> None:
    """I1-I8 on real processes."""
    chance = random.Random(ROUNDS)
    site.start(workers=WORKERS)
    for sku, quantity in SKUS.items():
        _receive(site, sku, quantity)
    clients = Clients(site)
    deaths: Counter[str] = Counter()

    for number in range(ROUNDS):
        site.start(workers=WORKERS)
        threads = clients.load(number, ROUND_S)
        time.sleep(chance.uniform(0.05, ROUND_S))
        deaths[_strike(site, chance, number)] += 1
        for thread in threads:
            thread.join()

    site.start(workers=WORKERS)
    _resubmit_everything(clients)
    orders = _wait_until_all_are_final(site, len(clients.requests))
    assert clients.violations == []
    _check_orders(clients, orders)
    _check_stock(site, orders)
    _check_money(site, orders)
    assert set(site.stop()) == {0}
    assert deaths.total() == ROUNDS
    assert len(orders) > ROUNDS


def _strike(site: Site, chance: random.Random, number: int) -> str:
    """Kill the server, a worker, or everybody; or pause a worker for longer than its lease."""
    assert site.server is not None
    victim = ("server", "worker", "everybody", "server")[number % 4]
    if number % 10 == 9:
        _pause(chance.choice(site.workers), site.lease_s * 1.3)
        return "paused worker"
    doomed = {
        "server": [site.server],
        "worker": [chance.choice(site.workers)],
        "everybody": [site.server, *site.workers],
    }[victim]
    for process in doomed:
        process.kill()
    for process in doomed:
        process.wait()
    return f"killed {victim}"


def _pause(worker: subprocess.Popen[bytes], seconds: float) -> None:
    """Make a zombie: it goes on in the middle of something after others took over."""
    worker.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    worker.send_signal(signal.SIGCONT)


def _receive(site: Site, sku: str, quantity: int) -> None:
    body = {"sku": sku, "quantity_delta": quantity, "reason": "delivery"}
    answer = site.request(
        "POST", "/api/v1/inventory/adjust", body, {"Idempotency-Key": f"delivery-{sku}"}
    )
    assert answer.status in {200, 201}, answer


def _resubmit_everything(clients: Clients) -> None:
    acknowledged = dict(clients.acknowledged)
    for request in clients.requests:
        while not clients.send(request):
            assert clients.violations == []
            time.sleep(0.05)
    for key, order_id in acknowledged.items():
        assert clients.acknowledged[key] == order_id, "I1, I8: an acknowledged order was lost"


def _wait_until_all_are_final(site: Site, expected: int) -> list[dict[str, Any]]:
    ends_at = time.monotonic() + SETTLE_MAX_S
    while True:
        orders = _read_all(site)
        open_orders = [o for o in orders if o["status"] not in {"confirmed", "failed"}]
        if not open_orders:
            assert len(orders) == expected, "I1: one order a key"
            return orders
        assert time.monotonic() < ends_at, f"I6: still open: {open_orders[:3]}"
        time.sleep(0.3)


def _read_all(site: Site) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = []
    path = "/api/v1/oms/orders?limit=100"
    while path:
        page = site.request("GET", path).body
        orders += page["orders"]
        cursor = page["next_cursor"]
        path = f"/api/v1/oms/orders?limit=100&cursor={cursor}" if cursor else ""
    return orders


def _check_orders(clients: Clients, orders: list[dict[str, Any]]) -> None:
    ids = [order["order_id"] for order in orders]
    assert len(set(ids)) == len(ids)
    assert set(ids) == set(clients.acknowledged.values()), "I1: an order nobody asked for"
    assert all(order["failure"] for order in orders if order["status"] == "failed")


def _check_stock(site: Site, orders: list[dict[str, Any]]) -> None:
    sold: Counter[str] = Counter()
    for order in orders:
        if order["status"] == "confirmed":
            for line in order["line_items"]:
                sold[line["sku"]] += line["quantity"]
    levels = site.request("GET", "/api/v1/inventory/levels").body["levels"]
    assert {level["sku"] for level in levels} == set(SKUS)
    for level in levels:
        assert level["on_hand"] == SKUS[level["sku"]], "I3"
        assert level["reserved"] == sold[level["sku"]], "I3, I7"
        assert level["available"] >= 0, "I4"


def _check_money(site: Site, orders: list[dict[str, Any]]) -> None:
    """I2 and I14, by the provider's own books."""
    books = json.loads(site.oms("simulated", "--json"))["payments"]
    by_order: dict[str, list[dict[str, Any]]] = {}
    for row in books:
        by_order.setdefault(row["order_id"], []).append(row)
    for order in orders:
        rows = by_order.pop(order["order_id"], [])
        live = sum(row["live_authorizations"] for row in rows)
        captured = [row for row in rows if row["captured"] != "0.00"]
        assert sum(row["authorizations"] for row in rows) <= 1, "I2: held twice"
        for row in rows:
            assert all(one["effects"] <= 1 for one in row["operations"]), "I2: done twice"
            assert all(one["keys"] <= 1 for one in row["operations"]), "I14"
        if order["status"] == "confirmed":
            assert live + len(captured) == 1, "I2: confirmed, but not paid for once"
            assert rows[0]["authorized"] == order["total"], "I2: another amount"
        else:
            assert live == 0, "I2, I7: failed, but still holding money"
            assert all(row["captured"] == row["refunded"] for row in rows), "I2"
    assert not [row for rows in by_order.values() for row in rows if row["authorizations"]]
