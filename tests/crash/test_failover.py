"""The primary of a replica set is killed under load, and workers with it: nothing is lost."""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from typing import TYPE_CHECKING, Final

import pytest
from attrs import define, field

from tests.crash.audit import (
    SETTLE_MAX_S,
    check_money,
    check_orders,
    check_stock,
    receive,
    resubmit_everything,
    wait_until_all_are_final,
)
from tests.crash.clients import SKUS, Clients
from tests.crash.site import Site
from tests.support import mongo_server
from tests.support.replica_set import ReplicaSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.crash.site import Answer

FAILOVERS: Final = int(os.environ.get("OMS_TEST_FAILOVERS", "3"))
"""How often the primary is killed; more before a release: ``OMS_TEST_FAILOVERS=50``."""

LOAD_S: Final = 2.5
WORKERS: Final = (2, 1)
"""Beside each of the two servers."""

ORDERS: Final = "/api/v1/oms/orders"
WAITS_MAX_S: Final = 10.0
"""Nobody waits longer for an answer, whatever it is: 5 s for a primary, 5 s of repeating."""


@define
class TwoDoors:
    """Two servers of one shop, each asked in turn."""

    sites: list[Site]
    _turn: Iterator[int] = field(factory=itertools.count)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request to the next of the two."""
        site = self.sites[next(self._turn) % len(self.sites)]
        return site.request(method, path, body, headers)


@pytest.fixture(scope="module")
def replica_set() -> Iterator[ReplicaSet]:
    with ReplicaSet() as replica_set:
        yield replica_set


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory, replica_set: ReplicaSet) -> Iterator[TwoDoors]:
    """Two servers and three workers, which end politely when all is over."""
    storage = f'kind = "mongodb"\nuri = "{replica_set.uri}"\ndatabase = "shop"'
    sites = [
        Site(
            tmp_path_factory.mktemp(name),
            mongo_server.free_port(),
            storage=storage,
            key="a-shared-key-" * 3,
        )
        for name in ("north", "south")
    ]
    doors = TwoDoors(sites)
    try:
        start(doors)
        yield doors
        assert [site.stop() for site in sites] == [[0] * (1 + count) for count in WORKERS]
    finally:
        for site in sites:
            site.kill_all()


def start(doors: TwoDoors) -> None:
    for site, workers in zip(doors.sites, WORKERS, strict=True):
        site.start(workers=workers)


@pytest.mark.timeout(300 + FAILOVERS * 30)
def test_no_failover_loses_an_order_or_does_anything_twice(
    replica_set: ReplicaSet,
    doors: TwoDoors,
    record_property: Callable[[str, object], None],
) -> None:
    """I1-I8 on three members, two servers and three workers."""
    chance = random.Random(FAILOVERS)
    for sku, quantity in SKUS.items():
        receive(doors, sku, quantity)
    clients = Clients(doors)

    for number in range(FAILOVERS):
        threads = clients.load(number, LOAD_S)
        time.sleep(chance.uniform(0.3, 1.0))
        primary = replica_set.primary()
        victim = chance.choice([worker for site in doors.sites for worker in site.workers])
        primary.kill()
        victim.kill()
        victim.wait()
        for thread in threads:
            thread.join()
        primary.start()
        start(doors)
        replica_set.wait_until_whole()

    in_flight = len(clients.requests) - len(clients.acknowledged)
    resubmit_everything(clients)
    orders = wait_until_all_are_final(doors, len(clients.requests))
    figures = {
        "orders": len(orders),
        "primaries killed": FAILOVERS,
        "longest wait for an answer in s": round(clients.longest_s, 2),
        "answers 503": clients.unavailable,
        "requests without a 201 at first": in_flight,
    }
    for name, figure in figures.items():
        record_property(name, figure)
    sys.stdout.write(f"\n{figures}\n")
    assert clients.violations == []
    check_orders(clients, orders)
    check_stock(doors, orders)
    check_money(doors.sites[0].books(), orders)
    assert clients.longest_s < WAITS_MAX_S
    assert len(orders) > 10 * FAILOVERS


def test_readiness_follows_the_store_and_workers_go_on_when_it_is_back(
    replica_set: ReplicaSet, doors: TwoDoors
) -> None:
    """Two of three members are gone: there is no majority, so nothing may be acknowledged."""
    site = doors.sites[0]
    request = {
        "idempotency_key": "without-a-majority",
        "payment_provider": "simulated",
        "payment_reference": "card-without-a-majority",
        "channel": "web",
        "line_items": [{"sku": "CRUNCHY-ARMCHAIR", "quantity": 1, "unit_price": "19.99"}],
    }
    receive(doors, "CRUNCHY-ARMCHAIR", SKUS["CRUNCHY-ARMCHAIR"])
    primary = replica_set.primary()
    gone = [member for member in replica_set.members if member is not primary]

    for member in gone:
        member.kill()
    began = time.monotonic()
    refused = site.request("POST", ORDERS, request)
    waited_s = time.monotonic() - began
    ready, alive = site.request("GET", "/readyz"), site.request("GET", "/healthz")
    for member in gone:
        member.start()
    replica_set.wait_until_whole()
    accepted = site.request("POST", ORDERS, request)

    assert (refused.status, ready.status, alive.status) == (503, 503, 200)
    assert int(refused.headers["Retry-After"]) >= 1
    assert int(ready.headers["Retry-After"]) >= 1
    assert waited_s < WAITS_MAX_S
    assert accepted.status == 201
    assert site.request("GET", "/readyz").status == 200
    assert ends(doors, accepted.body["order_id"]) == "confirmed"


def ends(doors: TwoDoors, order_id: str) -> str:
    """Wait until an order ends; tell how."""
    ends_at = time.monotonic() + SETTLE_MAX_S
    while True:
        status = str(doors.request("GET", f"{ORDERS}/{order_id}").body["status"])
        if status in {"confirmed", "failed"}:
            return status
        assert time.monotonic() < ends_at, "I6: the workers do not go on"
        time.sleep(0.05)
