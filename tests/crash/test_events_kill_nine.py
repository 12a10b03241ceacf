"""kill -9 while events are published and delivered, on real processes."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from standardwebhooks.webhooks import Webhook

from tests.crash.site import Site
from tests.support.endpoint import Endpoint, an_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS: Final = 3
ORDERS_A_ROUND: Final = 25
ENTRIES_A_ROUND: Final = 10
SETTLE_MAX_S: Final = 60.0
WEBHOOKS: Final = """
[webhooks]
allow_http = true
allow_private_addresses = true
timeout_s = 0.5
retry_first_s = 0.05
retry_cap_s = 0.2
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Site(tmp_path, port)
    with (tmp_path / "oms.toml").open("a") as config:
        config.write(WEBHOOKS)
    yield made
    made.kill_all()


def test_killed_while_publishing_nothing_is_lost_and_every_order_and_item_is_told_in_order(
    site: Site,
) -> None:
    """F47 and F48: a server and a worker relay and deliver; both are killed, again and again."""
    with an_endpoint() as endpoint:
        troubles: tuple[int | str, ...] = (204, 204, 500, Endpoint.DROP)
        endpoint.script(*troubles * 10)
        site.start(workers=1)
        secret = subscribed(site, endpoint)
        deliver_stock(site, 1_000, "delivery")
        placed: list[str] = []
        for kill in range(KILLS):
            for number in range(ENTRIES_A_ROUND):
                deliver_stock(site, 1, f"delivery-{kill}-{number}")
            placed += [place(site, f"order-{kill}-{n}") for n in range(ORDERS_A_ROUND)]
            wait_until(lambda: endpoint.received)
            site.kill_all()
            site.start(workers=1)
        timelines = {order_id: confirmed(site, order_id) for order_id in placed}
        entries = 1 + KILLS * ENTRIES_A_ROUND
        events = wait_for_feed(site, sum(map(len, timelines.values())) + entries)
        wait_until(lambda: len({e["event_id"] for e in endpoint.events}) == len(events))
        assert site.stop() == [0, 0]

    assert len(placed) == KILLS * ORDERS_A_ROUND
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    for order_id, timeline in timelines.items():
        changes = [e["payload"]["change"] for e in events if e["order_id"] == order_id]
        assert changes == [entry["change"] for entry in timeline]
        assert endpoint.positions_by_order[order_id] == list(range(1, len(timeline) + 1))
    booked = [event for event in events if event["event_type"] == "inventory.adjusted"]
    assert [event["sequence"] for event in booked] == list(range(1, entries + 1))
    assert sum(event["payload"]["quantity_delta"] for event in booked) == 999 + entries
    assert endpoint.positions_by_order[None] == list(range(1, entries + 1))
    for delivery in endpoint.received:
        Webhook(secret).verify(delivery.body, delivery.headers)


def subscribed(site: Site, endpoint: Endpoint) -> str:
    """Subscribe the endpoint; returns the secret."""
    answer = site.request("POST", "/api/v1/webhook-subscriptions", {"url": endpoint.url})
    assert answer.status == 201, answer.body
    return str(answer.body["secret"])


def deliver_stock(site: Site, quantity: int, name: str) -> None:
    entry = {"sku": "CRUNCHY-ARMCHAIR", "quantity_delta": quantity, "reason": "delivery"}
    key = {"Idempotency-Key": name}
    assert site.request("POST", "/api/v1/inventory/adjust", entry, key).status == 200


def place(site: Site, key: str) -> str:
    """Place an order and return its id."""
    request = {
        "idempotency_key": key,
        "payment_provider": "simulated",
        "payment_reference": f"card-{key}",
        "channel": "web",
        "line_items": [{"sku": "CRUNCHY-ARMCHAIR", "quantity": 1, "unit_price": "19.99"}],
    }
    answer = site.request("POST", "/api/v1/oms/orders", request)
    assert answer.status == 201, answer.body
    return str(answer.body["order_id"])


def confirmed(site: Site, order_id: str) -> list[dict[str, Any]]:
    """Wait until the order is confirmed; returns its timeline."""
    found: list[dict[str, Any]] = []

    def is_confirmed() -> bool:
        order = site.request("GET", f"/api/v1/oms/orders/{order_id}").body
        found[:] = order["timeline"]
        return bool(order["status"] == "confirmed")

    wait_until(is_confirmed)
    return found


def wait_for_feed(site: Site, count: int) -> list[dict[str, Any]]:
    """Read the feed page by page until so many events are there."""
    read: list[dict[str, Any]] = []

    def is_complete() -> bool:
        page = site.request("GET", f"/api/v1/events?after={len(read)}&limit=100").body
        read.extend(page["events"])
        return len(read) >= count

    wait_until(is_complete)
    return read


def wait_until(is_so: Any) -> None:
    ends_at = time.monotonic() + SETTLE_MAX_S
    while not is_so():
        assert time.monotonic() < ends_at, "it takes too long"
        time.sleep(0.02)
