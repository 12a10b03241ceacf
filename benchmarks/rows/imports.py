"""P12: how long the core takes to import, and what it brings along."""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure, Side
from benchmarks.goals import FRAMEWORKS, IMPORTS
from benchmarks.rounds import alternated

if TYPE_CHECKING:
    from benchmarks.options import Options

IMPORTS_A_ROUND: Final = 5
NEEDED: Final = frozenset({"attr", "attrs", "cattr", "cattrs", "oms_core"})
"""What the core stands on, besides the standard library and cattrs' own two backports."""
_OF_CATTRS: Final = frozenset({"exceptiongroup", "typing_extensions"})

_TIMED: Final = """
import time
began = time.perf_counter()
import {names}
print(time.perf_counter() - began)
"""
_BROUGHT: Final = """
import sys
before = set(sys.modules)
import oms_core
print(*{name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)
"""


def measure(options: Options) -> list[Figure]:
    """Import in fresh interpreters, whose own start is not counted."""
    taken = alternated(
        options.rounds,
        {
            "ours": lambda: _milliseconds("oms_core"),
            "attrs and cattrs": lambda: _milliseconds("attrs, cattrs"),
        },
    )
    brought = set(_python(_BROUGHT).split()) - NEEDED - _OF_CATTRS
    return [
        Figure.ratio(
            IMPORTS,
            Side("oms_core", taken["ours"], "ms"),
            Side("attrs and cattrs", taken["attrs and cattrs"], "ms"),
        ),
        Figure.absolute(FRAMEWORKS, [float(len(brought))] * options.rounds, *sorted(brought)),
    ]


def _milliseconds(names: str) -> float:
    code = _TIMED.format(names=names)
    return median(float(_python(code)) for _ in range(IMPORTS_A_ROUND)) * 1e3


def _python(code: str) -> str:
    # Isolated: what lies in the working directory or in PYTHONPATH is nobody's business.
    ended = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return ended.stdout
