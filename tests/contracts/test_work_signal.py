"""An order that one process accepted is driven by another at once: no poll is waited for."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

import pytest
from attrs import evolve

from oms_adapters.storage.mongodb import MongoStorage
from oms_core import AdjustStock, NewLineItem, OrderManagement, OrderStatus, PlaceOrder
from oms_core.errors import StoreUnavailable
from oms_core.testing import a_scope, an_order
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.support import mongo_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from oms_core.ports.work_signal import WorkSignal

NEVER_S: Final = 3_600.0
PATIENCE_S: Final = 30.0


@pytest.fixture(params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Name an empty store, and a worker that hardly ever polls."""
    seldom = {"OMS__WORKER__POLL_S": str(NEVER_S)}
    if request.param == "sqlite":
        yield {"OMS__STORAGE__PATH": str(tmp_path / "oms.db"), **seldom}
        return
    with mongo_server.new_database() as database:
        yield {
            "OMS__STORAGE__KIND": "mongodb",
            "OMS__STORAGE__URI": "env:MONGODB_OF_THE_TEST",
            "OMS__STORAGE__DATABASE": database.name,
            "MONGODB_OF_THE_TEST": mongo_server.uri(),
            **seldom,
        }


def opened(store: Mapping[str, str]) -> OrderManagement:
    """Open the store as a process of its own would: nothing is shared but the store."""
    return open_system(load_config(environment=store))


def test_an_idle_worker_hears_of_orders_that_others_accepted(store: Mapping[str, str]) -> None:
    request = PlaceOrder(
        idempotency_key="first",
        payment_provider="simulated",
        payment_reference="card-first",
        channel="web",
        line_items=[NewLineItem(sku="CRUNCHY-ARMCHAIR", quantity=1, unit_price="19.99")],
    )
    goods = AdjustStock(sku="CRUNCHY-ARMCHAIR", quantity_delta=9, reason="delivery")
    with opened(store) as server, opened(store) as worker, worker.running():
        server.adjust_stock(a_scope(), goods, idempotency_key="goods", actor="clerk")
        # The worker has looked at the empty store, and would look again in an hour.
        idle = server.storage.listen()
        idle.wait(0.5)
        idle.close()

        ends = []
        for number in range(3):
            key = f"order-{number}"
            own = evolve(request, idempotency_key=key, payment_reference=f"card-{number}")
            placed = server.place_order(a_scope(), own)
            ends.append(server.wait_for(a_scope(), placed.order_id, timeout_s=PATIENCE_S))

    assert [order.status for order in ends] == [OrderStatus.CONFIRMED] * 3


def test_a_listener_whose_connection_broke_looks_once_and_hears_again() -> None:
    """What came while nobody listened is told by the look; nothing has to be remembered."""
    with mongo_server.emptied_database() as database:
        storage = MongoStorage(database)
        signal = storage.listen()
        fault = {"failCommands": ["getMore", "aggregate"], "appName": "oms", "errorCode": 11602}
        admin = mongo_server.client().admin

        admin.command("configureFailPoint", "failCommand", mode={"times": 4}, data=fault)
        storage.add(an_order("missed"))
        heard = [patiently(signal), patiently(signal)]
        storage.add(an_order("heard"))
        heard.append(patiently(signal))
        fired = admin.command("configureFailPoint", "failCommand", mode="off")["count"]
        signal.close()

    assert heard[0]
    assert heard[-1]
    assert fired >= 4


def patiently(signal: WorkSignal) -> bool:
    """Wait as the worker does: when the store cannot be heard, a little later again."""
    ends_at = monotonic() + PATIENCE_S
    while monotonic() < ends_at:
        try:
            return signal.wait(0.5)
        except StoreUnavailable:
            continue
    raise AssertionError("the store cannot be heard any more")
