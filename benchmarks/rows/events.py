"""P13: events that leave a second, to a function, to an endpoint, and beside a dead endpoint."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.child import ROOT
from benchmarks.figures import Figure, Side
from benchmarks.goals import BESIDE_A_DEAD_ENDPOINT, DELIVERED, PUBLISHED
from benchmarks.rounds import alternated
from benchmarks.sides.webhook_endpoint import HANG
from oms_adapters.event_log.sqlite import SqliteEventLog
from oms_adapters.publisher.memory import MemoryPublisher
from oms_adapters.publisher.webhook import HttpWebhookSender
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_adapters.subscriptions.sqlite import SqliteSubscriptions
from oms_core.application.outbox_relay import OutboxRelay
from oms_core.application.webhooks import Subscribe, Webhooks
from oms_core.domain.event_envelope import EventEnvelope, envelope_of
from oms_core.domain.order_status import OrderStatus
from oms_core.testing.orders import a_scope, an_order, with_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.options import Options
    from oms_core import Order, OrderEvent, Scope

ORDERS: Final = 1_000
EVENTS_OF_AN_ORDER: Final = 4
DEAD_SUBSCRIPTIONS: Final = 8
HEALTHY: Final = a_scope("healthy")
DEAD: Final = a_scope("dead")
_DELIVERED_MAX_S: Final = 300.0


def measure(options: Options) -> list[Figure]:
    """Publish and deliver the events of so many orders."""
    count = options.orders or ORDERS
    published = alternated(options.rounds, {"published": lambda: _published_per_second(count)})
    with _endpoint() as port:
        taken = alternated(
            options.rounds,
            {
                "webhooks": lambda: _delivered_per_second(port, count, dead=False),
                "bare posts": lambda: _posted_per_second(port, count),
                "beside dead endpoints": lambda: _delivered_per_second(port, count, dead=True),
            },
        )
    webhooks = Side("webhooks", taken["webhooks"], "events/s")
    return [
        Figure.absolute(PUBLISHED, published["published"]),
        Figure.ratio(DELIVERED, webhooks, Side("bare posts", taken["bare posts"], "posts/s")),
        Figure.ratio(
            BESIDE_A_DEAD_ENDPOINT,
            Side("beside dead endpoints", taken["beside dead endpoints"], "events/s"),
            webhooks,
        ),
    ]


def _lived(key: str, scope: Scope) -> Order:
    """Return an order with so many events."""
    order = an_order(key, scope=scope)
    for _ in range(EVENTS_OF_AN_ORDER - 1):
        order = with_status(order, OrderStatus.PROCESSING)
    return order


def _envelopes(count: int, scope: Scope) -> list[EventEnvelope]:
    orders = (_lived(f"order-{number}", scope) for number in range(count))
    return [envelope_of(event) for order in orders for event in order.events()]


def _published_per_second(count: int) -> float:
    """Relay from a SQLite file into its log and to a function."""
    heard: list[OrderEvent] = []
    publisher = MemoryPublisher()
    publisher.subscribe(heard.append)
    with TemporaryDirectory() as folder, SqliteDatabase(Path(folder) / "oms.db") as database:
        storage = SqliteStorage(database)
        for number in range(count):
            storage.add(_lived(f"order-{number}", HEALTHY))
        relay = OutboxRelay(storage, publisher, holder="relay", log=SqliteEventLog(database))
        began = time.perf_counter()
        while relay.relay_once():
            pass
        took_s = time.perf_counter() - began
    assert len(heard) == count * EVENTS_OF_AN_ORDER, "every event must leave, once"
    return len(heard) / took_s


def _delivered_per_second(port: int, count: int, *, dead: bool) -> float:
    """Deliver from a SQLite file to one endpoint, until all were taken."""
    events = _envelopes(count, HEALTHY)
    with TemporaryDirectory() as folder, SqliteDatabase(Path(folder) / "oms.db") as database:
        log = SqliteEventLog(database)
        sender = HttpWebhookSender(allow_http=True, allow_private=True)
        webhooks = Webhooks(SqliteSubscriptions(database), log, sender)
        log.append(events)
        if dead:
            log.append(_envelopes(100, DEAD))
            for number in range(DEAD_SUBSCRIPTIONS):
                hanging = f"http://127.0.0.1:{port}{HANG}/{number}"
                webhooks.subscribe(DEAD, Subscribe(url=hanging, after=0))
        webhooks.start()
        time.sleep(0.5)  # until those who hang, hang
        began = time.perf_counter()
        new = webhooks.subscribe(HEALTHY, Subscribe(url=f"http://127.0.0.1:{port}/", after=0))
        own = new.subscribed.subscription.id
        while webhooks.get(HEALTHY, own).progress.position < len(events):
            assert time.perf_counter() - began < _DELIVERED_MAX_S, "every event must be taken"
            time.sleep(0.005)
        took_s = time.perf_counter() - began
        webhooks.stop(0.0)
        webhooks.close()
    return len(events) / took_s


def _posted_per_second(port: int, count: int) -> float:
    """Post the same bodies over one connection, and do nothing else."""
    bodies = [json.dumps(event.to_document()).encode() for event in _envelopes(count, HEALTHY)]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began = time.perf_counter()
    for body in bodies:
        connection.request("POST", "/", body, {"content-type": "application/json"})
        with connection.getresponse() as response:
            assert response.status == http.HTTPStatus.NO_CONTENT
    took_s = time.perf_counter() - began
    connection.close()
    return len(bodies) / took_s


@contextmanager
def _endpoint() -> Iterator[int]:
    """Run the endpoint as a process of its own; gives its port."""
    command: Sequence[str] = (sys.executable, "-m", "benchmarks.sides.webhook_endpoint")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()
