"""Every fenced example of the README and of docs/ runs as a test.

Python runs, the blocks of one document one after the other, in a folder of its own. Shell commands
are read by bash without running them, TOML and JSON must load, and a block of a language that
nobody checks must be one that is only to be looked at.
"""

import json
import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable
from typing import Any, Final

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser, SkipParser

CHECKED: Final = frozenset({"bash", "json", "python", "toml"})
TO_LOOK_AT: Final = frozenset(
    {
        *("console", "http", "text"),
        *("{eval-rst}", "{include}", "{literalinclude}", "{note}", "{toctree}", "{warning}"),
    }
)


def read_shell_commands(example: Example) -> None:
    """Let bash read the commands; it prints where a mistake is."""
    subprocess.run(["bash", "-n", "-c", example.parsed], check=True)  # noqa: S603, S607


def load_json(example: Example) -> None:
    """Load one value, or one a line."""
    text = str(example.parsed)
    try:
        json.loads(text)
    except json.JSONDecodeError:
        for line in text.splitlines():
            json.loads(line)


def load_toml(example: Example) -> None:
    """Load a configuration file."""
    tomllib.loads(example.parsed)


def refuse_unknown_languages(document: Document) -> Iterable[Region]:
    """Find the blocks that no parser checks and that are not only to be looked at."""
    fences = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)$\n", re.MULTILINE))
    for region in fences(document):
        language = str(region.lexemes["language"]).strip().split(" ")[0]
        if language not in CHECKED | TO_LOOK_AT:
            region.parsed = language
            region.evaluator = refuse
            yield region


def refuse(example: Example) -> str:
    """Say which languages a block may have."""
    allowed = ", ".join(sorted(CHECKED | TO_LOOK_AT))
    return f"a block of {example.parsed or 'no language'} is not checked; use one of {allowed}"


def enter_own_folder(namespace: dict[str, Any]) -> None:
    """Give each document an empty working directory: examples make files such as oms.db."""
    namespace["_folder"] = tempfile.TemporaryDirectory()
    namespace["_before"] = os.getcwd()  # noqa: PTH109 - chdir's counterpart
    os.chdir(namespace["_folder"].name)


def leave_own_folder(namespace: dict[str, Any]) -> None:
    """Go back, and remove what the examples left."""
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("bash", read_shell_commands),
        CodeBlockParser("json", load_json),
        CodeBlockParser("toml", load_toml),
        refuse_unknown_languages,
        SkipParser(),
    ],
    patterns=["*.md"],
    setup=enter_own_folder,
    teardown=leave_own_folder,
).pytest()
