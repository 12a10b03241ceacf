"""kill -9 and long pauses under load, on real processes: nothing lost, nobody charged twice."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.crash.audit import (
    check_money,
    check_orders,
    check_stock,
    receive,
    resubmit_everything,
    wait_until_all_are_final,
)
from tests.crash.clients import SKUS, Clients
from tests.crash.site import Site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

ROUNDS: Final = int(os.environ.get("OMS_TEST_KILLS", "20"))
"""How many kills; hundreds before a release: ``OMS_TEST_KILLS=300``."""

WORKERS: Final = 2
ROUND_S: Final = 0.6


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
        receive(site, sku, quantity)
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
    resubmit_everything(clients)
    orders = wait_until_all_are_final(site, len(clients.requests))
    assert clients.violations == []
    check_orders(clients, orders)
    check_stock(site, orders)
    check_money(site.books(), orders)
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
