"""The documentation as data: its tables, its blocks of code, its links."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))

NOTHING: Final = "\N{EN DASH}"
"""What stands in a cell that has nothing to say."""

_BLOCK: Final = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW: Final = re.compile(r"^\| (.*) \|$")


def read(page: str) -> str:
    """Return the text of a page of ``docs``."""
    return (DOCS / page).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands under *heading*, up to the next one of its level or above."""
    level = heading.split(" ", maxsplit=1)[0]
    found = re.search(
        rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"there is no heading {heading!r}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks in *language*."""
    return [found["text"] for found in _BLOCK.finditer(text) if found["language"] == language]


def without_blocks(text: str) -> str:
    """Return the text between the fenced blocks."""
    return _BLOCK.sub("", text)


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of tables, without the rules beneath headings."""
    found = (_ROW.match(line) for line in text.splitlines())
    cells = [row[1].split(" | ") for row in found if row is not None]
    return [[cell.strip() for cell in row] for row in cells if set("".join(row)) - set("-:| ")]


def code(cell: str) -> list[str]:
    """Return what is set as code in a cell."""
    return re.findall(r"`([^`]+)`", cell)
