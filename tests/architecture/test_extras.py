"""Each adapter imports where nothing is installed but its own extra."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from importlib.metadata import distribution, packages_distributions

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

MODULES = {
    "stripe": ["oms_adapters.payments.stripe"],
    "adyen": ["oms_adapters.payments.adyen"],
    "paypal": ["oms_adapters.payments.paypal"],
    "inventory-http": ["oms_adapters.inventory.http"],
    "mongodb": ["oms_adapters.mongodb", "oms_adapters.storage.mongodb"],
    "": [
        "oms_adapters.payments.simulated",
        "oms_adapters.storage.sqlite",
        "oms_adapters.inbox.memory",
    ],
}
"""Extra → what it is for; the core itself needs none."""

ALONE = """
import importlib, sys

absent = set(sys.argv[1].split(","))

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
for module in sys.argv[2:]:
    importlib.import_module(module)
print("imported")
"""


def installed_by(extra: str) -> set[str]:
    """Name the distributions that ``pip install oms-core[extra]`` brings, ours included."""
    wanted, seen = [("oms-core", {extra})], set[tuple[str, str]]()
    while wanted:
        name, extras = wanted.pop()
        for requirement in map(Requirement, distribution(name).requires or ()):
            if not any(_applies(requirement.marker, one) for one in extras | {""}):
                continue
            for inner in requirement.extras | {""}:
                if (_plain(requirement.name), inner) not in seen:
                    seen.add((_plain(requirement.name), inner))
                    wanted.append((requirement.name, {inner}))
    return {"oms-core", *(name for name, _ in seen)}


@cache
def _modules() -> list[tuple[str, list[str]]]:
    """List what is installed here; to find out takes seconds."""
    return [
        (module, [_plain(name) for name in names])
        for module, names in packages_distributions().items()
        if module.isidentifier()
    ]


def absent_without(extra: str) -> set[str]:
    """Name the top-level modules of everything else that is installed here."""
    there = installed_by(extra)
    return {module for module, names in _modules() if there.isdisjoint(names)}


def _applies(marker: Marker | None, extra: str) -> bool:
    return marker is None or marker.evaluate({"extra": extra})


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def run(extra: str, modules: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ALONE, ",".join(absent_without(extra)), *modules],
        capture_output=True,
        check=False,
        text=True,
    )


@pytest.mark.parametrize("extra", MODULES)
def test_an_adapter_needs_its_extra_alone(extra: str) -> None:
    ended = run(extra, MODULES[extra])

    assert (ended.stdout, ended.stderr) == ("imported\n", "")


@pytest.mark.parametrize("extra", [extra for extra in MODULES if extra])
def test_and_without_it_python_names_what_is_missing(extra: str) -> None:
    """Otherwise the test above hides nothing, and cannot fail."""
    ended = run("", MODULES[extra])

    assert ended.returncode == 1
    assert "ModuleNotFoundError: No module named" in ended.stderr
