"""What the tests import is what was installed, not what happens to lie in the source tree."""

import importlib.metadata
import json
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

import oms_adapters
import oms_core
import oms_entrypoints


def is_editable() -> bool:
    """Whether the project was installed with ``pip install -e``."""
    origin = importlib.metadata.distribution("oms-core").read_text("direct_url.json")
    return bool(origin and json.loads(origin).get("dir_info", {}).get("editable"))


@pytest.mark.skipif(is_editable(), reason="an editable installation is the source tree")
@pytest.mark.parametrize("package", [oms_core, oms_adapters, oms_entrypoints])
def test_the_package_under_test_is_the_installed_one(package: ModuleType) -> None:
    (folder,) = package.__path__

    assert Path(folder).parent == Path(sysconfig.get_path("purelib"))


def test_the_version_of_the_package_is_the_one_in_the_changelog() -> None:
    changelog = Path(__file__).parents[2] / "CHANGELOG.md"

    version = importlib.metadata.version("oms-core")

    assert f"## [{version}]" in changelog.read_text(encoding="utf-8")
