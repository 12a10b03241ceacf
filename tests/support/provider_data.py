"""Documents and samples that providers publish, kept beside the repository to test against."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).parents[2]


def published(name: str) -> Path:
    """Find the file or folder *name*; the test is skipped, saying so, where there is none."""
    folder = Path(os.environ.get("OMS_TEST_SHARED") or _ROOT.parent / "shared")
    if not folder.is_absolute():
        folder = _ROOT / folder
    found = folder / name
    if not found.exists():
        pytest.skip(f"{name} is not there: set OMS_TEST_SHARED to the folder that has it")
    return found
