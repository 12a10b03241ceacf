"""Which line of a TOML file a setting stands on: ``tomllib`` does not say."""

from __future__ import annotations

import re
import tomllib
from typing import Final, TypeAlias

Path: TypeAlias = tuple[str, ...]

_NAME: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED: Final = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_HEADER: Final = re.compile(rf"[ \t]*\[{{1,2}}[ \t]*({_DOTTED})[ \t]*\]")
_ENTRY: Final = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_PIECE: Final = re.compile(
    r"""\"{3}|'{3}|"(?:[^"\\]|\\.)*"|'[^']*'|\#.*|[\[\]{}]|[^"'\#\[\]{}]+|.""", re.DOTALL
)


def positions(text: str) -> dict[Path, int]:
    """Map each setting and table of *text* to its line, counted from 1.

    *text* is TOML that ``tomllib`` has accepted. Keys of an inline table are not listed: they
    stand where the table does.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    value = _OpenValue()
    for number, line in enumerate(text.splitlines(), start=1):
        if value.is_open:
            value.go_on(line)
        elif header := _HEADER.match(line):
            table = _path(header[1])
            found.setdefault(table, number)
        elif entry := _ENTRY.match(line):
            found[table + _path(entry[1])] = number
            value.go_on(line[entry.end() :])
    return found


class _OpenValue:
    """A value that may go on over several lines."""

    def __init__(self) -> None:
        self._depth = 0
        self._quotes = ""

    @property
    def is_open(self) -> bool:
        return self._depth > 0 or bool(self._quotes)

    def go_on(self, line: str) -> None:
        """Take in what stands on one line."""
        at = 0
        while at < len(line):
            if self._quotes:
                end = _end_of_string(line, at, self._quotes)
                if end is None:
                    return
                self._quotes, at = "", end
                continue
            piece = _PIECE.match(line, at)
            if piece is None:  # pragma: no cover - the last alternative takes anything
                return
            at = piece.end()
            if piece[0] in {'"""', "'''"}:
                self._quotes = piece[0]
            elif piece[0] in {"[", "{"}:
                self._depth += 1
            elif piece[0] in {"]", "}"}:
                self._depth -= 1


def _end_of_string(line: str, at: int, quotes: str) -> int | None:
    while True:
        end = line.find(quotes, at)
        if end < 0:
            return None
        before = line[at:end]
        escapes = len(before) - len(before.rstrip("\\"))
        if quotes == '"""' and escapes % 2:
            at = end + 1
            continue
        return end + len(quotes)


def _path(dotted: str) -> Path:
    """Split ``a."b.c".d`` as TOML does."""
    names = re.findall(_NAME, dotted)
    return tuple(next(iter(tomllib.loads(f"{name} = 0"))) for name in names)
