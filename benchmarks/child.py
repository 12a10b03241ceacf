"""Measures in a process of its own: nothing that ran before can disturb or help it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).parent.parent


def in_child(module: str, arguments: Mapping[str, Any], *, under: Sequence[str] = ()) -> Any:
    """Run *module* with *arguments* and return what it answers; *under*: a command before it.

    Raises:
        subprocess.CalledProcessError: it failed; what it said is on standard error.
    """
    ended = subprocess.run(
        [*under, sys.executable, "-m", module],
        cwd=ROOT,
        input=json.dumps(arguments).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(ended.stdout)


def arguments_of_child() -> dict[str, Any]:
    """Return, in the child, what it was started with."""
    arguments: dict[str, Any] = json.load(sys.stdin)
    return arguments


def answer(result: object) -> None:
    """Answer, in the child, with JSON values."""
    print(json.dumps(result), flush=True)
