"""The configuration as it was written: one TOML file, and environment variables over it.

``OMS__SERVER__PORT=8081`` overrides ``port`` in the table ``[server]``: the prefix ``OMS__``,
then the names on the way to the setting, in upper case, with two underscores between them. A
hyphen in a name is written as an underscore, in tenants' UUIDs too.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from oms_core.errors import ConfigurationError
from oms_entrypoints.config.positions import positions
from oms_entrypoints.config.rules import FromVariable, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX: Final = "OMS__"
FILE_BYTES_MAX: Final = 4_194_304
_LAST: Final = 1 << 30
"""Mistakes in variables are told after those in the file."""
_UUID: Final = re.compile(r"[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}", re.ASCII)
_TOML_ERROR: Final = re.compile(r"(.*) \(at (?:line ([0-9]+), column [0-9]+|end of document)\)")


@frozen
class Document:
    """The settings as a tree, and where each of them was written."""

    tree: dict[str, Any]
    environment: Mapping[str, str] = field(repr=False)
    file: Path | None = None
    lines: Mapping[tuple[str, ...], int] = field(factory=dict)
    variables: Mapping[tuple[str, ...], str] = field(factory=dict)

    def where(self, path: tuple[str, ...]) -> tuple[int, str]:
        """Say where *path* was written, to sort by and to show."""
        for length in range(len(path), 0, -1):
            table = path[:length]
            if table in self.variables:
                return (_LAST, self.variables[table])
            if table in self.lines:
                return (self.lines[table], f"{self.file}:{self.lines[table]}")
            for inner, variable in self.variables.items():
                if inner[:length] == table:
                    return (_LAST, variable)
        return (1, f"{self.file}:1") if self.file else (1, "default")

    def place(self, path: tuple[str, ...]) -> Place:
        """Say what the reading of *path* may look at."""
        from_file = self.file is not None and path not in self.variables
        folder = self.file.absolute().parent if from_file and self.file else Path.cwd()
        return Place(folder, self.environment)


def load(file: Path | None, environment: Mapping[str, str]) -> Document:
    """Read *file*, if there is one, and lay the environment over it.

    Raises:
        ConfigurationError: the file cannot be read or is not TOML.
    """
    tree: dict[str, Any] = {}
    lines: dict[tuple[str, ...], int] = {}
    if file is not None:
        text = _read(file)
        tree = _parse(text, file)
        lines = positions(text)
    variables = _overlay(tree, environment)
    return Document(tree, environment, file, lines, variables)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        hint = "name one that exists" if isinstance(error, FileNotFoundError) else "mend that"
        raise ConfigurationError(
            [f"The configuration file {file} cannot be read ({error.strerror}); {hint}."]
        ) from None
    if len(content) > FILE_BYTES_MAX:
        raise ConfigurationError([f"{file} is larger than 4 MiB; is that the right file?"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            [f"{file}:{line}: is not UTF-8 text; save the file in that encoding."]
        ) from None


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_ERROR.fullmatch(str(error))
        said = found[1] if found else str(error)
        line = found[2] if found and found[2] else str(text.count("\n") + 1)
        raise ConfigurationError([f"{file}:{line}: is not valid TOML: {said}."]) from None
    except RecursionError:
        raise ConfigurationError([f"{file}: is nested too deeply to be a configuration."]) from None


def _overlay(tree: dict[str, Any], environment: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    variables: dict[tuple[str, ...], str] = {}
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        table, path = tree, []
        *way, last = variable.removeprefix(PREFIX).lower().split("__")
        for step in way:
            name = _name_for(step, table)
            path.append(name)
            inner = table.setdefault(name, {})
            if not isinstance(inner, dict):
                inner = table[name] = {}
            table = inner
        name = _name_for(last, table)
        table[name] = FromVariable(environment[variable])
        variables[*path, name] = variable
    return variables


def _name_for(step: str, known: Iterable[str]) -> str:
    """Find the name in the file that a part of a variable's name means, or make it."""
    for name in known:
        if name.lower().replace("-", "_") == step:
            return name
    return step.replace("_", "-") if _UUID.fullmatch(step) else step
