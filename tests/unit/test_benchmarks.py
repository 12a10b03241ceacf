"""The benchmarks work. How fast anything is, they tell on a quiet machine: no test does."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
TINY = ["--rounds", "1", "--seconds", "0.1", "--clients", "2", "--at-once", "1"]

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory")
needs_dbos = pytest.mark.skipif(find_spec("dbos") is None, reason="dbos is not installed: [bench]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the benchmarks and without the sources of what they measure."""
    (tmp_path / "benchmarks").symlink_to(PROJECT / "benchmarks")
    return tmp_path


@pytest.mark.parametrize(
    ("row", "options", "numbers"),
    [
        ("accept", [], ["P1", "P2"]),
        ("confirm", [], ["P4", "P4"]),
        ("group-commit", ["--orders", "32"], ["P5"]),
        pytest.param("fsync", ["--orders", "4"], ["P6"], marks=needs_strace),
        pytest.param("sagas", [], ["P7"], marks=needs_dbos),
        ("accept-mongodb", [], ["P3"]),
        pytest.param("sagas-mongodb", [], ["P8", "M5"], marks=needs_dbos),
        ("insert", ["--orders", "8"], ["M1", "M1"]),
        ("hot-sku", [], ["M2"]),
        ("workers", ["--orders", "4"], ["M3", "M3"]),
        ("fairness", ["--orders", "4"], ["M4", "M4"]),
        ("slow-provider", ["--orders", "4"], ["P15", "P15"]),
        ("listing", ["--orders", "200"], ["P9", "P9"]),
        ("validation", ["--orders", "2"], ["P10"]),
        pytest.param("memory", ["--orders", "8"], ["P11", "P11"], marks=needs_linux),
        ("events", ["--orders", "4"], ["P13"] * 3),
        pytest.param("bulk", ["--orders", "40"], ["P14"] * 4, marks=needs_linux),
        ("imports", [], ["P12", "P12"]),
    ],
)
def test_a_row_measures_every_goal_it_names(
    row: str, options: list[str], numbers: list[str], folder: Path
) -> None:
    results = folder / "results.json"

    run = benchmarks(folder, row, *TINY, *options, "--json", str(results))

    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(results.read_text())["figures"]
    assert numbers == [figure["number"] for figure in figures]
    assert [1] * len(figures) == [len(figure["values"]) for figure in figures]
    assert all(value >= 0 for figure in figures for value in figure["values"])


def test_without_a_row_all_rows_are_listed(folder: Path) -> None:
    run = benchmarks(folder)

    listed = [line.split()[0] for line in run.stdout.splitlines() if line.startswith("  ")]
    rows = ["accept", "confirm", "group-commit", "fsync", "sagas"]
    rows += ["accept-mongodb", "sagas-mongodb", "insert", "hot-sku", "workers", "fairness"]
    rows += ["slow-provider", "listing", "validation", "memory", "events", "bulk", "imports"]
    assert [*rows, "all", "report"] == listed


def test_what_a_row_needs_and_is_missing_is_said_and_the_run_goes_on(folder: Path) -> None:
    """For example where there is no strace: with an empty PATH there is none."""
    run = benchmarks(folder, "fsync", *TINY, PATH="")

    assert run.returncode == 0
    assert "skipped: needs strace: apt-get install strace" in run.stdout


@pytest.mark.parametrize(
    ("bound", "values", "verdict"),
    [
        ("≥", [0.8, 2.0, 0.7, 0.9, 0.1], "passes"),
        ("≥", [0.9, 0.9, 0.9, 0.0, 5.0], "reaches the aim"),
        ("≥", [0.79, 9.0, 0.79, 9.0, 0.79], "**short**"),
        ("≤", [0.8, 0.1, 0.7, 9.0, 0.8], "reaches the aim"),
        ("≤", [0.8, 0.85, 0.9, 9.0, 0.1], "reaches the aim"),
        ("≤", [1.0, 1.0, 1.0, 0.1, 0.1], "**short**"),
    ],
)
def test_the_report_judges_the_median_of_the_rounds(
    bound: str, values: list[float], verdict: str, folder: Path
) -> None:
    goal, aim = 0.8, 0.9
    (folder / "results.json").write_text(json.dumps(results_with(bound, goal, aim, values)))
    page = folder / "page.md"
    page.write_text(f"# Speed\n\n{BEGIN}\nold\n{END}\n\nMore words.\n")

    run = benchmarks(folder, "report", "results.json", "--page", str(page))

    assert run.returncode == 0, run.stderr
    text = page.read_text()
    assert text.startswith(f"# Speed\n\n{BEGIN}\nTaken on 2026-01-31: ")
    assert text.endswith(f"\n{END}\n\nMore words.\n")
    assert "old" not in text
    (line,) = (line for line in text.splitlines() if line.startswith("| P1 |"))
    assert verdict == line.split("|")[-2].strip()


def test_the_page_of_the_documentation_has_a_place_for_the_table() -> None:
    text = (PROJECT / "docs" / "speed.md").read_text(encoding="utf-8")

    assert [text.count(BEGIN), text.count(END)] == [1, 1]


BEGIN = "<!-- figures: written by python -m benchmarks report -->"
END = "<!-- figures end -->"


def benchmarks(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m benchmarks`` on what is installed."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def results_with(bound: str, goal: float, aim: float, values: list[float]) -> dict[str, Any]:
    names = ["processor", "memory", "system", "python", "sqlite", "load before"]
    return {
        "machine": {"date": "2026-01-31", **dict.fromkeys(names, "something")},
        "figures": [
            {
                "number": "P1",
                "what": "ours / theirs",
                "bound": bound,
                "goal": goal,
                "aim": aim,
                "unit": "",
                "values": values,
                "sides": [],
                "remarks": [],
            }
        ],
    }
