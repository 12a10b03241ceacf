"""P6: how often the disk is flushed for a completed order, as strace counts it."""

from __future__ import annotations

import re
import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.child import in_child
from benchmarks.figures import Figure
from benchmarks.goals import FSYNC
from benchmarks.options import NotHere
from benchmarks.rounds import alternated
from benchmarks.rows.sagas import OURS

if TYPE_CHECKING:
    from benchmarks.options import Options

SAGAS: Final = 600
_FLUSHES: Final = "fsync,fdatasync,sync_file_range,msync,syncfs,sync"
# In every thread (-f), with the machine's time (-ttt). With --seccomp-bpf only the flushes stop the
# process: were it stopped at every call, more orders would gather for each commit than otherwise.
_STRACE: Final = ("strace", "-f", "--seccomp-bpf", "-ttt", "-e", f"trace={_FLUSHES}")
_CALL: Final = re.compile(r"^\d+ +(?P<at>\d+\.\d+) (?P<name>\w+)\(")


def measure(options: Options) -> list[Figure]:
    """Trace 1, 8 and 32 sagas at once.

    Raises:
        NotHere: strace is not installed, or may not trace.
    """
    if shutil.which("strace") is None:
        raise NotHere("needs strace: apt-get install strace (Debian, Ubuntu), dnf install strace")
    return [
        Figure.absolute(
            FSYNC[at_once],
            alternated(
                options.rounds,
                {f"{at_once} at once": partial(_flushes_per_saga, at_once, options)},
            )[f"{at_once} at once"],
        )
        for at_once in options.at_once
    ]


def _flushes_per_saga(at_once: int, options: Options) -> float:
    with TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        came_of_it = in_child(
            OURS,
            {"at_once": at_once, "sagas": options.orders or SAGAS},
            under=(*_STRACE, "-o", str(trace)),
        )
        calls = [
            call
            for call in map(_CALL.match, trace.read_text(encoding="ascii").splitlines())
            if call and came_of_it["began_at"] <= float(call["at"]) <= came_of_it["ended_at"]
        ]
    assert calls, "strace saw nothing: nothing would be durable"
    completed: int = came_of_it["completed"]
    return len(calls) / completed
