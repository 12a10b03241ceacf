"""Writes the table of figures into the documentation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from benchmarks.child import ROOT
from benchmarks.figures import Figure, Verdict, written

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "speed.md"
BEGIN: Final = "<!-- figures: written by python -m benchmarks report -->"
END: Final = "<!-- figures end -->"
_WORDS: Final = {
    Verdict.AIMED: "reaches the aim",
    Verdict.PASSED: "passes",
    Verdict.SHORT: "**short**",
}


def update(results: Path, page: Path) -> None:
    """Put the table of *results*, a file that ``--json`` wrote, between the marks of *page*.

    Raises:
        ValueError: the page has not exactly one pair of marks.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in after:
        message = f"{page} needs one line {BEGIN} and one line {END}; add them where the table goes"
        raise ValueError(message)
    table = written_table(json.loads(results.read_text(encoding="utf-8")))
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def written_table(document: dict[str, Any]) -> str:
    """Write machine and figures as Markdown."""
    machine: dict[str, str] = document["machine"]
    figures = [Figure.from_document(figure) for figure in document["figures"]]
    rounds = {len(figure.values) for figure in figures}
    libraries = ", ".join(
        f"{name} {what}" for name, what in machine.items() if name not in _NOT_LIBRARIES
    )
    taken = (
        f"Taken on {machine['date']}: {machine['processor']}, {machine['memory']}, "
        f"{machine['system']}, {machine['python']}, {libraries}. "
        f"Load average before it: {machine['load before']}. "
        f"Each figure is the median of {' or '.join(map(str, sorted(rounds)))} alternated rounds."
    )
    lines = [
        taken,
        "",
        "| row | what | figure | lowest to highest round | goal | aim | |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        goal = figure.goal
        unit = f" {goal.unit}" if goal.unit else ""
        lines.append(
            f"| {goal.number} | {goal.what} | {written(figure.median)}{unit} | {figure.spread} "
            f"| {goal.bound} {written(goal.goal)} | {goal.bound} {written(goal.aim)} "
            f"| {_WORDS[figure.verdict]} |"
        )
    return "\n".join(lines)


_NOT_LIBRARIES: Final = frozenset(
    {"date", "processor", "memory", "system", "python", "load before"}
)
