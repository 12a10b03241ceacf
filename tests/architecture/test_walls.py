"""The contracts of pyproject.toml hold, and each of them can break."""

import os
import re
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

import oms_adapters
import oms_core
import oms_entrypoints

CONFIGURATION = Path(__file__).parents[2] / "pyproject.toml"
KINDS_OF_ADAPTERS = ("auth", "inbox", "inventory", "payments", "publisher", "storage")

VIOLATIONS: list[tuple[str, dict[str, str], set[str]]] = [
    (
        "the core imports an adapter",
        {"oms_core/errors.py": "import oms_adapters"},
        {"packages", "bootstrap"},
    ),
    (
        "the core imports an entrypoint",
        {"oms_core/application/planted.py": "import oms_entrypoints"},
        {"packages"},
    ),
    (
        "an adapter imports an entrypoint",
        {"oms_adapters/storage/planted.py": "import oms_entrypoints"},
        {"packages"},
    ),
    (
        "an error imports the domain",
        {"oms_core/errors.py": "from oms_core import domain"},
        {"core"},
    ),
    (
        "the domain imports a port",
        {"oms_core/domain/planted.py": "from oms_core import ports"},
        {"core"},
    ),
    (
        "a port imports a use case",
        {"oms_core/ports/planted.py": "from oms_core import application"},
        {"core"},
    ),
    (
        "a use case imports a fake",
        {"oms_core/application/planted.py": "from oms_core import testing"},
        {"core"},
    ),
    (
        "the core gets a file that is on no layer",
        {"oms_core/helpers.py": ""},
        {"core"},
    ),
    (
        "the core imports a web framework",
        {"oms_core/application/planted.py": "import falcon"},
        {"frameworks"},
    ),
    (
        "the core imports a database in a function",
        {"oms_core/domain/planted.py": "def planted():\n    import sqlite3"},
        {"frameworks"},
    ),
    (
        "the core imports an SDK for its types only",
        {
            "oms_core/ports/planted.py": (
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stripe import Refund"
            )
        },
        {"frameworks"},
    ),
    *(
        (
            f"an adapter of {kind} imports one of {other}",
            {
                f"oms_adapters/{kind}/planted.py": f"import oms_adapters.{other}.planted_too",
                f"oms_adapters/{other}/planted_too.py": "",
            },
            # Kinds are layers beside one another, too.
            {"adapters"} if kind == other else {"adapters", "engine"},
        )
        for kind in KINDS_OF_ADAPTERS
        for other in (kind, KINDS_OF_ADAPTERS[KINDS_OF_ADAPTERS.index(kind) - 1])
    ),
    (
        "the engine imports an adapter that stands on it",
        {
            "oms_adapters/sqlite.py": "import oms_adapters.storage.planted",
            "oms_adapters/storage/planted.py": "",
            "oms_adapters/payments/planted.py": "import oms_adapters.sqlite",
        },
        # Through the engine the adapters on it would know one another.
        {"adapters", "engine"},
    ),
    (
        "one engine imports the other",
        {"oms_adapters/mongodb.py": "import oms_adapters.sqlite"},
        {"engine"},
    ),
    (
        "the adapters get a file that belongs to no port",
        {"oms_adapters/helpers.py": ""},
        {"engine"},
    ),
    (
        "another entrypoint than bootstrap picks an adapter",
        {
            "oms_entrypoints/planted.py": "import oms_adapters.storage.planted",
            "oms_adapters/storage/planted.py": "",
        },
        {"bootstrap"},
    ),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the packages under test that may be damaged."""
    for package in (oms_core, oms_adapters, oms_entrypoints):
        (source,) = package.__path__
        shutil.copytree(
            source, tmp_path / package.__name__, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def test_all_walls_stand(copy: Path) -> None:
    assert walls(copy) == dict.fromkeys(configured_walls().values(), "KEPT")


@pytest.mark.parametrize(
    ("planted", "broken"),
    [pytest.param(planted, broken, id=name) for name, planted, broken in VIOLATIONS],
)
def test_a_violation_breaks_its_wall(
    copy: Path, planted: Mapping[str, str], broken: set[str]
) -> None:
    for file, line in planted.items():
        plant(copy / file, line)

    assert {wall for wall, state in walls(copy).items() if state == "BROKEN"} == broken


def test_each_wall_has_a_violation_that_breaks_it() -> None:
    violated = set[str]().union(*(broken for _, _, broken in VIOLATIONS))

    assert violated
    assert violated == set(configured_walls().values())


def test_every_folder_of_code_is_a_package(copy: Path) -> None:
    """import-linter does not look into other folders: no wall would hold there."""
    folders = {
        folder.relative_to(copy).as_posix()
        for file in copy.rglob("*.py")
        for folder in file.parents
        if folder.is_relative_to(copy) and folder != copy
    }

    assert folders
    assert {folder for folder in folders if not (copy / folder / "__init__.py").exists()} == set()


def walls(root: Path) -> dict[str, str]:
    """Check the packages below *root* and return "KEPT" or "BROKEN" for each wall."""
    report = subprocess.run(
        [
            Path(sysconfig.get_path("scripts"), "lint-imports"),
            *("--config", CONFIGURATION, "--no-cache", "--no-logo"),
        ],
        # lint-imports looks in its working directory first.
        cwd=root,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    names = configured_walls()
    verdicts = {
        names[name]: state
        for name, state in re.findall(r"^(.+?) (KEPT|BROKEN)", report.stdout, re.MULTILINE)
    }
    assert verdicts, report.stdout + report.stderr
    return verdicts


def configured_walls() -> dict[str, str]:
    """Return the name of each contract and its short id."""
    configuration = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))
    contracts = configuration["tool"]["importlinter"]["contracts"]
    return {contract["name"]: contract["id"] for contract in contracts}


def plant(file: Path, line: str) -> None:
    """Add *line* to *file*, or to the package of that name, making what is missing."""
    package = file.with_suffix("")
    if package.is_dir():
        file = package / "__init__.py"
    if not file.parent.exists():
        file.parent.mkdir()
        (file.parent / "__init__.py").touch()
    with file.open("a", encoding="utf-8") as source:
        source.write(f"\n{line}\n")
