"""P5: what it brings that clients who write at once share a commit."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Side
from benchmarks.goals import GROUP_COMMIT
from benchmarks.rounds import alternated
from benchmarks.sides.one_commit_each import OneCommitEach
from oms_adapters.sqlite import SqliteDatabase
from oms_adapters.storage.sqlite import SqliteStorage
from oms_core.ports.storage import Added
from oms_core.testing.orders import an_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.options import Options
    from oms_core import Order

CLIENTS: Final = 16
ORDERS: Final = 4_000


def measure(options: Options) -> list[Figure]:
    """Let 16 threads add orders, each waiting for its own to be durable."""
    orders = [an_order(f"ORDER-{number}") for number in range(options.orders or ORDERS)]
    taken = alternated(
        options.rounds,
        {
            "group commit": lambda: _inserts_per_second(SqliteDatabase, orders),
            "one commit each": lambda: _inserts_per_second(OneCommitEach, orders),
        },
    )
    return [
        Figure.ratio(
            GROUP_COMMIT,
            Side("group commit", taken["group commit"], "inserts/s"),
            Side("one commit each", taken["one commit each"], "inserts/s"),
        )
    ]


def _inserts_per_second(kind: type[SqliteDatabase], orders: Sequence[Order]) -> float:
    with TemporaryDirectory() as folder:
        storage = SqliteStorage(kind(Path(folder) / "oms.db"))
        added: list[bool] = []

        def client(first: int) -> None:
            added.extend(isinstance(storage.add(order), Added) for order in orders[first::CLIENTS])

        threads = [threading.Thread(target=client, args=(first,)) for first in range(CLIENTS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.perf_counter() - began
        storage.close()
        assert added == [True] * len(orders), "every insert must be acknowledged"
        return len(orders) / took_s
