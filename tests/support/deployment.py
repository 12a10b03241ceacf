"""The files of ``deploy/`` as data."""

from __future__ import annotations

import json
import re
from importlib import import_module
from typing import Any, Final

from tests.support import pages

DEPLOY: Final = pages.ROOT / "deploy"
_yaml: Any = import_module("yaml")  # it has no types


def compose() -> dict[str, Any]:
    """Return compose.yaml, its anchors and merges resolved."""
    loaded: dict[str, Any] = _yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


def ours(services: dict[str, Any]) -> dict[str, Any]:
    """Pick the services that run ``oms`` itself."""
    return {
        name: service
        for name, service in services.items()
        if service["image"] == "oms-core" and "entrypoint" not in service
    }


def dockerfile() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with what stands behind them."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def last_stage() -> dict[str, str]:
    """Return the last of each kind of instruction of the stage that becomes the image."""
    instructions = dockerfile()
    start = max(i for i, (word, _) in enumerate(instructions) if word == "FROM")
    return dict(instructions[start:])


def health_check() -> list[str]:
    """Return the command that tells whether a container is well."""
    command: list[str] = json.loads(last_stage()["HEALTHCHECK"].partition("CMD ")[2])
    return command


def unit(name: str) -> dict[str, list[str]]:
    """Return the settings of a unit's service, each with all its values."""
    values: dict[str, list[str]] = {}
    section = ""
    for line in (DEPLOY / "systemd" / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#") and section == "Service":
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values
