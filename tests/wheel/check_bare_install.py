"""Check that the core works where only attrs and cattrs are installed with it.

Every module of the core is imported but the contract suites, which need pytest.
"""

import importlib
import pkgutil
import sys
from importlib.metadata import distributions
from pathlib import Path

import oms_core

ALLOWED = {"attrs", "cattrs", "typing-extensions", "typing_extensions", "exceptiongroup"}
# What the environment brings to build the wheel.
BUILD_TOOLS = {"build", "packaging", "pyproject_hooks", "pip", "setuptools", "wheel"}


def main() -> None:
    """Import the whole core, then say which third-party modules came along."""
    if Path(oms_core.__file__).is_relative_to(Path(__file__).parents[2] / "oms_core"):
        sys.exit("the source tree was imported instead of the wheel: set PYTHONSAFEPATH=1")
    installed = {distribution.name for distribution in distributions()}
    unexpected = installed - ALLOWED - BUILD_TOOLS - {"oms-core"}
    if unexpected:
        sys.exit(f"the core alone must not install {', '.join(sorted(unexpected))}")
    imported = [
        importlib.import_module(module.name).__name__
        for module in pkgutil.walk_packages(oms_core.__path__, "oms_core.")
        if not module.name.startswith("oms_core.testing")
    ]
    if not imported:
        sys.exit("no module of the core was found")
    print(f"{len(imported)} modules of the core import with attrs and cattrs alone")  # noqa: T201


if __name__ == "__main__":
    main()
