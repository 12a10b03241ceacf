"""P14: all orders out of a store, and many into one."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.big_store import build
from benchmarks.child import ROOT
from benchmarks.figures import Figure, Side
from benchmarks.goals import EXPORT_MEMORY, EXPORT_PARSED, EXPORT_READ, IMPORT
from benchmarks.load import Load, send_orders
from benchmarks.order_body import an_order
from benchmarks.rounds import alternated, tell
from benchmarks.rows.accept import side
from benchmarks.servers import SCOPE, our_server
from benchmarks.stores import open_store
from oms_core.ports.storage import OrderQuery
from oms_entrypoints.bulk.forms import Format, form_of
from oms_entrypoints.bulk.order_export import walk, written
from oms_entrypoints.bulk.order_file import read_order_file
from oms_entrypoints.bulk.order_import import Imported, OrderImport

if TYPE_CHECKING:
    from benchmarks.options import Options

ORDERS: Final = 100_000
SMALLER: Final = 10
"""The small store, and what is imported, has so many times fewer orders."""
_MEGABYTE: Final = 1_048_576
_STATUS: Final = Path("/proc/self/status")


def measure(options: Options) -> list[Figure]:
    """Export a store, read it without exporting, and import orders into an empty one."""
    many = options.orders or ORDERS
    few = max(many // SMALLER, 1)
    with TemporaryDirectory() as folder:
        large, small, requests = (
            Path(folder) / name for name in ("many.db", "few.db", "in.ndjson")
        )
        tell(f"building stores of {few} and {many} orders")
        took_s = build(small, few) + build(large, many)
        with requests.open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(an_order(f"{n:012}")) + "\n" for n in range(few))
        taken = alternated(
            options.rounds,
            {
                "export": lambda: _exported_per_second(large, many),
                "read": lambda: _read_per_second(large, many),
                "parse": lambda: _parsed_per_second(large, many),
                "import": lambda: _imported_per_second(requests, few),
            },
        )
        posted = alternated(options.rounds, {"posts": lambda: _posted(options)})
        peaks = {file: _peak_mb(file) for file in (small, large)}
    export = Side("export", taken["export"], "orders/s")
    figures = [
        Figure.ratio(
            EXPORT_READ,
            export,
            Side("reading", taken["read"], "orders/s"),
            f"stores of {few} and {many} orders, built in {took_s:.0f} s",
        ),
        Figure.ratio(EXPORT_PARSED, export, Side("parsing", taken["parse"], "orders/s")),
        Figure.ratio(
            IMPORT, Side("import", taken["import"], "orders/s"), side("posts", posted["posts"])
        ),
    ]
    if None not in peaks.values():
        figures.append(
            Figure.ratio(
                EXPORT_MEMORY,
                Side(f"{many} orders", (peaks[large] or 0,), "MB"),
                Side(f"{few} orders", (peaks[small] or 0,), "MB"),
            )
        )
    return figures


def _exported_per_second(file: Path, orders: int) -> float:
    """Export into nowhere: how fast a disk or a client is, is not asked."""
    with open_store(file) as oms, Path(os.devnull).open("wb") as out:
        began = time.perf_counter()
        count = 0
        pages = walk(oms.storage, SCOPE, OrderQuery())
        for piece, count in written(pages, form_of(Format.NDJSON)):  # noqa: B007 - read below
            out.write(piece)
        assert count == orders
        return count / (time.perf_counter() - began)


def _read_per_second(file: Path, orders: int) -> float:
    """Read the same pages as orders, and do nothing with them."""
    with open_store(file) as oms:
        began = time.perf_counter()
        count = sum(len(page) for page in walk(oms.storage, SCOPE, OrderQuery()))
        assert count == orders
        return count / (time.perf_counter() - began)


def _parsed_per_second(file: Path, orders: int) -> float:
    """Read the table in one go, and parse the JSON text of each row: no order is made of it."""
    with closing(sqlite3.connect(file)) as connection:
        began = time.perf_counter()
        count = 0
        for (text,) in connection.execute("SELECT document FROM orders"):
            json.loads(text)
            count += 1
        assert count == orders
        return count / (time.perf_counter() - began)


def _imported_per_second(file: Path, orders: int) -> float:
    with (
        TemporaryDirectory() as folder,
        open_store(Path(folder) / "new.db") as oms,
        file.open("rb") as lines,
    ):
        began = time.perf_counter()
        rows = read_order_file(lines)
        count = sum(isinstance(each, Imported) for each in OrderImport(oms, SCOPE, "b").run(rows))
        assert count == orders
        return count / (time.perf_counter() - began)


def _posted(options: Options) -> Load:
    """Post one order after the other, as whoever has no import would."""
    with our_server(storage="sqlite", workers=False) as server:
        return send_orders(server, clients=1, seconds=options.seconds)


_MEASURED: Final = f"""
import sys
from oms_entrypoints.cli.main import main
try:
    main(sys.argv[1:])
finally:
    (peak,) = [line for line in open("{_STATUS}") if line.startswith("VmHWM")]
    print(peak.split()[1], file=sys.stderr)
"""


def _peak_mb(file: Path) -> float | None:
    """Export with the command, in a process of its own; ``None``: nobody tells its memory."""
    if not _STATUS.exists():
        return None
    tell(f"memory of exporting {file.name}")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OMS_")}
    scope = ("--tenant", str(SCOPE.tenant_id), "--org", str(SCOPE.org_id))
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "orders", "export", *scope, "-o", file.name + ".ndjson"],
        cwd=file.parent,
        env={**clean, "OMS__STORAGE__PATH": str(file), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr.split()[-1]) * 1_024 / _MEGABYTE
