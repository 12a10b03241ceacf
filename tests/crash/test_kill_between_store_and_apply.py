"""A notification that was acknowledged reaches its order, though its server was killed."""

from __future__ import annotations

import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Final

from oms_adapters.payments.simulated import Notification, SimulatedPayments, SqliteLedger
from oms_adapters.sqlite import SqliteDatabase
from oms_core import Order, OrderManagement, OrderStatus, SagaState
from oms_core.ports.inbox import InboxState
from oms_core.ports.payments import PaymentRef
from oms_entrypoints.bootstrap import open_system
from oms_entrypoints.config import load_config
from tests.support.command_line import (
    SCOPE,
    TENANT,
    free_port,
    place,
    started,
    wait_until_ready,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECRET: Final = "unmistakable-webhook-secret-4711"
PATIENCE_S: Final = 60.0
CARD: Final = PaymentRef(SCOPE.tenant_id, "sim_requires_action")
CONFIG: Final = """
[storage]
path = "{path}"

[saga]
poll_s = 600

[worker]
poll_s = 0.1

[payments.simulated]
adapter = "simulated"
webhook_secret = "env:SECRET_OF_THE_TEST"
"""
"""An order looks its payment up every ten minutes: only a notification wakes it in time."""


def eventually(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.02)


def deliver(port: int, sent: Notification) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", f"/webhooks/simulated/{TENANT}", sent.body, dict(sent.headers))
        return connection.getresponse().status
    finally:
        connection.close()


def as_it_is(oms: OrderManagement, order: Order) -> Order:
    return oms.get_order(SCOPE, order.id)


def test_kill_nine_between_storing_and_applying_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "oms.toml"
    file.write_text(CONFIG.format(path=tmp_path / "oms.db"))
    secret = {"SECRET_OF_THE_TEST": SECRET}
    port = free_port()
    serve = ("serve", "--no-workers", "--port", str(port))

    with (
        open_system(load_config(str(file), secret)) as oms,
        SqliteDatabase(tmp_path / "oms.db") as database,
    ):
        assert oms.inbox is not None
        inbox = oms.inbox
        bank = SimulatedPayments(SqliteLedger(database), webhook_secret=SECRET)
        order = place(oms, "armchair-4711", reference=CARD.reference)
        with started(tmp_path, "worker", **secret) as worker:
            eventually(lambda: as_it_is(oms, order).saga.state is SagaState.WAITING)
            worker.kill()
        bank.complete_action(CARD)
        (*_, sent) = bank.notifications(CARD)
        with started(tmp_path, *serve, **secret) as server:
            wait_until_ready(server, port)
            acknowledged = deliver(port, sent)
            server.kill()
        stored = inbox.of_payment("simulated", CARD)
        waiting = as_it_is(oms, order)
        with started(tmp_path, *serve, **secret) as server, started(tmp_path, "worker", **secret):
            eventually(lambda: as_it_is(oms, order).status is OrderStatus.CONFIRMED)
            wait_until_ready(server, port)
            repeated = deliver(port, sent)
            eventually(lambda: inbox.count_new() == 0)

        assert (acknowledged, repeated) == (204, 204)
        assert [received.state for received in stored] == [InboxState.NEW]
        assert waiting.saga.state is SagaState.WAITING
        (event,) = inbox.of_payment("simulated", CARD)
        assert event.state is InboxState.APPLIED
        (row,) = bank.audit()
        assert (row.authorizations, row.live_authorizations) == (1, 1)
