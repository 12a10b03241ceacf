"""The core needs attrs and cattrs, and nothing else comes along with it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import oms_core

THIRD_PARTY = {"attrs", "cattrs"}
# What those two import themselves, under whatever name.
COME_ALONG = {"attr", "attrs", "cattr", "cattrs", "exceptiongroup", "typing_extensions"}
# Contract suites are run by pytest and draw their examples from Hypothesis.
ALSO_IN_TESTING = {"hypothesis", "pytest"}
# Of the standard library: a database and the ways to a network are an adapter's business.
FORBIDDEN_STDLIB = {"http", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "wsgiref"}

CORE = Path(oms_core.__path__[0])


def test_importing_the_core_brings_in_no_framework() -> None:
    assert modules_that_come_with("import oms_core") - COME_ALONG == {"oms_core"}


def test_importing_all_of_the_core_brings_in_no_framework() -> None:
    """A facade can hide an import that only a deeper module makes."""
    statement = "; ".join(f"import {module}" for module in modules_of_the_core())

    assert "import oms_core.errors" in statement
    assert modules_that_come_with(statement) - COME_ALONG == {"oms_core"}


def test_the_source_of_the_core_names_only_the_standard_library_attrs_and_cattrs() -> None:
    """A list of what is allowed: a list of what is forbidden misses next year's framework."""
    allowed = (sys.stdlib_module_names - FORBIDDEN_STDLIB) | THIRD_PARTY | {"oms_core"}
    imports = [
        (path.relative_to(CORE).as_posix(), package)
        for path in CORE.rglob("*.py")
        for package in imported_packages(path)
    ]

    strangers = {
        (file, package)
        for file, package in imports
        if package not in allowed
        and not (file.startswith("testing/") and package in ALSO_IN_TESTING)
    }

    assert ("errors.py", "attrs") in imports
    assert strangers == set()


def modules_that_come_with(statement: str) -> set[str]:
    """Run *statement* in a fresh interpreter and return the top-level modules that it loaded.

    Those of the standard library are left out, but for the forbidden ones.
    """
    script = (
        f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    top_level = {module.partition(".")[0] for module in loaded}
    return top_level - (sys.stdlib_module_names - {"sqlite3"})


def modules_of_the_core() -> Iterator[str]:
    """Yield the dotted name of every module but the contract suites, which need pytest."""
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE.parent).with_suffix("").parts
        if parts[1:2] != ("testing",):
            yield ".".join(part for part in parts if part != "__init__")


def imported_packages(path: Path) -> Iterator[str]:
    """Yield the top-level name of each absolute import anywhere in the file."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case _:
                pass
