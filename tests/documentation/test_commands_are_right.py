"""Every command that a page shows can be typed as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from oms_entrypoints.cli.commands import oms
from tests.support import pages

ORDER_ID = "7d9f6b1e-3c5a-4f0b-9a57-1f2d3c4b5a69"
_COMMAND = re.compile(r"(?:^|\$\()(oms(?: [^\n#>)|&]*)?)", re.MULTILINE)
_NAMED = re.compile(r"`(oms [^`]+)`")


def leaves(group: click.Command = oms, *way: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, under all its names."""
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            inner = group.get_command(context, name)
            assert inner is not None
            yield from leaves(inner, *way, name)
    else:
        yield " ".join(("oms", *way)), group


def test_the_page_lists_every_command() -> None:
    table = pages.read("command-line.md").partition("\n## ")[0]

    listed = {pages.code(command)[0] for command, _ in pages.rows(table)[1:]}

    assert listed
    assert listed == {name for name, _ in leaves()}


def test_the_page_names_every_option_and_no_other() -> None:
    text = pages.read("command-line.md")

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))

    options = {
        option
        for _, command in leaves()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
        if option.startswith("--")
    }
    assert options
    assert named == options | {"--help"}


def in_blocks() -> list[str]:
    """List the commands that pages show to be typed."""
    texts = [page.read_text(encoding="utf-8") for page in pages.PAGES]
    shown = [
        command
        for text in texts
        for block in pages.blocks(text, "bash")
        for command in _COMMAND.findall(block)
    ]
    return sorted({command.strip() for command in shown})


def in_sentences() -> list[str]:
    """List the commands that pages speak of; those in capitals are forms to be filled in."""
    texts = [pages.without_blocks(page.read_text(encoding="utf-8")) for page in pages.PAGES]
    named = {command for text in texts for command in _NAMED.findall(text)}
    return sorted(command for command in named if "COMMAND" not in command)


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Find the command that *words* begin with; returns it and the words after it."""
    found: click.Command = oms
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        inner = found.get_command(click.Context(found), words[0])
        assert inner is not None, f"there is no command {words[0]}"
        found, words = inner, words[1:]
    return found, words


@pytest.mark.parametrize("command", in_blocks())
def test_a_command_in_a_block_can_be_typed_as_it_stands(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMS_TENANT", ORDER_ID)
    monkeypatch.setenv("OMS_ORG", ORDER_ID)
    words = shlex.split(re.sub(r'"?\$(?:ORDER|SUBSCRIPTION)_ID"?', ORDER_ID, command))[1:]

    understood, rest = command_of(words)

    assert not isinstance(understood, click.Group)
    understood.make_context("oms", rest)


@pytest.mark.parametrize("command", in_sentences())
def test_a_command_in_a_sentence_exists_with_its_options(command: str) -> None:
    understood, rest = command_of(command.split()[1:])

    known = {option for parameter in understood.params for option in parameter.opts}
    assert {word for word in rest if word.startswith("-")} <= known | {"--help"}
