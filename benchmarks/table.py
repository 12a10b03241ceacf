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
    Row("listing", "P9", "pages of a million orders beside ten thousand; needs 5 GB", "2 minutes"),
    Row("validation", "P10", "bytes to a validated order beside cattrs", "10 seconds"),
    Row("memory", "P11", "memory of the server, idle and after 100 000 orders", "20 minutes"),
    Row("events", "P13", "events that leave a second, also beside dead endpoints", "a minute"),
    Row("imports", "P12", "import of the core beside attrs and cattrs", "20 seconds"),
)
