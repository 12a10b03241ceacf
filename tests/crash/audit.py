"""What must hold when the dust has settled, by the HTTP API and the provider's own books."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tests.crash.clients import SKUS

if TYPE_CHECKING:
    from tests.crash.clients import Clients, Door

SETTLE_MAX_S: Final = 90.0


def receive(site: Door, sku: str, quantity: int) -> None:
    body = {"sku": sku, "quantity_delta": quantity, "reason": "delivery"}
    answer = site.request(
        "POST", "/api/v1/inventory/adjust", body, {"Idempotency-Key": f"delivery-{sku}"}
    )
    assert answer.status in {200, 201}, answer


def resubmit_everything(clients: Clients) -> None:
    acknowledged = dict(clients.acknowledged)
    for request in clients.requests:
        while not clients.send(request):
            assert clients.violations == []
            time.sleep(0.05)
    for key, order_id in acknowledged.items():
        assert clients.acknowledged[key] == order_id, "I1, I8: an acknowledged order was lost"


def wait_until_all_are_final(site: Door, expected: int) -> list[dict[str, Any]]:
    ends_at = time.monotonic() + SETTLE_MAX_S
    while True:
        orders = read_all(site)
        open_orders = [o for o in orders if o["status"] not in {"confirmed", "failed"}]
        if not open_orders:
            assert len(orders) == expected, "I1: one order a key"
            return orders
        assert time.monotonic() < ends_at, f"I6: still open: {open_orders[:3]}"
        time.sleep(0.3)


def read_all(site: Door) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = []
    path = "/api/v1/oms/orders?limit=100"
    while path:
        page = site.request("GET", path).body
        orders += page["orders"]
        cursor = page["next_cursor"]
        path = f"/api/v1/oms/orders?limit=100&cursor={cursor}" if cursor else ""
    return orders


def check_orders(clients: Clients, orders: list[dict[str, Any]]) -> None:
    ids = [order["order_id"] for order in orders]
    assert len(set(ids)) == len(ids)
    assert set(ids) == set(clients.acknowledged.values()), "I1: an order nobody asked for"
    assert all(order["failure"] for order in orders if order["status"] == "failed")


def check_stock(site: Door, orders: list[dict[str, Any]]) -> None:
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


def check_money(books: list[dict[str, Any]], orders: list[dict[str, Any]]) -> None:
    """I2 and I14, by the provider's own *books*."""
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
