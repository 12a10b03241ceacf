"""Check what the built sdist and wheels hold: ``check_contents.py DIST_FOLDER DIRECT_FOLDER``.

The first folder holds an sdist and the wheel that was built from it, the second the wheel that was
built from the source tree: what pip installs from a clone is the latter, and the two can differ.

Plain Python without pytest: it must run where nothing is installed but the build.
"""

import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

PACKAGES = {"oms_core", "oms_adapters", "oms_entrypoints"}
SOURCES = {
    "oms_core": "oms_core",
    "oms_adapters": "adapters/oms_adapters",
    "oms_entrypoints": "entrypoints/oms_entrypoints",
}
SDIST_EXTRAS = {".gitignore", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
REPOSITORY = Path(__file__).resolve().parents[2]


def main(dist: Path, direct: Path) -> int:
    """Print every mistake, one a line, and return how many there are."""
    mistakes = [
        *mistakes_of_sdist(only(dist, "*.tar.gz")),
        *mistakes_of_wheel(only(dist, "*.whl")),
        *mistakes_of_wheel(only(direct, "*.whl")),
    ]
    for mistake in mistakes:
        print(mistake)  # noqa: T201 - a script
    if not mistakes:
        print(f"sdist and wheels hold {', '.join(sorted(PACKAGES))} and nothing else")  # noqa: T201
    return len(mistakes)


def only(dist: Path, pattern: str) -> Path:
    """Return the one file of *dist* that matches: two would mean that an old build lies there."""
    (found,) = dist.glob(pattern)
    return found


def mistakes_of_wheel(wheel: Path) -> Iterator[str]:
    """Compare a wheel with the source tree."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        dist_info = next(name.split("/")[0] for name in names if ".dist-info/" in name)
        metadata = archive.read(f"{dist_info}/METADATA").decode()
        entry_points = archive.read(f"{dist_info}/entry_points.txt").decode()
    top = {name.split("/")[0] for name in names} - {dist_info}
    if top != PACKAGES:
        yield f"{wheel.name}: top-level names are {sorted(top)}, expected {sorted(PACKAGES)}"
    expected = {f"{package}/{file}" for package in PACKAGES for file in files_of(package)}
    yield from differences(wheel.name, expected, {n for n in names if not n.startswith(dist_info)})
    if f"{dist_info}/licenses/LICENSE" not in names:
        yield f"{wheel.name}: the licence is missing"
    if "License-Expression: Apache-2.0" not in metadata:
        yield f"{wheel.name}: the metadata does not name Apache-2.0"
    if "oms = oms_entrypoints.cli:main" not in entry_points:
        yield f"{wheel.name}: the command oms is missing"


def mistakes_of_sdist(sdist: Path) -> Iterator[str]:
    """Compare an sdist with the source tree."""
    with tarfile.open(sdist) as archive:
        names = {
            str(PurePosixPath(*PurePosixPath(member.name).parts[1:]))
            for member in archive.getmembers()
            if member.isfile()
        }
    expected = SDIST_EXTRAS | {
        f"{source}/{file}" for package, source in SOURCES.items() for file in files_of(package)
    }
    yield from differences(sdist.name, expected, names)


def files_of(package: str) -> set[str]:
    """Return the source files of *package*, which must have a py.typed and some Python."""
    root = REPOSITORY / SOURCES[package]
    files = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path.suffix not in {".pyc", ".pyo"}
    }
    if not {"py.typed", "__init__.py"} <= files:
        sys.exit(f"{root}: py.typed or __init__.py is missing in the source tree")
    return files


def differences(name: str, expected: Iterable[str], found: Iterable[str]) -> Iterator[str]:
    """Name each file that is missing and each that should not be there."""
    for file in sorted(set(expected) - set(found)):
        yield f"{name}: {file} is missing"
    for file in sorted(set(found) - set(expected)):
        yield f"{name}: {file} should not be there"


if __name__ == "__main__":
    sys.exit(1 if main(Path(sys.argv[1]), Path(sys.argv[2])) else 0)
