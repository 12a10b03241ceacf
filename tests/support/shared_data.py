"""Providers' published documents, which are no part of the project: tests that need them skip."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(os.environ.get("OMS_TEST_SHARED") or Path(__file__).parents[3] / "shared")


def shared_json(name: str) -> Any:
    """Read one of the documents, or skip the test and say why."""
    file = _FOLDER / name
    if not file.is_file():
        pytest.skip(f"{name} is not here; name the folder that holds it in OMS_TEST_SHARED")
    return json.loads(file.read_text(encoding="utf-8"))
