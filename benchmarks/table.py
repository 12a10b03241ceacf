"""All rows: what each measures, and which command measures it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from benchmarks.figures import Figure
    from benchmarks.options import Options


@frozen
class Row:
    """A command, the numbers of the goals that it measures, and what it needs."""

    command: str
    numbers: str
    says: str
    takes: str

    def measure(self, options: Options) -> list[Figure]:
        """Measure it.

        Raises:
            NotHere: something it needs is missing; the sentence says what.
        """
        module = import_module(f"benchmarks.rows.{self.command.replace('-', '_')}")
        figures: list[Figure] = module.measure(options)
        return figures


ROWS: Final = (
    Row("accept", "P1 P2", "orders accepted a second, in memory and on SQLite", "2 minutes"),
    Row(
        "confirm", "P4", "orders accepted and confirmed a second, under sustained load", "2 minutes"
    ),
    Row("group-commit", "P5", "durable inserts with and without group commit", "a minute"),
    Row("fsync", "P6", "flushes of the disk per completed order; needs strace", "2 minutes"),
    Row("sagas", "P7", "completed sagas beside DBOS Transact; needs dbos", "6 minutes"),
    Row("accept-mongodb", "P3", "orders accepted a second on MongoDB; needs mongod", "a minute"),
    Row(
        "sagas-mongodb",
        "P8 M5",
        "completed sagas on MongoDB beside DBOS and bare commands; needs both",
        "8 minutes",
    ),
    Row("insert", "M1", "accepting an order on MongoDB beside a bare insert_one", "a minute"),
    Row("hot-sku", "M2", "32 reservations at once, of one SKU and of 32", "a minute"),
    Row("workers", "M3", "orders driven by 1 to 4 worker processes on MongoDB", "2 minutes"),
    Row("fairness", "M4", "one tenant's orders while another floods or hangs", "a minute"),
    Row("slow-provider", "P15", "sagas with a provider that takes 200 ms", "a minute"),
    Row("listing", "P9", "pages of a million orders beside ten thousand; needs 5 GB", "2 minutes"),
    Row("validation", "P10", "bytes to a validated order beside cattrs", "10 seconds"),
    Row("memory", "P11", "memory of the server, idle and after 100 000 orders", "20 minutes"),
    Row("events", "P13", "events that leave a second, also beside dead endpoints", "a minute"),
    Row("bulk", "P14", "all orders out of a store, and many into one", "10 minutes"),
    Row("imports", "P12", "import of the core beside attrs and cattrs", "20 seconds"),
)
